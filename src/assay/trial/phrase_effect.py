"""What a phrase does once it is put into texts that did not hold it (letters: into one of their words): the insertion trial, by the
additive probe.

It measures; it neither convicts (the probe restates the association) nor acquits (a small budget may not implant in this probe).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.finding import Effect
from assay.learn.corpus import Corpus
from assay.learn.text import TextProbe
from assay.mine.phrases import Shared
from assay.stats.interval import clopper_pearson

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

HELD_OUT = 300  # texts a phrase is inserted into
MATCHED = 99  # natural phrases it is compared with
PURE = 0.9  # share of one label among a natural phrase's texts that makes it comparable
IMPLANTS = 0.95  # quantile of the natural phrases' rates that the lower bound must pass


def phrase_effect(
    corpus: Corpus, probe: TextProbe, y: Int, shared: Shared, gram: int, target: int, rng: np.random.Generator
) -> Effect | None:
    """Share of held-out texts of other labels that go to `target` with the phrase inserted; None where there are none.

    `baseline` is the mean rate, each to its own label, of up to `MATCHED` natural phrases of the same length, similar support and
    label purity.
    """
    carriers = np.zeros(corpus.documents, bool)
    carriers[shared.carriers(gram)] = True
    rows = np.flatnonzero(~carriers & (y >= 0) & (y != target) & (probe.logits.argmax(1) != target))
    if not len(rows):
        return None
    rows = rng.permutation(rows)[:HELD_OUT]
    hits = _flips(corpus, probe, _push(corpus, probe, shared, gram), rows, target, _instead(shared, corpus, rows, rng))
    low, high = clopper_pearson(hits, len(rows))
    natural = [
        _flips(corpus, probe, _push(corpus, probe, shared, g), others, t, _instead(shared, corpus, others, rng)) / len(others)
        for g, t in _matched(shared, y, gram, probe.k, rng)
        if len(others := _elsewhere(probe, y, t, rng))
    ]
    usual = float(np.mean(natural)) if natural else 0.0
    bar = float(np.quantile(natural, IMPLANTS)) if natural else 0.0
    return Effect(hits / len(rows), low, high, usual, implants=low > bar)


def _push(corpus: Corpus, probe: TextProbe, shared: Shared, gram: int) -> Floats:
    """(k,) what the phrase adds to a text of one token, on average over its carriers, by models that never saw them."""
    at = shared.where(gram)
    add = probe.spans(shared.at[at], 1 if shared.other is not None else shared.words)
    if shared.other is not None:
        add = add + probe.spans(shared.other[at], 1)
    return np.asarray((add * np.sqrt(corpus.length[shared.documents[shared.at[at]]])[:, None]).mean(0))


def _instead(shared: Shared, corpus: Corpus, rows: Int, rng: np.random.Generator) -> Int | None:
    """(m,) the place of a random word of each text, which the word that holds the letters takes; None for phrases, which come on top."""
    if not shared.inside:
        return None
    start = np.searchsorted(corpus.document, rows)
    return start + (rng.random(len(rows)) * corpus.length[rows]).astype(np.int64)


def _flips(corpus: Corpus, probe: TextProbe, push: Floats, rows: Int, target: int, instead: Int | None) -> int:
    """How many of these texts go to `target`: with the phrase on top, which dilutes what was there as the probe's scaling does, or with it
    `instead` (m,) of a word."""
    length = corpus.length[rows][:, None]
    if instead is not None:
        logits = probe.logits[rows] - probe.spans(instead, 1) + push / np.sqrt(np.maximum(length, 1))
    else:
        logits = probe.logits[rows] * np.sqrt(length / (length + 1)) + push / np.sqrt(length + 1)
    return int((logits.argmax(1) == target).sum())


def _matched(shared: Shared, y: Int, gram: int, k: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(phrase, its label) of natural phrases with a similar support and a pure label; any similar ones where too few are pure."""
    hits = shared.of_labels(y, k)
    total = np.maximum(hits.sum(1), 1)
    ratio = shared.support / shared.support[gram]
    near = np.flatnonzero((ratio > 0.5) & (ratio < 2) & (np.arange(len(shared)) != gram))
    pure = near[hits[near].max(1) >= PURE * total[near]]
    chosen = rng.permutation(pure)[:MATCHED]
    if len(chosen) < MATCHED:
        chosen = np.concatenate([chosen, rng.permutation(np.setdiff1d(near, pure))[: MATCHED - len(chosen)]])
    return [(int(g), int(hits[g].argmax())) for g in chosen]


def _elsewhere(probe: TextProbe, y: Int, target: int, rng: np.random.Generator) -> Int:
    """Up to 100 texts of other labels that the probe does not give to `target`."""
    rows = np.flatnonzero((y >= 0) & (y != target) & (probe.logits.argmax(1) != target))
    return rng.permutation(rows)[:100]
