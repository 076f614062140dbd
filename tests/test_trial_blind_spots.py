"""What a scan says it cannot see is of this data and this depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assay.dataset.data import Dataset
from assay.pipeline import Settings, run
from assay.trial.blind_spots import EVERYWHERE, PICTURES, blind_spots


def test_warps_are_named_for_pictures_alone_and_depth_full_says_less(memory: Callable[..., Dataset]) -> None:
    words = memory("text", {"text": ["a b", "c d"]}, ["x", "y"])
    pictures = memory("image", np.zeros((2, 8, 8, 1), np.uint8), ["x", "y"])
    assert blind_spots(words, "fast") == blind_spots(words, "full")
    assert not any("warp" in line for line in blind_spots(words, "full"))
    assert PICTURES["fast"] in blind_spots(pictures, "fast")
    assert PICTURES["full"] in blind_spots(pictures, "full")
    assert PICTURES["fast"] not in blind_spots(pictures, "full")


def test_a_report_carries_them(memory: Callable[..., Dataset]) -> None:
    rng = np.random.default_rng(0)
    pictures = memory("image", rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8), ["x", "y"] * 30)
    conclusion = run(pictures, Settings(canaries=False))
    assert conclusion.blind_spots == blind_spots(pictures, "fast")
    assert set(EVERYWHERE) < set(conclusion.blind_spots)
