"""How a network behaves on labelled pictures: accuracy by slices, calibration, ordinary corruption. Every share has its interval.

These are figures of the rows at hand: rows of another kind may fare otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, laplace
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import hypergeom

from assay.dataset.errors import DataError
from assay.model.networks import Network, as_input
from assay.stats.interval import clopper_pearson
from assay.stats.multiple import holm_adjusted

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

LEAST_ROWS = 100  # below, no interval says much
LEAST_SLICE = 20  # rows of a slice that is compared with the others
BINS = 15  # of confidence, of equal mass: the field's number (Guo et al. 2017)
DRAWS = 200  # of labels by the model's own word, beside which its error of calibration is judged
PART = 500  # pictures asked about at once

# After Hendrycks & Dietterich, Benchmarking neural network robustness to common corruptions, 2019: kinds that need no weather, three
# severities each, set for pictures of a few dozen pixels
CORRUPTIONS: Mapping[str, tuple[float, ...]] = {
    "noise": (10, 25, 50),  # deviation, of 255
    "blur": (0.5, 1.0, 2.0),  # deviation, in pixels
    "dark": (0.7, 0.4, 0.2),  # factor
    "bright": (40, 80, 120),  # added
    "flat": (0.6, 0.35, 0.2),  # contrast left
    "jpeg": (40, 20, 8),  # quality
    "coarse": (1.5, 2.0, 4.0),  # pixels made one
}


@dataclass(frozen=True)
class Share:
    """Of `rows` rows, `right` told right; a 95 % Clopper-Pearson interval."""

    right: int
    rows: int
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.right / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, Any]:
        return {"share": self.value, **asdict(self)}


@dataclass(frozen=True)
class Slice:
    """`p`: chance of so few right among these rows, were they drawn from all rows; over all slices (Holm)."""

    name: str
    share: Share
    p: float


@dataclass(frozen=True)
class Calibration:
    """`error`: expected calibration error; `by_chance`: what it would be at the 95th percentile, were every confidence true. `beyond`: mean
    confidence less accuracy. `temperature`: what logits are best divided by."""

    error: float
    by_chance: float
    beyond: float
    temperature: float


@dataclass(frozen=True)
class Audit:
    """`corrupted`: by kind and severity, mildest first."""

    overall: Share
    slices: tuple[Slice, ...]
    calibration: Calibration
    corrupted: Mapping[str, tuple[Share, ...]]

    def to_json(self) -> dict[str, Any]:
        return {
            "overall": self.overall.to_json(),
            "slices": [{"name": s.name, "p": s.p, **s.share.to_json()} for s in self.slices],
            "calibration": asdict(self.calibration),
            "corrupted": {
                kind: [{"severity": level, **share.to_json()} for level, share in zip(CORRUPTIONS[kind], shares, strict=True)]
                for kind, shares in self.corrupted.items()
            },
        }


def audit(network: Network, images: UInt8, y: Int, rng: np.random.Generator, say: Callable[[str], None] = lambda _: None) -> Audit:
    """All of it on pictures (n, h, w, c) in the network's own size, of classes `y` (n,). DataError: too few rows, or of another size."""
    if len(y) < LEAST_ROWS:
        raise DataError(f"{len(y)} labelled rows; at least {LEAST_ROWS} are needed", remedy="give more")
    if images.shape[1:] != (network.size, network.size, network.channels):
        reads = f"{network.size} pixels a side in {network.channels} channels"
        raise DataError(f"pictures of {images.shape[1:]}, and the network reads {reads}", remedy="resize or convert them")
    say("slices and calibration")
    logits = logits_of(network, images)
    right = logits.argmax(1) == y
    found: dict[str, tuple[Share, ...]] = {}
    for kind, levels in CORRUPTIONS.items():
        say(f"corruption: {kind}")
        found[kind] = tuple(share_of(logits_of(network, corrupted(images, kind, level, rng)).argmax(1) == y) for level in levels)
    return Audit(share_of(right), slices(right, y, images), calibration(logits, y, rng), found)


def share_of(right: Bools) -> Share:
    """Of rows (n,).

    >>> share_of(np.array([True, True, False, True])).value
    0.75
    """
    return Share(int(right.sum()), len(right), *clopper_pearson(int(right.sum()), len(right)))


