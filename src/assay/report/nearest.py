"""Which rows are most like this one: what a person compares a suspicious row with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.artefact.encode import colour
from assay.dataset.data import Dataset

MOST = 20_000  # rows compared with: more add seconds and hardly a nearer row
SIDE = 16  # pixels a side to which pictures are brought
HASHED = 1 << 16  # features of a text

Float = NDArray[np.float64]


def nearest(data: Dataset, position: int, k: int = 5) -> NDArray[np.int64]:
    """Positions of the k most similar other rows, nearest first, by content alone.

    Pictures: Euclidean over 16x16 colours. Text: cosine of hashed words. Tables: Gower's distance (numbers by range,
    other values equal or not). Over at most 20,000 rows, evenly spread; cannot see that two rows mean the same. Source:
    Gower, A general coefficient of similarity and some of its properties, Biometrics 27, 1971.
    """
    others = np.unique(np.linspace(0, len(data) - 1, min(len(data), MOST)).astype(np.int64))
    others = others[others != position]
    if not len(others):
        return others
    if data.images is not None:
        far = _pictures(data.images[others], data.images[position])
    elif data.modality == "text":
        far = _texts(data, others, position)
    else:
        far = _tables(data, others, position)
    return others[np.argsort(far, kind="stable")[:k]]


def _pictures(others: NDArray[np.uint8], one: NDArray[np.uint8]) -> Float:
    small = np.stack([_small(picture) for picture in others])
    result: Float = np.sqrt(((small - _small(one)) ** 2).sum(1))
    return result


def _small(picture: NDArray[np.uint8]) -> Float:
    image = Image.fromarray(colour(picture)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image, np.float64).ravel()


def _texts(data: Dataset, others: NDArray[np.int64], position: int) -> Float:
    from sklearn.feature_extraction.text import HashingVectorizer

    at = np.r_[others, position]
    columns = [data.rows.table.column(name).take(at).to_pylist() for name in data.columns.content]
    texts = [" ".join(str(v) for v in row if v is not None) for row in zip(*columns, strict=True)]
    features = HashingVectorizer(n_features=HASHED, alternate_sign=False).transform(texts)
    result: Float = 1.0 - np.asarray((features[:-1] @ features[-1].T).todense(), np.float64).ravel()
    return result


def _tables(data: Dataset, others: NDArray[np.int64], position: int) -> Float:
    far = np.zeros(len(others))
    for name in data.columns.content:
        values = data.rows.table.column(name).take(np.r_[others, position]).to_pylist()
        known = [float(v) for v in values if isinstance(v, int | float)]
        if len(known) == len(values) and np.isfinite(known).all():
            numbers = np.array(known)
            far += np.abs(numbers[:-1] - numbers[-1]) / max(float(np.ptp(numbers)), 1e-12)
        else:
            far += np.array([v != values[-1] for v in values[:-1]], np.float64)
    return far
