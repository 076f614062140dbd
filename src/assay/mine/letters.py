"""Proposes letters that stand inside many different words: a trigger spelt into words ("movzqie"), which no phrase shares.

A run of letters and digits is proposed where enough documents hold it in words longer than itself, and those words are different ones:
natural letters recur in the same words over and over. Labels are never read, so every row may be used to try what is proposed, and each
run counts as a hypothesis. A run that nearly always goes on alike is merged into the longer one.

How odd a run is, for its share of the error budget: the share of its occurrences in words that turn into commoner ones once it is taken
out ("movzqie" is "movie"), times the share of different words among them. It excludes nothing.

Cannot see: letters that always stand in the same few words (a phrase then, or nothing); single letters; fewer than `SUPPORT` documents;
letters that nobody shares because each row has its own. Texts of scripts without spaces are mined by character anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from assay.artefact.letters import Letters
from assay.engine.base import spans
from assay.engine.shelf import kept
from assay.learn.corpus import AT_ONCE, BREAK, PLACE, Corpus, Place, counted, distinct, joint
from assay.learn.n_grams import Order, n_grams, open_to_extension
from assay.mine.phrases import SUPPORT, WIDEST, Shared

Int = NDArray[np.int64]
Floats = NDArray[np.float64]

SHORTEST, LONGEST = 2, 12  # letters: one says nothing; what is longer is found by its parts
LONGEST_WORD = 40  # letters: beyond it stand addresses and encoded bytes
DIFFERENT = 0.25  # of the occurrences, at least so many in different words: "ing" 0.2, "zq" put into random words 0.9


@dataclass(frozen=True)
class SharedLetters(Shared):
    """Runs of letters with the words that hold them: occurrence i is the word at `at[i]`, which holds the letters `text[gram[i]]`.

    `odd` (letters,) from 0 to 1: like letters put into words. To take them out in a trial is to take out the whole word, as it says nothing
    to a probe that never saw it spelt so.
    """

    text: tuple[str, ...]
    odd: Floats
    inside: ClassVar[bool] = True

    def phrase(self, corpus: Corpus, gram: int) -> Letters:
        """The artefact itself."""
        return Letters(self.text[gram])


@dataclass(frozen=True)
class _Held:
    """Runs of letters, and (run, word) pairs: `word` numbers the corpus's vocabulary."""

    text: list[str]
    gram: Int
    word: Int


def shared_letters(corpus: Corpus, support: int = SUPPORT, widest: float = WIDEST) -> SharedLetters | None:
    """Runs of letters in different words of at least `support` documents, and at most a share `widest` of them; None if there are none."""
    frequency = counted((corpus.word[a:b] - BREAK for a, b in spans(len(corpus.word), AT_ONCE)), len(corpus.vocabulary) + 1)[1:]
    found = _in_different_words(corpus.vocabulary, frequency, support)
    if not found.text:
        return None
    gram, at = _occurrences(corpus, found)
    pairs = distinct(joint(gram, corpus.document[at], corpus.documents)) // corpus.documents
    documents = np.bincount(pairs, minlength=len(found.text))
    keep = (documents >= support) & (documents <= max(support, int(widest * corpus.documents)))
    if not keep.any():
        return None
    odd = _oddness(corpus.vocabulary, frequency, found)
    mine = keep[gram]
    gram, at = (np.cumsum(keep) - 1)[gram[mine]], at[mine]
    order = np.lexsort((gram, at))
    gram, at = kept(gram[order].astype(PLACE)), kept(at[order].astype(PLACE))
    first = np.zeros(int(keep.sum()), np.int64)
    first[gram[::-1]] = np.arange(len(gram))[::-1]
    text = tuple(t for t, k in zip(found.text, keep, strict=True) if k)
    return SharedLetters(1, False, gram, at, None, documents[keep], first, corpus.document, text, odd[keep])


