"""What is planned, what ran, what failed; and the one score that many screens give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen.combine import combine
from assay.screen.context import Context
from assay.screen.registry import SCREENS, plan, run_screens

Make = Callable[..., Dataset]


def test_unlabelled_data_gets_the_label_free_screens(memory: Make) -> None:
    data = memory("text", {"text": [f"number {i} of many" for i in range(50)]})
    context = Context(data, None, None, np.random.default_rng(0))
    skipped = {check.name: check.reason for check in plan(context)}
    of_labels, of_columns = (
        {"screen:label_errors", "screen:number_labels", "screen:neighbours", "screen:class_outliers", "screen:learnt_neighbours"},
        {"screen:conditional", "screen:units"},
    )
    assert set(skipped) == of_labels | of_columns
    assert all("needs" in skipped[name] and "label" in skipped[name] for name in of_labels)
    assert all("needs a table" in skipped[name] for name in of_columns)
    scores, checks = run_screens(context)
    assert [check.state for check in checks].count("ran") == len(scores) == len(SCREENS) - 7


def test_few_rows_run_nothing_and_say_so(memory: Make) -> None:
    context = Context(memory("table", {"x": [1.0, 2.0]}, [0, 1]), None, None, np.random.default_rng(0))
    scores, checks = run_screens(context)
    assert scores == ()
    assert all(check.state == "not_applicable" and "30 rows" in check.reason for check in checks)


def test_a_screen_that_fails_is_listed_and_the_others_run(memory: Make) -> None:
    def broken(context: Context) -> RowScore:
        raise RuntimeError("out of luck")

    context = Context(memory("table", {"x": np.arange(40.0)}, [0, 1] * 20), None, None, np.random.default_rng(0))
    scores, checks = run_screens(context, (replace(SCREENS[4], name="broken", run=broken), *SCREENS[4:6]))
    assert checks[0].state == "failed"
    assert checks[0].reason == "RuntimeError: out of luck"
    assert len(scores) == 2


@pytest.mark.parametrize("modality", ["table", "image"])
def test_the_same_seed_gives_the_same_scores(memory: Make, modality: str) -> None:
    digits = load_digits()
    content = (digits.images * 15).astype(np.uint8) if modality == "image" else {"a": digits.data[:, 20], "b": digits.data[:, 30]}
    data = memory(modality, content, digits.target)
    runs = [run_screens(Context(data, None, digits.data.astype(np.float32), np.random.default_rng(3)))[0] for _ in range(2)]
    assert len(runs[0]) == (12 if modality == "table" else 10)
    for a, b in zip(*runs, strict=True):
        assert np.array_equal(a.score, b.score)
        assert a.score.shape == a.flag.shape == (len(data),)
        assert np.isfinite(a.score).all()


def test_combined_scores_are_ranks_and_review_comes_first() -> None:
    rng = np.random.default_rng(0)
    a = RowScore("a", rng.random(500), np.arange(500) == 3, "odd")
    b = RowScore("b", rng.random(500), np.zeros(500, bool), "odd")
    stretched = RowScore("a", np.exp(20 * a.score), a.flag, "odd")
    first, again = combine([a, b], 500), combine([stretched, b], 500)
    assert np.allclose(first.score, again.score)
    assert first.score.min() >= 0
    assert first.score.max() <= 1
    assert first.score.argmax() == 3
    assert first.review.sum() == 1
    assert first.reasons(3, [a, b]) == ("a: odd",)


def test_screens_that_agree_add_up() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(1_000), rng.random(1_000)
    a[0] = b[0] = 0.99
    a[1], b[1] = 0.99, 0.5
    none = np.zeros(1_000, bool)
    score = combine([RowScore("a", a, none, ""), RowScore("b", b, none, "")], 1_000).score
    assert score[0] > score[1] > np.median(score)


def test_no_screen_no_score() -> None:
    assert not combine([], 5).score.any()
