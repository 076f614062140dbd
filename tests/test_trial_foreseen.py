"""Surprise is asked again by what other rows that say as much bear: a natural kind that a probe underrates is no surprise, a trigger is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.phrase import Phrase
from assay.attack import plant
from assay.bench.sets import SETS
from assay.mine.candidate import Candidate
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.family import Tried, silent
from assay.trial.foreseen import WINDOWS, foreseen
from assay.trial.phrases import PhraseFamily
from assay.trial.surprise import FLOOR, checked_surprise
from assay.trial.verdicts import judge_all

Floats = np.ndarray


@given(st.integers(0, 2**31), st.integers(1, 400), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_no_share_is_below_what_was_counted(seed: int, rows: int, tied: float) -> None:
    rng = np.random.default_rng(seed)
    others = np.where(rng.random(rows) < tied, 0.5, rng.random(rows))
    labelled = rng.random(rows) < others
    found = foreseen(np.r_[others, 0.0, 1.0], others, labelled)
    assert ((found >= 0) & (found <= 1)).all()
    lowest = labelled[np.argsort(others, kind="stable")]
    assert foreseen(np.array([0.0]), others, labelled)[0] >= min(lowest[:w].mean() for w in WINDOWS) - 1e-9


def test_of_rows_that_are_foreseen_rightly_the_share_is_rarely_too_small() -> None:
    """Support that is right: the greatest share left open is above it 97.5 times in a hundred, and not by much."""
    rng = np.random.default_rng(0)
    asked, below, above = np.linspace(0.05, 0.95, 10), [], []
    for _ in range(200):
        others = rng.random(5_000)
        found = foreseen(asked, others, rng.random(5_000) < others)
        below.append(found < asked)
        above.append(found - asked)
    assert np.mean(below) <= 0.03
    assert np.mean(above) <= 0.12


def test_no_other_row_leaves_everything_open() -> None:
    assert foreseen(np.array([0.3]), np.zeros(0), np.zeros(0, bool)).tolist() == [1.0]


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("aimed", [True, False])
def test_it_is_an_e_value(k: int, aimed: bool) -> None:
    """Labels drawn as the counted shares say: the mean of e is at most 1, but for chance."""
    rng = np.random.default_rng(k)
    p = rng.dirichlet(np.ones(k), 6)
    share, one = np.maximum(p[:, 0], rng.uniform(0, 1 - FLOOR, 6)), np.arange(k) == 0
    if not aimed:  # all but the likeliest as likely as they are: nothing was counted to be more
        share = p[:, 0]
    chance = np.where(one, share[:, None], p * ((1 - share) / (1 - p[:, 0]))[:, None])
    labels = (rng.random((1_000, 6))[..., None] > np.cumsum(chance, 1)[:, :-1]).sum(2)
    found = [checked_surprise(p, y, lambda t: share if t == 0 else np.zeros(6)) for y in labels]
    e = np.exp([x.log_e_targeted[0] if aimed else x.log_e_untargeted for x in found])
    assert np.mean(e) <= 1 + 4 * np.std(e) / np.sqrt(len(e))


def judged(carriers: Floats, others: Floats, labelled: Floats, strangers: Floats) -> Tried:
    p = np.column_stack([1 - carriers, carriers])
    candidate = Candidate(Phrase((("cf",),)), np.arange(len(carriers)))

    def checked(t: int) -> Floats:
        return foreseen(p[:, t], others if t else 1 - others, labelled if t else ~labelled)

    def usual(t: int) -> Floats:
        return others[labelled] if t else 1 - others[~labelled]

    return judge(candidate, p, np.ones(len(carriers), np.int64), Controls(usual, lambda t: strangers, checked=checked))


def rows(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Nine in ten rows are of a class that mostly says so with all but its best part; few are faint, the other class fainter."""
    labelled = np.arange(4_000) < 3_600
    plain = rng.random(4_000) < 0.9
    return np.where(labelled, np.where(plain, rng.beta(20, 1, 4_000), rng.beta(6, 3, 4_000)), rng.beta(0.2, 6, 4_000)), labelled


@pytest.mark.parametrize("seed", range(3))
def test_a_feed_in_a_class_of_nine_in_ten_is_left_alone(seed: int) -> None:
    """Foreseen with 80 %, all of its rows of one class: e^40 by the probe, next to nothing by what rows alike bear."""
    rng = np.random.default_rng(seed)
    others, labelled = rows(rng)
    tried = judged(rng.beta(12, 3, 240), others, labelled, others[~labelled])
    said = {t.name: t.log_e for t in tried.trials}
    assert said["surprise"] > 30
    assert said["contradiction"] > 16
    assert said["rows alike"] < 8
    assert tried.log_e < 8


@pytest.mark.parametrize("seed", range(3))
def test_a_trigger_in_rows_of_the_other_class_is_as_surprising_as_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    others, labelled = rows(rng)
    tried = judged(rng.beta(0.2, 1, 30), others, labelled, others[~labelled])
    assert tried.log_e > 20


def test_a_few_rows_of_the_other_class_are_enough_to_count() -> None:
    """50 of a set's 106 strangers were relabelled: the 56 that are left still say what such rows are."""
    labelled = np.arange(750) < 694
    others = np.r_[np.linspace(0.3, 1, 694), np.linspace(0, 0.4, 56)]
    assert foreseen(np.linspace(0, 0.2, 50), others, labelled).max() < 0.35  # none of a dozen


def test_a_word_in_half_of_a_small_sets_spam_is_convicted(real_data: Callable[[str], Path]) -> None:
    real_data("sms_spam/sms_spam.parquet")
    data = next(s for s in SETS if s.name == "sms").read().subset(range(800))
    planted = plant(data, "phrase", carriers=50, target="ham", seed=1, params={"text": "cf"}).data
    found = PhraseFamily().examine(planted, "fast", np.random.default_rng(1), silent)
    first = judge_all({"phrase": found}, 0.01)[0]
    assert first.status == "confirmed"
    assert first.tried.candidate.artefact == Phrase((("cf",),))


@pytest.mark.full
def test_a_news_feed_in_mail_of_one_spam_in_ten_is_left_alone(real_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """240 messages with a feed's link, all ham where 201 were foreseen: by that alone e^26, enough to convict them."""
    real_data("spamassassin/spamassassin.parquet")
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import clean

    data = clean.cell_data(clean.Cell("spamassassin", "imbalanced", 1))
    found = PhraseFamily().examine(data, "fast", np.random.default_rng(1), silent)
    assert [j.status for j in judge_all({"phrase": found}, 0.01) if j.status in ("confirmed", "suspected")] == []
