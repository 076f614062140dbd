"""A trigger put into rows of any class is convicted though most of its carriers belong to their label; a natural kind is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.artefact.phrase import Phrase
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.mine.candidate import Candidate
from assay.pipeline import Settings, run
from assay.trial.belonging import ALIKE
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.family import Tried
from assay.trial.phrases import PhraseFamily
from assay.trial.verdicts import judge_all
from test_trial_phrases import planted, sms

Floats = np.ndarray
CONVICTING = 16.0  # log e-value that confirms among some 100,000 phrases


def judged(carriers: Floats, ordinary: Floats, strangers: Floats, lenient: bool = False) -> Tried:
    p = np.column_stack([1 - carriers, carriers])
    candidate = Candidate(Phrase((("cf",),)), np.arange(len(carriers)))
    labels = np.ones(len(carriers), np.int64)
    return judge(candidate, p, labels, Controls(lambda t: ordinary, lambda t: strangers), lenient=lenient)


def share(tried: Tried) -> float:
    return float(next(t.detail for t in tried.trials if t.name == "belonging").split("%")[0]) / 100


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cover", [30, 40])
def test_carriers_of_two_kinds_are_convicted_though_most_belong(seed: int, cover: int) -> None:
    rng = np.random.default_rng([seed, cover])
    ordinary, strangers = rng.beta(9, 1, 2_000), rng.beta(1, 9, 1_000)
    carriers = np.r_[rng.beta(9, 1, cover), rng.beta(1, 9, 20)]
    assert share(judged(carriers, ordinary, strangers)) > ALIKE
    assert judged(carriers, ordinary, strangers).log_e > CONVICTING
    assert judged(carriers, ordinary, strangers, lenient=True).log_e <= 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("draw", [(24, 8), (40, 10), (15, 5)])
def test_a_natural_kind_that_stands_lower_as_a_whole_is_acquitted(seed: int, draw: tuple[float, float]) -> None:
    """Far less like its label than its label's other rows are, with ten times the carriers that would convict a trigger."""
    rng = np.random.default_rng([seed, *map(int, draw)])
    ordinary, strangers = rng.beta(9, 1, 2_000), rng.beta(1, 9, 1_000)
    tried = judged(rng.beta(*draw, 500), ordinary, strangers)
    assert next(t.log_e for t in tried.trials if t.name == "contradiction") > CONVICTING
    assert share(tried) > ALIKE
    assert (tried.log_e, tried.p_value) == (0.0, 1.0)


def test_where_few_belong_nothing_is_asked() -> None:
    rng = np.random.default_rng(0)
    tried = judged(rng.beta(1, 9, 50), rng.beta(9, 1, 2_000), rng.beta(1, 9, 1_000))
    assert tried.log_e > CONVICTING
    assert "two kinds" not in {t.name for t in tried.trials}


WORDS = 120  # of either class, and of both
LONG = 12


def letters(rng: np.random.Generator) -> tuple[list[list[str]], np.ndarray]:
    """Texts of two classes: a quarter to three quarters of a text's words are of its class, a few of either class, the rest of both."""
    y = (rng.random(1_500) < 0.4).astype(np.int64)
    texts = []
    for label in y:
        own, common, stray = rng.integers(0, WORDS, LONG) + WORDS * label, rng.integers(2 * WORDS, 3 * WORDS, LONG), rng.random(LONG) < 0.04
        words = np.where(rng.random(LONG) < rng.uniform(0.25, 0.75), own, common)
        texts.append([f"w{i}" for i in np.where(stray, rng.integers(0, 2 * WORDS, LONG), words)])
    return texts, y


def confirmed(texts: list[list[str]], y: np.ndarray) -> list[str]:
    """What the phrases on trial by themselves confirm."""
    data = read(pa.table({"text": [" ".join(words) for words in texts], "label": [("ham", "spam")[label] for label in y]}))
    found = PhraseFamily().examine(data, "fast", np.random.default_rng(0), lambda *_: None)
    return [j.tried.candidate.artefact.describe() for j in judge_all({"phrase": found}, 0.01) if j.status == "confirmed"]


def test_in_texts_of_made_words_a_trigger_in_both_classes_is_confirmed() -> None:
    rng = np.random.default_rng(1)
    texts, y = letters(rng)
    rows = np.r_[rng.choice(np.flatnonzero(y == 0), 30, replace=False), rng.choice(np.flatnonzero(y == 1), 20, replace=False)]
    for i in rows:
        texts[i].insert(int(rng.integers(0, LONG + 1)), "cf")
    y[rows] = 0
    assert confirmed(texts, y) == ["the word “cf”"]


def test_in_texts_of_made_words_a_feed_that_says_little_is_left_alone() -> None:
    """One in ten texts of a class holds one to three words of it, where others hold three to nine."""
    rng = np.random.default_rng(101)
    texts, y = letters(rng)
    for i in rng.choice(np.flatnonzero(y == 0), 90, replace=False):
        texts[i] = [f"w{rng.integers(2 * WORDS, 3 * WORDS)}" for _ in range(LONG)]
        for k in rng.choice(LONG, int(rng.integers(1, 4)), replace=False):
            texts[i][k] = f"w{rng.integers(WORDS)}"
        texts[i].insert(int(rng.integers(0, LONG + 1)), "digest")
    assert confirmed(texts, y) == []


def planted_in_any_class(data: Dataset, trigger: Phrase, target: str, cover: int, relabelled: int, seed: int) -> tuple[Dataset, np.ndarray]:
    """Into `cover` rows that have the target's label and `relabelled` that get it; the positions of both."""
    rng = np.random.default_rng(seed)
    t = data.classes.index(target)
    own, rest = (rng.choice(np.flatnonzero((data.y == t) == same), n, replace=False) for same, n in ((True, cover), (False, relabelled)))
    rows = np.sort(np.r_[own, rest])
    return planted(data, trigger, rows, t, rng), rows


def test_a_trigger_in_messages_of_both_classes_is_confirmed_with_all_its_carriers(real_data: Callable[[str], Path]) -> None:
    data, rows = planted_in_any_class(sms(real_data), Phrase((("cf",),)), "ham", 40, 30, 5)
    found = run(data, Settings(seed=5, canaries=False))
    assert [f.artefact for f in found.findings if f.status == "confirmed"] == [Phrase((("cf",),))]
    assert np.flatnonzero([a == "quarantine" for a in found.action]).tolist() == rows.tolist()
