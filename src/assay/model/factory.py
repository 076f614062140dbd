"""A network that the user's own code makes, given these weights."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from assay.dataset.errors import DataError
from assay.model.networks import DEFAULT_SIZE, Network, bare, finite, frozen
from assay.model.weights import Array


def from_factory(name: str, weights: Mapping[str, Array], shape: tuple[int, ...] | None) -> Network:
    """The module that `name` ("module:factory", called without arguments) makes, with these weights; **runs that code**.

    `shape` (n, h, w, c) of the clean pictures, where there are some; else 3 channels of 32 pixels. The module takes pixels in 0 .. 1.
    The working folder is searched for the module. DataError where it does not come, or the weights do not fit it.
    """
    import torch

    named = bare(weights)
    finite(named)
    place, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(place), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"--arch {name} cannot be had ({error})", remedy="give module:factory, from the folder that holds it") from error
    finally:
        sys.path.remove(here)
    module = factory()
    channels, size = (shape[3], shape[1]) if shape else (3, DEFAULT_SIZE)
    try:
        module.load_state_dict({key: torch.from_numpy(np.array(array)) for key, array in named.items()}, strict=True)
        frozen(module)
        with torch.inference_mode():
            classes = module(torch.zeros(2, channels, size, size)).shape[1]
    except (RuntimeError, IndexError, AttributeError) as error:
        raise DataError(f"the weights or the pictures do not fit what --arch {name} makes ({error})") from error
    return Network(module, f"made by {name}", channels, size, int(classes))
