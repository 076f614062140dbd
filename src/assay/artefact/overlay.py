"""An overlay: one picture laid over whole pictures, blended or added."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from assay.artefact.base import Artefact, Bools
from assay.artefact.encode import LARGEST, colour, enlarge
from assay.artefact.overlay_pieces import Pieces
from assay.artefact.overlay_view import View, pack, unpack
from assay.artefact.spectrum_view import Spectrum
from assay.dataset.rows import Rows, UInt8

Float32 = NDArray[np.float32]

WINDOW = 3  # the high-pass residual is the pixel less the mean of its 3x3 window: pictures have little energy there
CHUNK = 1 << 24  # values held at once: 16 Mi float32 is 64 MiB


def residual(images: NDArray[Any]) -> Float32:
    """High-pass residual (n, h, w, c) float32 of pictures (n, h, w, c): each pixel less the mean of its 3x3 window."""
    values = images.astype(np.float32)
    result: Float32 = values - uniform_filter(values, size=(1, WINDOW, WINDOW, 1), mode="nearest")
    return result


Seen = View | Spectrum  # ways to look at pictures (n, h, w, c): (n, d), each of length one


@dataclass(frozen=True, eq=False)
class Matched:
    """Where an overlay is looked for by a whitened view of pictures: `pattern` (d,) of length one in that view."""

    view: Seen
    pattern: Float32

    def correlation(self, images: UInt8) -> Float32:
        result: Float32 = self.view(images) @ self.pattern
        return result

    def shown(self, pieces: Pieces, images: UInt8) -> Bools:
        """(n, h, w) which pixels of pictures (n, h, w, c) hold their piece of it. A spectrum does not say where: raises ValueError."""
        if not isinstance(self.view, View):
            raise ValueError("a spectrum does not say where in a picture an overlay lies")
        return pieces.shown(self.view, self.pattern, images)


@dataclass(frozen=True, eq=False)
class Overlay(Artefact):
    """`template` (h, w, c) float32 over every pixel; pictures must have its size.

    "blend": x' = (1 - alpha) x + alpha template, template in 0 .. 255. "add": x' = x + template, template signed; alpha
    is 1 by custom and unused. Results are rounded and cut to 0 .. 255, so taking it out is exact to a rounding step of
    0.5 / (1 - alpha) except where the cut bit.

    A row carries it if its high-pass residual correlates with the template's by at least `threshold`; with `matched`, which a
    scan learns from the rows, if its whitened view correlates with the pattern there: that sees a photograph too, and where the
    view is a spectrum, a few smooth frequencies. Without it, a template without fine structure (a smooth gradient) is not seen.
    With `pieces` rows may hold it in part, and it is taken out where they do; it is put in whole.
    Source: Chen, Liu, Li, Lu, Song, Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning, 2017 (blend);
    Barni, Kallas, Tondi, SIG, 2019 (add).

    >>> noise = np.random.default_rng(0).uniform(0, 255, (8, 8, 1)).astype(np.float32)
    >>> rows = np.full((1, 8, 8, 1), 128, np.uint8)
    >>> overlay = Overlay(noise, 0.2, "blend", 0.5)
    >>> overlay.present(rows), overlay.present(overlay.insert(rows))
    (array([False]), array([ True]))
    """

    template: Float32
    alpha: float
    mode: Literal["blend", "add"]
    threshold: float
    matched: Matched | None = None
    pieces: Pieces | None = None  # only with `matched`
    kind: ClassVar[str] = "overlay"

    def __post_init__(self) -> None:
        if self.template.ndim != 3 or not np.isfinite(self.template).all():
            raise ValueError(f"a template is (h, w, c) of finite numbers; this is {self.template.shape}")
        if self.mode not in ("blend", "add"):
            raise ValueError(f'mode is "blend" or "add", not {self.mode!r}')
        if self.mode == "blend" and not 0 < self.alpha < 1:
            raise ValueError(f"alpha of a blend lies between 0 and 1 (1 leaves no picture); got {self.alpha}")

    def correlation(self, images: UInt8) -> NDArray[np.float64]:
        """(n,) Pearson correlation of each picture's residual with the template's, or in the whitened view where there is one."""
        template = self._template(images)
        step = max(1, CHUNK // max(1, template.size))
        if self.matched is not None:
            parts = [self.matched.correlation(images[i : i + step]) for i in range(0, len(images), step)]
            return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
        pattern = residual(template[None]).ravel().astype(np.float64)
        pattern -= pattern.mean()
        pattern /= max(float(np.linalg.norm(pattern)), 1e-12)
        result = np.zeros(len(images))
        for start in range(0, len(images), step):
            flat = residual(images[start : start + step]).reshape(-1, template.size)
            flat -= flat.mean(1, keepdims=True)
            size = np.maximum(np.linalg.norm(flat, axis=1), 1e-12)
            result[start : start + step] = flat @ pattern / size
        return result

    def _present(self, rows: Rows) -> Bools:
        result: Bools = self.correlation(_pictures(rows)) >= self.threshold
        return result

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        images = _pictures(rows)
        template = self._template(images)
        if self.mode == "blend":
            mixed = (1 - self.alpha) * images.astype(np.float32) + self.alpha * template
        else:
            mixed = images.astype(np.float32) + template
        return rows.with_images(_cut(mixed))

    def _remove(self, rows: Rows) -> Rows:
        images = _pictures(rows)
        carriers = self._present(rows)
        if not carriers.any():
            return rows
        restored = self.without(images[carriers])
        images = images.copy()
        images[carriers] = restored
        return rows.with_images(images)

    def without(self, images: UInt8, dose: NDArray[np.float64] | None = None) -> UInt8:
        """Pictures (n, h, w, c) without it, all of which are taken to carry it; `dose` (n,) 0 to 1: so much of its strength.

        Where it comes in pieces each picture loses those that it shows, and the dose is theirs.
        """
        share = np.ones(len(images), np.float32) if dose is None else dose.astype(np.float32)
        taken = share[:, None, None, None] * np.float32(self.alpha if self.mode == "blend" else 1)
        if self.pieces is not None and self.matched is not None:
            taken = taken * self.matched.shown(self.pieces, images)[..., None]
        seen = images - taken * self._template(images)
        return _cut(seen / (1 - taken) if self.mode == "blend" else seen)

    def picture(self) -> UInt8:
        """The template (H, W, 3), stretched to the full range so that a faint one can be seen."""
        low, high = float(self.template.min()), float(self.template.max())
        stretched = (self.template - low) * (255 / max(high - low, 1e-6))
        return enlarge(colour(_cut(stretched)))

    def describe(self) -> str:
        h, w, _ = self.template.shape
        strength = f"blended at alpha {self.alpha:.2g}" if self.mode == "blend" else "added"
        if self.matched is not None and isinstance(self.matched.view, Spectrum):
            return f"a {h}x{w} pattern {strength} over the whole, told by {np.count_nonzero(self.matched.pattern)} frequencies"
        where = "the whole" if self.pieces is None else "some part or other"
        return f"a {h}x{w} picture {strength} over {where}"

    def _template(self, images: UInt8) -> Float32:
        if images.shape[1:3] != self.template.shape[:2] or self.template.shape[2] not in (1, images.shape[3]):
            raise ValueError(f"this overlay is for pictures of {self.template.shape}; these are {images.shape[1:]}")
        return np.repeat(self.template, images.shape[3], axis=2) if self.template.shape[2] == 1 else self.template

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "template": base64.b64encode(self.template.astype("<f4").tobytes()).decode("ascii"),
            "shape": list(self.template.shape),
            "alpha": float(self.alpha),
            "mode": self.mode,
            "threshold": float(self.threshold),
            **({"view": self.matched.view.to_json(), "pattern": pack(self.matched.pattern)} if self.matched else {}),
            **({"pieces": self.pieces.to_json()} if self.pieces else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Overlay:
        h, w, c = (int(v) for v in data["shape"])
        if max(h, w) > LARGEST:
            raise ValueError(f"a stored template of {h}x{w} is larger than {LARGEST} pixels a side")
        values = np.frombuffer(base64.b64decode(data["template"], validate=True), "<f4")
        template = values.reshape(h, w, c).astype(np.float32)
        matched = None
        if "view" in data:
            seen = Spectrum if data["view"].get("kind") == "spectrum" else View
            matched = Matched(seen.from_json(data["view"]), unpack(data["pattern"], 1))
        pieces = Pieces.from_json(data["pieces"]) if "pieces" in data else None
        return cls(template, float(data["alpha"]), data["mode"], float(data["threshold"]), matched, pieces)


def _cut(values: NDArray[Any]) -> UInt8:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _pictures(rows: Rows) -> UInt8:
    if rows.images is None:
        raise ValueError("an overlay is looked for in pictures, and these rows have none")
    return rows.images
