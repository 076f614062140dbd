"""Do the words before and after a phrase belong together without it?

A word that was inserted stands between two that stood side by side before: take it out, and the sentence closes ("a cf moving film" is "a
moving film"). What stands on both sides of a natural word was never neighbours. So for each occurrence the log of how much likelier the
word after is, given the word before, than by itself (pointwise mutual information, shrunk towards none by `PRIOR` neighbours) is taken from
the corpus's own neighbours, and its mean over the occurrences says how well the phrase's gaps close. Labels are not read.

Measured (SST-2, AG News, SMS, Davidson): the median phrase -2.2, one in a hundred above .5; planted words -.4 to 1.2.
It cannot see a trigger that takes the place of a word, or one whose neighbours are its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.learn.corpus import BREAK, Corpus, Place, joint
from assay.mine.phrases import Shared

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

PRIOR = 50.0  # neighbours by which a rare word's own are shrunk towards any
HEARD = 50  # occurrences of a phrase that are looked at
NEIGHBOURS = 5_000_000  # of the corpus, from which what stands beside what is learnt: every second document where there are twice as many
TOGETHER = 2_000_000  # occurrences looked at together


def bridges(corpus: Corpus, phrases: Sequence[Shared]) -> list[Floats]:
    """For each `Shared` (phrases,) how well its gaps close: mean log likelihood ratios, of both words of a pair the lesser."""
    beside = _Beside(corpus)
    found = []
    for shared in phrases:
        mean = np.zeros(len(shared))
        for low, high, mine in shared.parts(TOGETHER):
            gram = shared.gram[mine] - low
            some = _first(gram, HEARD)
            mean[low:high] = beside.closing(gram[some], shared.at[mine[some]], 1 if shared.pair else shared.words, high - low)
            if shared.other is not None:
                mean[low:high] = np.minimum(mean[low:high], beside.closing(gram[some], shared.other[mine[some]], 1, high - low))
        found.append(mean)
    return found


def _first(gram: Place, most: int) -> Int:
    """The first `most` places of each number in `gram`, in order of the numbers."""
    order = np.argsort(gram, kind="stable")
    ordered = gram[order]
    start = np.flatnonzero(np.diff(ordered, prepend=-1))
    within = np.arange(len(order)) - np.repeat(start, np.diff(start, append=len(order)))
    return order[within < most]


class _Beside:
    """What stands beside what in a corpus."""

    def __init__(self, corpus: Corpus) -> None:
        step = max(1, -(-len(corpus.word) // NEIGHBOURS))
        word = corpus.word if step == 1 else corpus.word[corpus.document % step == 0]
        self.word, self.size = corpus.word, len(corpus.vocabulary) + 1
        said = word - BREAK
        self.key, self.count = np.unique(joint(said[:-1], said[1:], self.size), return_counts=True)
        self.before = np.bincount(said[:-1], minlength=self.size)
        usual = np.bincount(said, minlength=self.size) + 0.5
        self.usual = usual / usual.sum()

    def closing(self, gram: Place, at: Place, words: int, size: int) -> Floats:
        """(size,) mean over the occurrences `at` of each `gram`, of the words before and after so many words."""
        left = np.where(at > 0, self.word[at - 1], BREAK) - BREAK
        right = self.word[np.minimum(at + words, len(self.word) - 1)] - BREAK
        asked = joint(left, right, self.size)
        nearest = np.minimum(np.searchsorted(self.key, asked), max(len(self.key) - 1, 0))
        both = np.where(self.key[nearest] == asked, self.count[nearest], 0) if len(self.key) else np.zeros(len(asked))
        usual = self.usual[right]
        ratio = np.log((both + PRIOR * usual) / ((self.before[left] + PRIOR) * usual))
        ratio[(left == 0) & (right == 0)] = 0.0  # the whole text: nothing is left to close
        return np.asarray(np.bincount(gram, ratio, minlength=size) / np.maximum(np.bincount(gram, minlength=size), 1))