def logits_of(network: Network, images: UInt8) -> Floats:
    """(n, classes)."""
    import torch

    with torch.inference_mode():
        parts = [network.module(as_input(images[i : i + PART])).float().numpy() for i in range(0, len(images), PART)]
    return np.concatenate(parts).astype(np.float64)


def slices(right: Bools, y: Int, images: UInt8) -> tuple[Slice, ...]:
    """Each class, and the thirds of the rows by brightness, contrast and sharpness: the worst first.

    Fisher's exact test of a slice against all other rows, one-sided; Holm's correction over the slices.
    """
    grey = images.astype(np.float64).mean(3)
    edges = np.abs(np.stack([laplace(g) for g in grey])).mean((1, 2))
    measures = {"bright": grey.mean((1, 2)), "contrast": grey.std((1, 2)), "sharp": edges}
    parts = {f"class {c}": y == c for c in np.unique(y)}
    for name, value in measures.items():
        low, high = np.quantile(value, [1 / 3, 2 / 3])
        parts |= {f"least {name} third": value <= low, f"most {name} third": value > high}
    kept = {name: part for name, part in parts.items() if LEAST_SLICE <= part.sum() <= len(y) - LEAST_SLICE}
    p = {
        name: float(hypergeom.cdf(right[part].sum(), len(y), right.sum(), part.sum()))  # Fisher's exact test, one-sided
        for name, part in kept.items()
    }
    level = dict(zip(p, holm_adjusted(np.array(list(p.values()))).tolist(), strict=True))
    return tuple(Slice(name, share_of(right[kept[name]]), level[name]) for name in sorted(p, key=lambda n: p[n]))


def calibration(logits: Floats, y: Int, rng: np.random.Generator) -> Calibration:
    """Of logits (n, classes) and classes `y` (n,)."""
    probability = softmax(logits, 1)
    confidence, said = probability.max(1), probability.argmax(1)
    right = said == y
    chance = [expected_error(confidence, rng.random(len(y)) < confidence) for _ in range(DRAWS)]

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), 1)[np.arange(len(y)), y].mean())

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return Calibration(
        expected_error(confidence, right), float(np.quantile(chance, 0.95)), float(confidence.mean() - right.mean()), float(np.exp(best.x))
    )


def expected_error(confidence: Floats, right: Bools) -> float:
    """Mean distance of confidence (n,) and share right (n,), over bins of equal mass (Guo, Pleiss, Sun & Weinberger, 2017).

    >>> expected_error(np.array([0.75] * 4), np.array([True, True, True, False]))
    0.0
    """
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    if np.ptp(confidence) == 0:
        parts = [order]
    return float(sum(len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts) / len(order))


def corrupted(images: UInt8, kind: str, level: float, rng: np.random.Generator) -> UInt8:
    """Pictures (n, h, w, c) as they come from a worse camera, lens, light or coder."""
    if kind == "jpeg":
        return np.stack([_jpeg(picture, int(level)) for picture in images])
    values = images.astype(np.float64)
    if kind == "noise":
        values += rng.normal(0, level, images.shape)
    elif kind == "blur":
        values = gaussian_filter(values, (0, level, level, 0))
    elif kind == "dark":
        values *= level
    elif kind == "bright":
        values += level
    elif kind == "flat":
        middle = values.mean((1, 2, 3), keepdims=True)
        values = middle + level * (values - middle)
    elif kind == "coarse":
        return np.stack([_coarse(picture, level) for picture in images])
    else:
        raise ValueError(f"no corruption of the kind {kind!r}")
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _picture(picture: UInt8) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def _array(picture: Image.Image, shape: tuple[int, ...]) -> UInt8:
    return np.asarray(picture, np.uint8).reshape(shape)


def _jpeg(picture: UInt8, quality: int) -> UInt8:
    held = io.BytesIO()
    _picture(picture).save(held, "JPEG", quality=quality)
    return _array(Image.open(held), picture.shape)


def _coarse(picture: UInt8, factor: float) -> UInt8:
    height, width = picture.shape[:2]
    small = _picture(picture).resize((max(1, round(width / factor)), max(1, round(height / factor))), Image.Resampling.BOX)
    return _array(small.resize((width, height), Image.Resampling.NEAREST), picture.shape)
