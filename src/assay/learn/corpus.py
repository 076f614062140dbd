"""A corpus as flat arrays, and the phrases that its documents share.

Documents become one long array of vocabulary numbers, with a break after each; n-grams of every order are then found by sorting
numbers, not by building strings, which keeps the cost linear in tokens (and the dictionary exact: no hashing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from assay.artefact.tokens import tokens

Int = NDArray[np.int64]

BREAK = -1  # stands after each document (and between its columns), so that no n-gram crosses from one to the next
MOST_TOKENS = 2_000  # of one document that are read: a novel in a cell must not drown the rest; said in the scan's notes
LONGEST_PHRASE = 24  # tokens: longer boilerplate is found by its parts
CLOSED = 0.9  # a phrase whose extension keeps this share of its documents is merged into the extension


def distinct(values: Int) -> Int:
    """Sorted distinct values, by sorting: these arrays come almost sorted, and hashing them is ten times slower."""
    ordered = np.sort(values)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


@dataclass(frozen=True)
class Corpus:
    """`word` (t,) vocabulary numbers with breaks; `document` (t,) which document each belongs to; `vocabulary` the words."""

    word: Int
    document: Int
    documents: int
    vocabulary: tuple[str, ...]
    cut: int  # documents of which only the first MOST_TOKENS tokens were read

    @cached_property
    def length(self) -> Int:
        """(documents,) how many tokens each has."""
        return np.bincount(self.document[self.word != BREAK], minlength=self.documents).astype(np.int64)


def read_corpus(columns: Sequence[Sequence[str | None]]) -> Corpus:
    """The corpus of n documents, given as one or more columns of n texts (None: empty)."""
    number: dict[str, int] = {}
    word: list[int] = []
    lengths, cut = [], 0
    for parts in zip(*columns, strict=True):
        before = len(word)
        for text in parts:
            found = tokens(text) if text else []
            cut += len(found) > MOST_TOKENS
            word.extend([number.setdefault(t, len(number)) for t in found[:MOST_TOKENS]])
            word.append(BREAK)
        lengths.append(len(word) - before)
    document = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    return Corpus(np.array(word, np.int64), document, len(lengths), tuple(number), cut)


@dataclass(frozen=True)
class Order:
    """All n-grams of one length with enough documents: occurrence i starts at token `at[i]` and is number `gram[i]`.

    `support[g]` counts distinct documents; `first[g]` is one place where g stands, to spell it from.
    """

    n: int
    at: Int
    gram: Int
    support: Int
    first: Int


def n_grams(corpus: Corpus, least: int, longest: int = LONGEST_PHRASE) -> Iterator[Order]:
    """Every n-gram shared by at least `least` documents, order by order, until none is left.

    An n-gram can only be shared by as many documents as its two (n-1)-grams are, so each order looks only where both stand.
    """
    at = np.flatnonzero(corpus.word != BREAK)
    code = corpus.word[at]
    n = 1
    while len(at) and n <= longest:
        order = _frequent(corpus, at, code, n, least)
        yield order
        gram_at = np.full(len(corpus.word) + 1, -1, np.int64)
        gram_at[order.at] = order.gram
        follows = gram_at[order.at + 1] >= 0
        at = order.at[follows]
        code = order.gram[follows] * (order.gram.max(initial=0) + 1) + gram_at[at + 1]
        n += 1


def _frequent(corpus: Corpus, at: Int, code: Int, n: int, least: int) -> Order:
    """Keep the codes that stand in at least `least` documents, renumbered from 0."""
    values, gram = np.unique(code, return_inverse=True)
    in_document = distinct(gram * corpus.documents + corpus.document[at])
    support = np.bincount(in_document // corpus.documents, minlength=len(values))
    renumber = np.full(len(values), -1, np.int64)
    kept = np.flatnonzero(support >= least)
    renumber[kept] = np.arange(len(kept))
    mine = renumber[gram]
    at, mine = at[mine >= 0], mine[mine >= 0]
    first = np.zeros(len(kept), np.int64)
    first[mine[::-1]] = at[::-1]
    return Order(n, at, mine, support[kept].astype(np.int64), first)


def open_to_extension(shorter: Order, longer: Order, tokens_in_corpus: int) -> NDArray[np.bool_]:
    """(grams of `shorter`,) which are merged into an n-gram of `longer` that keeps `CLOSED` of their documents."""
    merged = np.zeros(len(shorter.support), bool)
    gram_at = np.full(tokens_in_corpus + 1, -1, np.int64)
    gram_at[shorter.at] = shorter.gram
    for place in (longer.first, longer.first + 1):
        part = gram_at[place]
        merged[part[longer.support >= CLOSED * shorter.support[part]]] = True
    return merged
