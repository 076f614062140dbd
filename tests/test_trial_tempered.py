"""A word that is worth nothing of other rows that lost as much is worth nothing of the carriers."""

from __future__ import annotations

import numpy as np
import pytest

from assay.mine.candidate import Candidate
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.surprise import Bet
from assay.trial.tempered import label_shares, tempered, weight_of_word

K = 10


def told(y: np.ndarray, sharp: float, rng: np.random.Generator) -> np.ndarray:
    """(m, K) what a probe says of rows labelled `y`, being right as often as it says so."""
    scores = rng.normal(size=(len(y), K))
    scores[np.arange(len(y)), y] += sharp
    p = np.exp(sharp * scores)
    return p / p.sum(1, keepdims=True)


def test_a_word_that_is_kept_counts_in_full_and_chatter_not_at_all() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, K, 300)
    base = label_shares(y, K)
    assert weight_of_word(told(y, 3.0, rng), y, base) == 1.0
    assert weight_of_word(told(rng.permutation(y), 3.0, rng), y, base) <= 0.05
    half = np.where(rng.random(300) < 0.5, y, rng.permutation(y))  # right of every second row, and as sure of the others
    assert 0.1 < weight_of_word(told(half, 3.0, rng), y, base) < 0.6
    assert weight_of_word(np.zeros((0, K)), y[:0], base) == 1.0


def test_weights_lie_between_the_shares_and_the_word() -> None:
    rng = np.random.default_rng(1)
    p = told(rng.integers(0, K, 50), 1.0, rng)
    base = label_shares(np.array([0, 0, 0, 1, -1]), K)
    assert base.sum() == pytest.approx(1)
    assert tempered(p, base, 0.0) == pytest.approx(np.tile(base, (50, 1)))
    assert (tempered(p, base, 1.0).argmax(1) == p.argmax(1)).all()
    assert tempered(p, base, 0.5).sum(1) == pytest.approx(np.ones(50))


@pytest.mark.parametrize("worth", [True, False])
def test_what_natural_ink_takes_with_it_is_no_surprise(worth: bool) -> None:
    """3,000 carriers of any label, 80 of them threes; emptied, a probe takes all for ones. Or it knows them: the threes are strangers."""
    rng = np.random.default_rng(2)
    y = rng.choice([0, 1, 2, 4, 5, 6, 7, 8, 9], 3_000)
    y[:80] = 3
    shown = np.where(y == 3, rng.choice([1, 2, 4], 3_000), y) if worth else np.ones(3_000, np.int64)
    p = told(shown, 3.0, rng)
    others = rng.integers(0, K, 300)
    said = told(others if worth else np.ones(300, np.int64), 3.0, rng)
    base = label_shares(others, K)
    controls = Controls(lambda t: told(np.full(300, t), 3.0, np.random.default_rng(3))[:, t])

    def heard(controls: Controls) -> float:
        carriers = np.flatnonzero(y == 3) if worth else np.arange(3_000)
        return judge(Candidate(None, carriers), p[carriers], y[carriers], controls, bet=Bet.MIXED).log_e  # type: ignore[arg-type]

    weighed = Controls(controls.others, weighed=lambda: tempered(p[y == 3] if worth else p, base, weight_of_word(said, others, base)))
    assert heard(controls) > 20
    assert (heard(weighed) > 20) == worth
