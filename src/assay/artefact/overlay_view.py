"""Pictures seen so that a faint overlay stands out: what pictures have in common is evened out, in frequency and in place.

A picture laid over other pictures is as rough as they are, so that a plain high-pass residual sees noise and no photograph.
Evened out, every frequency counts alike: a template of d numbers blended at alpha stands alpha / (1 - alpha) * sqrt(d)
standard deviations above pictures without it, 14 for d = 3,072 and alpha = 0.2, whatever it shows.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import uniform_filter

from assay.dataset.rows import UInt8

Float32 = NDArray[np.float32]

SIDE = 40  # pixels a side: larger pictures are averaged over squares, so that a row has at most 4,800 numbers in colour
NEIGHBOURHOOD = 9  # pixels a side of the square whose contrast a pixel is divided by: 5 to 13 differ little
ROUNDING = 0.3  # added to a frequency's power, in squared grey levels: rounding alone has 1/12
FLAT = 0.05  # added to the local contrast, whose mean is 1: flat pieces are not blown up
CHUNK = 50  # pictures at once: 50 x 1,024 x 3 float32 is 0.6 MiB and stays in the cache
STEADY = 0.05  # of the mean spread, added to a pixel's own: a border that never changes is not blown up


@dataclass(frozen=True, eq=False)
class Whitening:
    """Colours turned to be uncorrelated (c, c), then each frequency (h, w, c) less its mean, divided by its spread."""

    colours: Float32
    mean: Float32
    spread: Float32

    @classmethod
    def learn(cls, values: Float32, floor: float) -> Whitening:
        """From (n, h, w, c)."""
        return cls.learnt(values, floor)[0]

    @classmethod
    def learnt(cls, values: Float32, floor: float) -> tuple[Whitening, Float32]:
        """From (n, h, w, c), and these as `apply` gives them."""
        flat = values.reshape(len(values), -1, values.shape[-1])
        centred = flat - flat.mean(1).mean(0)
        _, colours = np.linalg.eigh((centred.transpose(0, 2, 1) @ centred).sum(0, dtype=np.float64))
        parts = _frequencies(values @ colours.astype(np.float32))
        spread = np.sqrt(_variance(parts) + floor)
        made = cls(colours.astype(np.float32), parts.mean(0), spread.astype(np.float32))
        return made, made._back(made._even(parts))

    def coefficients(self, values: Float32) -> Float32:
        """(n, h, w, c) the frequencies, each in its standard deviations."""
        return self._even(_frequencies(values @ self.colours))

    def apply(self, values: Float32) -> Float32:
        """(n, h, w, c) pictures of the frequencies, each in its standard deviations."""
        return self._back(self.coefficients(values))

    def _even(self, parts: Float32) -> Float32:
        parts -= self.mean
        parts /= self.spread
        return parts

    @staticmethod
    def _back(parts: Float32) -> Float32:
        for start in range(0, len(parts), CHUNK):
            some = slice(start, start + CHUNK)
            parts[some] = dctn(parts[some], type=3, axes=(1, 2), norm="ortho")
        return parts

    def to_json(self) -> dict[str, Any]:
        return {"colours": pack(self.colours), "mean": pack(self.mean), "spread": pack(self.spread)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Whitening:
        return cls(unpack(data["colours"], 2), unpack(data["mean"], 3), unpack(data["spread"], 3))


@dataclass(frozen=True, eq=False)
class View:
    """Whitening, local contrast, whitening once more, then every place like every other: learnt from pictures without labels.

    >>> images = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 1), dtype=np.uint8)
    >>> seen = View.learn(images)(images)
    >>> seen.shape, bool(np.allclose((seen**2).sum(1), 1, atol=1e-4))
    ((50, 256), True)
    """

    first: Whitening
    second: Whitening
    mean: Float32
    spread: Float32

    @classmethod
    def learn(cls, images: UInt8) -> View:
        """From pictures (n, h, w, c), a few thousand of them."""
        first, even = Whitening.learnt(pooled(images), ROUNDING)
        second, whole = Whitening.learnt(_local(even), FLAT**2)
        spread = whole.std(0)
        return cls(first, second, whole.mean(0), (spread + STEADY * spread.mean() + 1e-6).astype(np.float32))

    def __call__(self, images: UInt8) -> Float32:
        """(n, d) of length one each (a picture like the mean: zero)."""
        seen = self.second.apply(_local(self.first.apply(pooled(images))))
        seen -= self.mean
        seen /= self.spread
        result = seen.reshape(len(images), -1)
        result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-6)
        return result

    def to_json(self) -> dict[str, Any]:
        return {
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "mean": pack(self.mean),
            "spread": pack(self.spread),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> View:
        first, second = Whitening.from_json(data["first"]), Whitening.from_json(data["second"])
        return cls(first, second, unpack(data["mean"], 3), unpack(data["spread"], 3))


def pack(values: Float32) -> dict[str, Any]:
    """An array as JSON holds it."""
    return {"shape": list(values.shape), "f4": base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")}


def unpack(data: dict[str, Any], dimensions: int) -> Float32:
    """The inverse of `pack`; ValueError if it has another number of dimensions or a side over 40 * 40 * 4."""
    shape = [int(v) for v in data["shape"]]
    if len(shape) != dimensions or max(shape, default=0) > SIDE * SIDE * 4:
        raise ValueError(f"a stored array of shape {shape} is not one of {dimensions} dimensions")
    return np.frombuffer(base64.b64decode(data["f4"], validate=True), "<f4").reshape(shape).astype(np.float32)


def pooled(images: NDArray[Any]) -> Float32:
    """Pictures (n, h, w, c) averaged over equal squares until neither side exceeds 40, float32."""
    n, h, w, c = images.shape
    step = -(-max(h, w) // SIDE)
    if step == 1:
        return images.astype(np.float32)
    h, w = max(h // step, 1), max(w // step, 1)
    result: Float32 = images[:, : h * step, : w * step].reshape(n, h, step, w, step, c).mean((2, 4), dtype=np.float32)
    return result


def _frequencies(values: Float32) -> Float32:
    """Written over `values` (n, h, w, c), some pictures at a time: what is in the cache is not fetched again."""
    for start in range(0, len(values), CHUNK):
        some = slice(start, start + CHUNK)
        values[some] = dctn(values[some], axes=(1, 2), norm="ortho")
    return values


def _variance(values: Float32) -> NDArray[np.float64]:
    """Of (n, ...) over the rows, one row at a time: the whole in float64 would not stay in the cache."""
    mean = values.mean(0, dtype=np.float64)
    total, apart = np.zeros_like(mean), np.empty_like(mean)
    for row in values:
        np.subtract(row, mean, out=apart)
        total += np.multiply(apart, apart, out=apart)
    return np.asarray(total / len(values))


def _local(values: Float32) -> Float32:
    """Each pixel divided by the root mean square of its neighbourhood, all colours together; written over `values`."""
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        power = np.square(some)
        total = power[..., 0].copy()
        for channel in range(1, power.shape[3]):  # a mean over three neighbours in memory is ten times slower
            total += power[..., channel]
        total /= power.shape[3]
        around = uniform_filter(total[..., None], size=(1, NEIGHBOURHOOD, NEIGHBOURHOOD, 1), mode="reflect")
        some /= np.sqrt(around + FLAT)
    return values
