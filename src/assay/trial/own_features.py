"""Features by the reader's own model: a file of numbers that it wrote, or the last hidden layer of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.errors import DAMAGE, DataError
from assay.learn import images_net
from assay.model.factory import from_factory
from assay.model.networks import as_input, rebuild
from assay.model.weights import read_weights

Floats = NDArray[np.float64]

AT_ONCE = 256  # pictures in one pass through the network


def given_features(data: Dataset, given: Any) -> Floats:
    """(n, d) features of the rows of `data`, from an array or an .npy file (read without pickles).

    One line a row of `data`, in its order; of a record that was put behind them, the last line. DataError for anything else.
    """
    where = given if isinstance(given, str | Path) else data.path
    if isinstance(given, str | Path):
        try:
            given = np.load(given, allow_pickle=False)
        except DAMAGE as error:
            raise DataError(f"holds no array of numbers ({error})", path=where, remedy="write it by numpy.save") from error
    features = np.asarray(given)
    if features.dtype.kind not in "fiu" or features.ndim != 2 or len(features) != len(data) or not features.shape[1]:
        raise DataError(
            f"expected numbers of shape ({len(data):,}, d), found {features.dtype} {features.shape}",
            path=where,
            remedy="give one line a row, in the data's order, and the line of the record asked about after them",
        )
    broken = np.flatnonzero(~np.isfinite(features.astype(np.float64)).all(1))
    if len(broken):
        raise DataError("holds a number that is not finite", path=where, row=int(broken[0]), remedy="mend what wrote it")
    return features.astype(np.float64)


def model_features(data: Dataset, weights: Path, arch: str | None = None) -> Floats:
    """(n, d) what the last linear layer of a torch network reads of each picture. `arch`, module:factory, **runs that code**.

    Without `arch` the network is put together from its weights (`model/networks.py`); no pickle is loaded. Pixels go in as 0 .. 1.
    DataError where torch is not installed, the data are no pictures, or they do not fit the network.
    """
    if not images_net.installed():
        raise DataError("asking a model needs torch", remedy="pip install 'assay[torch]'")
    import torch

    if data.images is None:
        raise DataError("a model is asked about pictures, and there are none", path=data.path, remedy="give features instead")
    arrays = read_weights(weights)
    network = rebuild(arrays, data.images.shape[1]) if arch is None else from_factory(arch, arrays, data.images.shape)
    linear = [layer for layer in network.module.modules() if isinstance(layer, torch.nn.Linear)]
    if not linear:
        raise DataError("the network has no linear layer at its end", path=weights, remedy="give features instead")
    if data.images.shape[3] != network.channels:
        raise DataError(f"the network reads {network.channels} channels, the pictures have {data.images.shape[3]}", path=data.path)
    seen: list[Any] = []
    hook = linear[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1).numpy()))
    try:
        with torch.inference_mode():
            for start in range(0, len(data), AT_ONCE):
                network.module(as_input(data.images[start : start + AT_ONCE]))
    except RuntimeError as error:
        raise DataError(f"the pictures do not go through the network ({error})", path=data.path) from error
    finally:
        hook.remove()
    return np.concatenate(seen).astype(np.float64)