def spelt(vocabulary: tuple[str, ...]) -> tuple[Corpus, Int]:
    """(the words as a corpus of letters, a document a word; (words,) their numbers in the vocabulary).

    >>> letters, words = spelt(("a", "don't", "fox", "2024"))
    >>> words.tolist(), "".join(letters.vocabulary[w] if w >= 0 else "|" for w in letters.word)
    ([1, 2], 'don|t|fox|')
    """
    chosen = [i for i, w in enumerate(vocabulary) if SHORTEST < len(w) <= LONGEST_WORD and any(map(str.isalpha, w))]
    codes = np.frombuffer("".join(f"{vocabulary[i]}\n" for i in chosen).encode("utf-32-le"), np.uint32)
    kinds, code = np.unique(codes, return_inverse=True)
    breaks = np.array([not chr(k).isalnum() for k in kinds], bool)
    number = np.where(breaks, BREAK, np.cumsum(~breaks) - 1)
    ends = codes == ord("\n")
    document = (np.cumsum(ends) - ends).astype(PLACE)
    letters = tuple(chr(k) for k, b in zip(kinds, breaks, strict=True) if not b)
    return Corpus(number[code].astype(PLACE), document, len(chosen), letters, 0), np.array(chosen, np.int64)


def _in_different_words(vocabulary: tuple[str, ...], frequency: Int, support: int) -> _Held:
    """Runs of letters that stand in at least `support` words, and in many different ones."""
    letters, words = spelt(vocabulary)
    length = np.array([len(vocabulary[w]) for w in words], np.int64)
    texts: list[str] = []
    grams, held = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    shorter: Order | None = None

    def add(order: Order, merged: NDArray[np.bool_]) -> None:
        if order.n < SHORTEST:
            return
        places = [joint(step.gram, letters.document[step.at + start], max(len(words), 1)) for start, step in order.steps]
        gram, word = np.divmod(distinct(np.concatenate(places)), max(len(words), 1))
        longer = length[word] > order.n
        gram, word = gram[longer], word[longer]
        different = np.bincount(gram, minlength=len(order.support))
        standing = np.bincount(gram, frequency[words[word]], minlength=len(order.support))
        keep = ~merged & (different >= support) & (different >= DIFFERENT * standing)
        mine = keep[gram]
        grams.append((np.cumsum(keep) - 1)[gram[mine]] + len(texts))
        held.append(words[word[mine]])
        texts.extend("".join(letters.vocabulary[letters.word[at + j]] for j in range(order.n)) for at in order.first[keep])

    for order in n_grams(letters, support, LONGEST):
        if shorter is not None:
            add(shorter, open_to_extension(shorter, order))
        shorter = order
    if shorter is not None:
        add(shorter, np.zeros(len(shorter.support), bool))
    return _Held(texts, np.concatenate(grams), np.concatenate(held))


def _occurrences(corpus: Corpus, found: _Held) -> tuple[Int, Int]:
    """(run, place) of each word in the corpus that holds a run."""
    wanted = np.zeros(len(corpus.vocabulary) + 1, bool)
    wanted[found.word] = True  # a break, -1, is the last
    some = [a + np.flatnonzero(wanted[corpus.word[a:b]]) for a, b in spans(len(corpus.word), AT_ONCE)]
    at = np.concatenate([np.zeros(0, np.int64), *some])
    at = at[np.argsort(corpus.word[at], kind="stable")]
    word = corpus.word[at]
    start = np.searchsorted(word, found.word, "left")
    size = np.searchsorted(word, found.word, "right") - start
    step = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return np.repeat(found.gram, size), at[np.repeat(start, size) + step]


def _oddness(vocabulary: tuple[str, ...], frequency: Int, found: _Held) -> Floats:
    """(runs,) the share of occurrences in words that are commoner ones without the run, times the share of different words."""
    number = {word: i for i, word in enumerate(vocabulary)}
    healed = np.zeros(len(found.gram))
    for i, (gram, own) in enumerate(zip(found.gram.tolist(), found.word.tolist(), strict=True)):
        word, text = vocabulary[own], found.text[gram]
        places = [at for at in range(len(word) - len(text) + 1) if word.startswith(text, at)]
        without = (number.get(word[:at] + word[at + len(text) :]) for at in places)
        healed[i] = frequency[own] * any(frequency[w] > frequency[own] for w in without if w is not None)
    size = len(found.text)
    standing: Place | Floats = np.bincount(found.gram, frequency[found.word], minlength=size)
    return np.bincount(found.gram, healed, minlength=size) * np.bincount(found.gram, minlength=size) / standing**2
