"""Are these rows kin? Texts that share more phrases than random texts of their class do.

For carriers that are strangers in their label (`Tried.odd`): who puts a trigger into rows takes rows that have nothing else in common,
while the odd ones of a natural kind are one template (a newsletter in another make-up). If they were drawn at random from rows of the
classes that they look like, the chance of a yes is at most 1 / (`DRAWS` + 1).

Cannot see kin in fewer than some four rows: any two texts share more phrases than can be counted against them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.learn.corpus import Corpus, distinct, joint
from assay.mine.phrases import Shared

Int = NDArray[np.int64]

DRAWS = 39  # random groups of rows that are all less kin: at most one in forty plantings is lost by it
CLEARLY = 2  # times as many phrases as any of them: a template shares hundreds where random mail shares ten
HELD = 0.5  # share of the rows that hold a phrase, from which it is theirs
ELSEWHERE = 0.1  # of all other rows, at most: what everybody writes makes no kin


def are_kin(
    corpus: Corpus, everything: Sequence[Shared], rows: Int, like: Int, y: Int, trigger: set[int], rng: np.random.Generator
) -> int | None:
    """The number of phrases that the documents `rows` (m,) share beside the words of the `trigger` (vocabulary numbers), if clearly
    more than each of `DRAWS` groups of random documents labelled `like` (m,); else None. `y` (n,) labels.
    """
    runs = [shared for shared in everything if not shared.pair]
    mine = _shared_by(corpus, runs, rows, trigger)
    left = np.setdiff1d(np.arange(corpus.documents), rows)
    pools = {int(c): left[y[left] == c] for c in np.unique(like)}
    sizes = {c: min(int((like == c).sum()), len(pool)) for c, pool in pools.items()}
    for _ in range(DRAWS):
        drawn = np.concatenate([rng.choice(pool, sizes[c], replace=False) for c, pool in pools.items()])
        if CLEARLY * _shared_by(corpus, runs, drawn, trigger) >= mine:
            return None
    return mine


def _shared_by(corpus: Corpus, runs: Sequence[Shared], rows: Int, trigger: set[int]) -> int:
    """How many phrases without a word of the trigger `HELD` of the rows hold, and hardly any others."""
    inside = np.zeros(corpus.documents, bool)
    inside[rows] = True
    count = 0
    for shared in runs:
        held = distinct(joint(*shared.within(inside), corpus.documents)) // corpus.documents
        both = np.bincount(held, minlength=len(shared))
        theirs = np.flatnonzero((both >= HELD * len(rows)) & (shared.support - both <= ELSEWHERE * (corpus.documents - len(rows))))
        for start in shared.at[shared.first[theirs]]:
            count += trigger.isdisjoint(corpus.word[start : start + shared.words].tolist())
    return count
