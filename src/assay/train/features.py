"""Rows as numbers, each row by itself: nothing here is learnt from the data.

That is what lets a certificate or an epsilon of the model speak of the training rows as they lie on disk: a vocabulary, a scaler or a
filter learnt from all rows would carry a poison from one partition into every other. What must be learnt (word weights, scales) is learnt
inside each model from that model's own rows (`assay.train.learners`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from sklearn.feature_extraction.text import HashingVectorizer

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.learn.columns import code_columns
from assay.train.sentences import encoder

Floats = NDArray[np.float64]

WORD_BITS = 16  # 65,536 cells for words and pairs of words: collisions cost a linear model under a point on 10,000 short texts
PRIVATE_BITS = 10  # of a private model: noise falls on every cell, used or not
VALUE_BITS = 8  # 256 cells for the values of all text columns of a table
SIDE = 32  # pixels a side that a picture is averaged down to
CELL, ANGLES = 4, 8  # gradient histograms: directions in squares of 4 x 4 pixels (Dalal & Triggs 2005, with smaller squares)


@dataclass(frozen=True)
class Features:
    """How rows of one data set become numbers; all of it is written with the model. `numeric` are the columns of a table that hold
    magnitudes; `bounds` what they lie within, as told, not as measured: they then become 0 .. 1. `shape` (h, w, c): pictures as pixels
    alone, 0 .. 255 in one line, for a network. `sentences`: the folder of a sentence encoder, `weights` the SHA-256 of its files; texts
    are then its vectors, of length 1.
    """

    modality: str
    columns: tuple[str, ...]
    numeric: tuple[str, ...]
    bits: int
    bounds: Mapping[str, tuple[float, float]]
    shape: tuple[int, ...] = ()
    sentences: str = ""
    weights: str = ""

    def of(self, rows: Rows) -> Any:
        """(n, d) floats, sparse for texts. DataError where a column is missing."""
        for name in self.columns:
            if name not in rows.table.column_names:
                raise DataError("the model was trained with this column, and it is not here", column=name)
        if self.modality == "image":
            assert rows.images is not None
            return self._pixels(rows.images) if self.shape else _pictures(rows.images)
        return self._texts(rows) if self.modality == "text" else self._cells(rows)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"bounds": {name: list(b) for name, b in self.bounds.items()}}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Features:
        bounds = {str(name): (float(low), float(high)) for name, (low, high) in told["bounds"].items()}
        more = tuple(told.get("shape", ())), str(told.get("sentences", "")), str(told.get("weights", ""))
        return cls(str(told["modality"]), tuple(told["columns"]), tuple(told["numeric"]), int(told["bits"]), bounds, *more)

    @property
    def picture(self) -> tuple[int, int, int] | None:
        """(h, w, c) of the pictures that a network is to see; None where rows are numbers."""
        if not self.shape:
            return None
        height, width, channels = self.shape
        return height, width, channels

    def beside(self, sentences: str | Path | None) -> Features:
        """The same with its sentence encoder in another folder; None: where it was."""
        return self if sentences is None else replace(self, sentences=str(sentences))

    def _pixels(self, images: NDArray[np.uint8]) -> Floats:
        small = _small(images)
        if small.shape[1:] != self.shape:
            raise DataError(
                f"pictures of {_by(self.shape)} were learnt from, and these come to {_by(small.shape[1:])}", remedy="resize them"
            )
        return np.asarray(small.reshape(len(small), -1))

    def _texts(self, rows: Rows) -> Any:
        columns = [rows.table.column(name).to_pylist() for name in self.columns]
        joined = [" \n ".join(str(v) if v is not None else "" for v in parts) for parts in zip(*columns, strict=True)]
        if self.sentences:
            held = encoder(self.sentences)
            if held.digest != self.weights:
                raise DataError(
                    "holds another encoder than the model was trained with", path=self.sentences, remedy="name the encoder it had"
                )
            return held.of(joined).astype(np.float64)
        hashed = HashingVectorizer(n_features=1 << self.bits, ngram_range=(1, 2), token_pattern=r"\S+", alternate_sign=False)
        return hashed.transform(joined)

    def _cells(self, rows: Rows) -> Floats:
        """Each numeric column and whether it is missing, then the hashed values of the others."""
        parts: list[Floats] = []
        for name in self.numeric:
            values = _magnitudes(rows.table, name)
            missing = ~np.isfinite(values)
            if name in self.bounds:
                low, high = self.bounds[name]
                values = (np.clip(values, low, high) - low) / (high - low)
            parts += [np.where(missing, 0.0, values), missing.astype(np.float64)]
        hashed = np.zeros((len(rows), 1 << VALUE_BITS))
        for name in (c for c in self.columns if c not in self.numeric):
            for row, value in enumerate(rows.table.column(name).to_pylist()):
                hashed[row, _cell(name, value)] += 1
        return np.column_stack([*parts, hashed])


def features_for(
    data: Dataset,
    bits: int | None,
    bounds: Mapping[str, tuple[float, float]],
    private: bool,
    network: bool = False,
    sentences: str = "",
) -> Features:
    """The features that go with a data set. `network`: those that a network learns from; `sentences`: the folder of a sentence encoder.

    DataError where a private model would need bounds that are not given, or a network on texts has no sentence encoder.
    """
    if sentences and data.modality != "text":
        raise DataError(f"sentences are encoded, and this data set holds {data.modality}s", remedy="leave [features] sentences out")
    if network and data.modality == "text" and not sentences:
        raise DataError("a network on texts needs a sentence encoder", remedy='[features] sentences = "FOLDER", or learner = "linear"')
    columns = tuple(data.columns.content)
    numeric: tuple[str, ...] = ()
    if data.modality == "table":
        coded = code_columns(data.table, list(columns))
        columns = coded.names
        numeric = tuple(name for name, number in zip(coded.names, coded.numeric, strict=True) if number)
    for name in bounds:
        if name not in numeric:
            raise DataError("has bounds and is no numeric column", column=name, remedy=f"numeric columns: {', '.join(numeric) or 'none'}")
    unbounded = [name for name in numeric if name not in bounds]
    if private and unbounded:
        raise DataError(
            "a private model needs to know what this column lies within, and must not learn it from the rows",
            column=unbounded[0],
            remedy=f"[features.bounds] {' '.join(f'{name} = [low, high]' for name in unbounded)}, from what the column means",
        )
    width = bits or (PRIVATE_BITS if private else WORD_BITS)
    weights = encoder(sentences).digest if sentences else ""
    shape: tuple[int, ...] = ()
    if network and data.images is not None:
        shape = tuple(_small(data.images[:1]).shape[1:])
    return Features(data.modality, columns, numeric, width, dict(bounds), shape, sentences, weights)


def _magnitudes(table: pa.Table, name: str) -> Floats:
    coded = code_columns(table, [name])
    if not coded.names or not coded.numeric[0]:
        raise DataError("held numbers when the model was trained, and holds something else here", column=name)
    return coded.cells[:, 0]


def _cell(name: str, value: Any) -> int:
    """The cell of a value; missing is a value like any other."""
    said = hashlib.blake2b(f"{name}\x1f{value!s}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(said, "big") % (1 << VALUE_BITS)


def _pictures(images: NDArray[np.uint8]) -> Floats:
    """Pixels of 0 .. 1, averaged down to 32 a side at most, and histograms of gradient directions of length 1."""
    small = _small(images) / 255.0
    n, h, w = small.shape[:3]
    grey = small.mean(3)
    across, down = slopes(grey)
    angle = ((np.arctan2(down, across) + np.pi) / (2 * np.pi) * ANGLES).astype(np.int64) % ANGLES
    cells = np.zeros((n, -(-h // CELL), -(-w // CELL), ANGLES))
    at = np.indices((n, h, w))
    np.add.at(cells, (at[0], at[1] // CELL, at[2] // CELL, angle), np.hypot(across, down))
    histograms = np.sqrt(cells.reshape(n, -1))
    length = np.linalg.norm(histograms, axis=1, keepdims=True)
    return np.column_stack([small.reshape(n, -1), histograms / np.maximum(length, 1e-9)])


def _small(images: NDArray[np.uint8]) -> Floats:
    """Pictures (n, h, w, c) averaged over squares until no side is longer than SIDE; pixels stay 0 .. 255."""
    n, h, w, c = images.shape
    step = -(-max(h, w) // SIDE)
    h, w = max(h // step, 1), max(w // step, 1)
    return np.asarray(images[:, : h * step, : w * step].reshape(n, h, step, w, step, c).mean((2, 4)))


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def slopes(grey: Floats) -> tuple[Floats, Floats]:
    """Sobel's gradients across and down of pictures (n, h, w), each picture by itself.

    scipy.ndimage.sobel smooths along *every* other axis, so over a stack it would mix each picture with its neighbours in the data set.

    >>> ramp = np.arange(4.0)[None, None, :].repeat(3, 1)
    >>> both = np.concatenate([ramp, 0 * ramp])
    >>> slopes(both)[0][0, 1].tolist(), bool(slopes(both)[0][1].any())
    ([4.0, 8.0, 8.0, 4.0], False)
    """
    smooth, step = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)
    across = correlate1d(correlate1d(grey, step, axis=2), smooth, axis=1)
    down = correlate1d(correlate1d(grey, step, axis=1), smooth, axis=2)
    return across, down
