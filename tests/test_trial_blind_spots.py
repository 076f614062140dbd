"""What a scan says it cannot see is of this data and this depth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assay.dataset.data import Dataset
from assay.pipeline import Settings, run
from assay.trial.blind_spots import EVERYWHERE, PICTURES, blind_spots
from assay.trial.canaries import deal_plantings


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


def test_small_classes_are_told_and_canaries_aim_elsewhere(memory: Callable[..., Dataset]) -> None:
    sizes = {"a": 300, "b": 200, "c": 29, "d": 12}
    labels = [name for name, n in sizes.items() for _ in range(n)]
    words = memory("text", {"text": [f"row {i}" for i in range(len(labels))]}, labels)
    (line,) = set(blind_spots(words, "fast")) - set(blind_spots(words.subset(np.arange(500)), "fast"))
    assert line.startswith("2 of 4 classes have fewer than 30 rows")
    assert "than the sensitivity says" in line
    dealt = deal_plantings(words.y, len(words.classes), [10] * 30, np.random.default_rng(0), crowd=1.0)
    assert {deal.target for deal in dealt.deals} == {0, 1}
    small = words.subset(np.arange(500, 541))
    assert any(line.endswith("are caught less often.") for line in blind_spots(small, "fast"))
    assert deal_plantings(small.y, len(small.classes), [3], np.random.default_rng(0)).deals
