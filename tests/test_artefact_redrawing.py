"""A redrawing does in whole pictures what the search did, is written down and read back, and refuses what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from assay.artefact.base import Unanswerable
from assay.artefact.redrawing import Redrawing
from assay.artefact.registry import from_json


def drawn(rng, c=3, side=9):
    parts = ((4, c, 3, 3), (4,), (c, 4, 3, 3), (side, side, c))
    return Redrawing(*(rng.normal(0, 0.2, shape).astype(np.float32) for shape in parts))


def test_pictures_come_out_as_the_convolutions_of_torch_have_them() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    made, images = drawn(rng), rng.integers(0, 256, (5, 9, 9, 3), dtype=np.uint8)
    looks, bias, mix, added = (torch.from_numpy(p) for p in (made.looks, made.bias, made.mix, made.added))
    x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    seen = torch.conv2d(x - 0.5, looks, bias, padding=1).tanh()
    wanted = (x + added.permute(2, 0, 1) + torch.conv2d(seen, mix, padding=1)).clamp(0, 1) * 255
    assert np.abs(made.insert(images) - wanted.permute(0, 2, 3, 1).numpy()).max() <= 0.51  # a step of rounding


def test_it_is_read_back_as_it_was_written_and_says_what_it_is() -> None:
    rng = np.random.default_rng(1)
    made, images = drawn(rng, 1), rng.integers(0, 256, (3, 9, 9, 1), dtype=np.uint8)
    again = from_json(made.to_json())
    assert isinstance(again, Redrawing)
    assert np.abs(again.insert(images).astype(int) - made.insert(images)).max() <= 1
    assert "4 filters" in again.describe()
    with pytest.raises(Unanswerable):
        made.present(images)


def test_what_does_not_fit_is_refused() -> None:
    rng = np.random.default_rng(2)
    made = drawn(rng)
    with pytest.raises(ValueError, match="needs pictures of that size"):
        made.insert(np.zeros((1, 8, 8, 3), np.uint8))
    for part in ({"bias": [0.0]}, {"added": np.full((9, 9, 3), np.inf).tolist()}, {"looks": np.zeros((4, 3, 2, 2)).tolist()}, {"mix": []}):
        with pytest.raises(ValueError, match="finite numbers, s odd"):
            Redrawing.from_json(made.to_json() | part)
