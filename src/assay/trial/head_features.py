"""The features of a data set's rows for a linear head, by modality."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.learn import images_net
from assay.learn.columns import code_columns
from assay.learn.corpus import read_corpus
from assay.learn.head_features import cell_features, joined, picture_features, text_features
from assay.learn.images_features import shrink
from assay.trial.family import Depth
from assay.trial.opinion import value_columns
from assay.trial.text_columns import text_columns


def head_features(
    data: Dataset, rng: np.random.Generator, depth: Depth = "fast", learnt: NDArray[np.int64] | None = None
) -> NDArray[np.float64] | None:
    """(n, d) of pictures, running text and values side by side, whichever there are; None where there is nothing to read.

    Labels are unread, but for pictures at full depth where torch is installed: then the features are the last hidden layer of a network
    trained on the rows `learnt`.
    """
    parts = []
    if data.images is not None and depth == "full" and learnt is not None and images_net.installed():
        small = shrink(data.images)
        network = images_net.NetLearner.of(rng).fit(small[learnt], data.y[learnt], len(data.classes))
        parts.append(even(network.hidden(small).astype(np.float64)))
    elif data.images is not None:
        parts.append(even(picture_features(data.images, rng)))
    if texts := text_columns(data):
        parts.append(even(text_features(read_corpus(joined([data.table.column(c) for c in texts])), rng)))
    if values := value_columns(data):
        parts.append(even(cell_features(code_columns(data.table, values))))
    parts = [p for p in parts if p.shape[1]]
    return np.concatenate(parts, axis=1) if parts else None


def even(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred, and of mean squared length 1, so that no kind of content outweighs another."""
    part = part - part.mean(0)
    return np.asarray(part / max(float(np.sqrt((part**2).sum(1).mean())), 1e-9))
