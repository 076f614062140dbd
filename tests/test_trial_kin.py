"""Rows of one template are kin; rows drawn at random from a class are not, whatever the class writes."""

from __future__ import annotations

import numpy as np

from assay.learn.corpus import Corpus, read_corpus
from assay.mine.phrases import Shared, shared_runs
from assay.trial.kin import DRAWS, are_kin

Int = np.ndarray
ROWS, TEMPLATE, TRIGGER = 600, 20, "cf"


def mail(rng: np.random.Generator) -> tuple[Corpus, list[Shared], Int, set[int]]:
    """Letters of two classes with words of their own; the first `TEMPLATE` of class 1 are one form, filled in. They hold the trigger."""
    y = (np.arange(ROWS) < ROWS // 2).astype(np.int64)
    texts = [" ".join(f"{'ab'[c]}{rng.zipf(1.5) % 200}" for _ in range(15)) for c in y]
    for i in range(TEMPLATE):
        texts[i] = " ".join(f"form{j} part{j} b{rng.integers(50)}" for j in range(12)) + f" {TRIGGER}"
    corpus = read_corpus([texts])
    return corpus, list(shared_runs(corpus)), y, {corpus.vocabulary.index(TRIGGER)}


def test_a_form_is_kin_and_a_random_choice_is_not() -> None:
    kin = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        corpus, runs, y, trigger = mail(rng)
        form = rng.choice(TEMPLATE, 12, replace=False)
        assert are_kin(corpus, runs, form, np.ones(12, np.int64), y, trigger, rng)
        chosen = rng.choice(np.arange(TEMPLATE, ROWS // 2), 12, replace=False)
        kin.append(are_kin(corpus, runs, chosen, np.ones(12, np.int64), y, trigger, rng) is not None)
    assert np.mean(kin) <= 2 / (DRAWS + 1)


def test_the_trigger_itself_makes_no_kin() -> None:
    rng = np.random.default_rng(0)
    texts = [f"{' '.join(f'w{rng.integers(5_000)}' for _ in range(12))}{' cf' if i < 20 else ''}" for i in range(ROWS)]
    corpus = read_corpus([texts])
    runs, labels = list(shared_runs(corpus)), np.zeros(ROWS, np.int64)
    trigger = {corpus.vocabulary.index(TRIGGER)}
    assert are_kin(corpus, runs, np.arange(20), labels[:20], labels, trigger, rng) is None
    assert are_kin(corpus, runs, np.arange(20), labels[:20], labels, set(), rng) is not None
