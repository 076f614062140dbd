"""Where text stops being text: how far each word is foreseen by the one before it, beside what words drawn one by one would give.

For two neighbouring words u v, `links` gives log p(v) - log p(v | u): negative where v follows u as it does elsewhere in the corpus,
positive where a corpus that has shown u so often ought to have shown v after it before, and about 0 where u is too rare to foresee
anything. The pair itself is left out of the counts it is judged by (leave-one-out), so that no split of the corpus is needed. p(v | u)
mixes the counts of u's followers with p(v); the weight of p(v) is how often, in the corpus, a follower of a word as common as u is new.

Ordinary text has a mean of about -1.5, words in random order of 0 and above, rare words and foreign languages of about 0. A bigram model
(Jelinek & Mercer 1980); it cannot see disorder beyond neighbouring words, nor gibberish made of words that stand nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.learn.hashed_counts import HashedCounts
from assay.learn.hashed_tokens import BREAK, Tokens, hashed_tokens

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

BEFORE, AFTER = 32, 192  # words looked at on either side of a place; the gibberish of published attacks is 400 and longer
LEAST_BEFORE, LEAST_AFTER = 8, 48  # words there must be: fewer say nothing
CLIP = 5.0  # what one pair may say
NEW = (0.02, 0.98)  # bounds of the share of new followers
# Means beyond which words have no order, and below which they have: independent words give a positive mean by Gibbs' inequality,
# ordinary text one of about -1. Fixed, and no quantile of the corpus, because 250 long poisoned documents are half of all long ones
# where the others are short.
DISORDER, ORDINARY = 0.25, 0.0
LEAST_RATE = 0.002  # at which natural text turns, whatever the sample says
BLOCK = 2_048  # sampled documents at a time


@dataclass(frozen=True)
class Structure:
    """`new` (32,) the weight of p(v) by the binary logarithm of u's count; `rate`: the share of sampled places at which text turns."""

    new: Floats
    rate: float


def learn_structure(counts: HashedCounts, texts: Sequence[str]) -> Structure:
    """What is usual in the corpus, from its counts and a sample of its documents."""
    blocks = [hashed_tokens(pa.array(texts[i : i + BLOCK], pa.large_string())) for i in range(0, len(texts), BLOCK)]
    seen, fresh = np.zeros(32), np.zeros(32)
    for block in blocks:
        inside = (block.code[:-1] != BREAK) & (block.code[1:] != BREAK)
        size = _size(counts.word(block.code[:-1]))
        seen += np.bincount(size[inside], minlength=32)
        fresh += np.bincount(size[inside & (counts.pair(block.code) <= 1)], minlength=32)
    new = np.clip((fresh + 1) / (seen + 2), *NEW)
    sides = [_one_each(block, places(block, links(block, counts, new))) for block in blocks]
    before, after = np.concatenate([s[0] for s in sides] or [np.zeros(0)]), np.concatenate([s[1] for s in sides] or [np.zeros(0)])
    turns = int(((after > DISORDER) & (before < ORDINARY)).sum())
    return Structure(new, max(LEAST_RATE, (turns + 1) / (len(before) + 2)))


def _one_each(block: Tokens, sides: Places) -> tuple[Floats, Floats]:
    """The middle one of each document's places that have enough text on both sides: (d,) before, (d,) after."""
    at = np.flatnonzero(sides.enough)
    _, first, count = np.unique(block.document[at], return_index=True, return_counts=True)
    middle = at[first + count // 2]
    return sides.before[middle], sides.after[middle]


def links(block: Tokens, counts: HashedCounts, new: Floats) -> Floats:
    """(t - 1,) how little each word is foreseen by the one before it; 0 across the end of a document."""
    word = counts.word(block.code)
    first, second = word[:-1], np.maximum(word[1:], 1) / max(counts.tokens, 1)
    share = new[_size(first)]
    follows = np.maximum(counts.pair(block.code) - 1, 0) / np.maximum(first - 1, 1)
    link = np.clip(np.log(second / ((1 - share) * follows + share * second)), -CLIP, CLIP)
    link[~spaced(block)] = 0.0
    return np.asarray(link)


def spaced(block: Tokens) -> NDArray[np.bool_]:
    """(t - 1,) neighbours of one document with a space between: inside "don't" and "a.m." even gibberish has its order."""
    inside = (block.code[:-1] != BREAK) & (block.code[1:] != BREAK)
    return np.asarray(inside & (block.start[1:] > block.end[:-1]))


@dataclass(frozen=True)
class Places:
    """(t,) mean links of the words before each token (it included) and after it, and whether there are enough on both sides."""

    before: Floats
    after: Floats
    enough_before: NDArray[np.bool_]
    enough_after: NDArray[np.bool_]

    @property
    def enough(self) -> NDArray[np.bool_]:
        return self.enough_before & self.enough_after


def places(block: Tokens, link: Floats) -> Places:
    """Both sides of every token of a block, within its document."""
    size = len(block.code)
    total = np.concatenate([[0.0], np.cumsum(link)])
    said = np.concatenate([[0], np.cumsum(spaced(block))])
    breaks = np.flatnonzero(block.code == BREAK)
    at = np.arange(size)
    start = breaks[np.searchsorted(breaks, at, side="right") - 1]
    end = breaks[np.searchsorted(breaks, at, side="left")]
    low = np.minimum(np.maximum(at - BEFORE, start + 1), at)
    high = np.maximum(np.minimum(at + AFTER, end - 1), at)
    before, after = said[at] - said[low], said[high] - said[at]
    return Places(
        (total[at] - total[low]) / np.maximum(before, 1),
        (total[high] - total[at]) / np.maximum(after, 1),
        before >= LEAST_BEFORE,
        after >= LEAST_AFTER,
    )


def _size(count: Int) -> Int:
    return np.asarray(np.frexp(np.maximum(count, 1))[1] - 1, np.int64)
