"""How a text is written, whatever it says: its common words, the shapes of the others, its stops, its beginning and its end.

Each token becomes a mark: a common word stands for itself, any other for its shape (capitals, digits) and its ending; a stop keeps
whether a space stands before it. What is counted are marks, neighbouring marks, and the first and last ones: "when you look closer, ..."
and "if we read on, ..." share most of them, and so do texts in an old manner, in capitals, or from another tokeniser. Labels play no part.

It reads the manner of words and stops, and no grammar; of a script without spaces it sees little but its commonest characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

TOKEN = re.compile(r"( ?)(?:([^\W\d_]+(?:['’][^\W\d_]+)*)|(\d+)|(\S))")
READ = 1_000  # characters of a text: its manner shows in its first lines
COMMON = 200  # words that stand for themselves: mostly those that hold sentences together
ENDINGS = 60  # of three letters, the commonest among the other words
LEAST = 0.003  # share of the texts that a mark must stand in, or ten of them
MOST = 3_000  # marks kept, the commonest
DIRECTIONS = 64
CLAUSE = 16  # tokens of a text among which its first clause ends
FEW_WORDS = 3  # before a stop: an exclamation rather than a clause


@dataclass(frozen=True)
class Manner:
    """`counts` (n, m) of each mark over the square root of the text's length; `names` of the marks, in words."""

    counts: sp.csr_matrix
    names: tuple[str, ...]

    def directions(self, rng: np.random.Generator) -> Floats:
        """(n, d) the directions in which manners differ most, each mark first in units of its own frequency (correspondence analysis)."""
        weight = 1 / np.sqrt(np.maximum(np.asarray(self.counts.mean(0)).ravel(), 1e-12))
        scaled = self.counts @ sp.diags(weight)
        size = min(DIRECTIONS, min(scaled.shape) - 1)
        left, scale, _ = randomized_svd(scaled, size, n_iter=4, random_state=int(rng.integers(2**31)))
        return np.asarray(left * scale, np.float64)

    def typical(self, rows: Int, rest: Int, most: int) -> list[str]:
        """The marks that stand in more of `rows` (m,) than of `rest`, clearest first, by the log likelihood ratio of their shares."""
        there = self.counts.copy()
        there.data[:] = 1.0
        a, b = (np.asarray(there[part].sum(0)).ravel() for part in (rows, rest))
        p, q = (a + 0.5) / (len(rows) + 1), (b + 0.5) / (len(rest) + 1)
        speaks = len(rows) * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
        order = np.argsort(-np.where(p > q, speaks, -np.inf), kind="stable")[:most]
        return [f"{self.names[i]} ({p[i]:.0%} against {q[i]:.0%})" for i in order if p[i] > q[i]]


def manner_of(texts: Sequence[str | None]) -> Manner | None:
    """The manner of n texts; None where too little recurs to speak of one.

    >>> manner_of(["a dull film"] * 3) is None
    True
    """
    found = [_tokens(text or "") for text in texts]
    share = Counter(word.lower() for tokens in found for word in {w for _, w, kind in tokens if kind == "word"})
    common = {word for word, _ in share.most_common(COMMON)}
    ending = Counter(
        w[-3:].lower() for tokens in found for _, w, kind in tokens if kind == "word" and len(w) > 3 and w.lower() not in common
    )
    endings = {e for e, _ in ending.most_common(ENDINGS)}
    number: dict[str, int] = {}
    rows, columns, values = [], [], []
    for i, tokens in enumerate(found):
        marks = [_mark(space, w, kind, common, endings) for space, w, kind in tokens]
        flat = [m for several in marks for m in several]
        firsts = [several[0] for several in marks]
        flat += [f"{a} {b}" for a, b in pairwise(firsts)]
        if firsts:
            flat += _opening(tokens, firsts)
            flat += [f"begins {firsts[0]}", f"ends {firsts[-1]}", f"begins {' '.join(firsts[:2])}"]
        for mark, count in Counter(flat).items():
            rows.append(i)
            columns.append(number.setdefault(mark, len(number)))
            values.append(np.sqrt(count / max(len(tokens), 1)))
    counts = sp.csr_matrix((values, (rows, columns)), shape=(len(texts), len(number)))
    held = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(held >= max(10, LEAST * len(texts)))
    kept = np.sort(kept[np.argsort(-held[kept], kind="stable")[:MOST]])
    if len(kept) < 2:
        return None
    names = list(number)
    return Manner(counts[:, kept].tocsr(), tuple(names[i] for i in kept))


def _tokens(text: str) -> list[tuple[bool, str, str]]:
    """(a space stands before it, token, kind) of each: a word, a number or a stop."""
    found = []
    for m in TOKEN.finditer(text[:READ]):
        space, word, digits, stop = m.groups()
        kind = "word" if word else "number" if digits else "stop"
        found.append((bool(space), word or digits or stop, kind))
    return found


def _opening(tokens: list[tuple[bool, str, str]], firsts: list[str]) -> list[str]:
    """The form of a first clause: how the text begins, where its first stop stands, and what follows it."""
    stop = next((i for i, (_, _, kind) in enumerate(tokens[:CLAUSE]) if kind == "stop"), None)
    if not stop or stop + 1 >= len(tokens):
        return []
    long = "some words" if stop > FEW_WORDS else "a few words"
    return [
        f"{long}, then {firsts[stop]}",
        f"{long}, then {firsts[stop]} {firsts[stop + 1]}",
        f"begins {firsts[0]}, then {firsts[stop]}",
        f"begins {firsts[0]}, {long}, then {firsts[stop]} {firsts[stop + 1]}",
    ]


def _mark(space: bool, token: str, kind: str, common: set[str], endings: set[str]) -> list[str]:
    """What one token is counted as: the first is what stands in pairs."""
    if kind == "number":
        return ["a number"]
    if kind == "stop":
        return [f"“{token}” after a space" if space else f"“{token}”"]
    folded = token.lower()
    shape = "in capitals" if token.isupper() and len(token) > 1 else "with a capital" if token[:1].isupper() else "in small letters"
    if folded in common:
        return [f"“{folded}”", *([f"“{folded}” {shape}"] if shape != "in small letters" else [])]
    tail = [f"a word in -{folded[-3:]}"] if folded[-3:] in endings and len(folded) > 3 else []
    return [f"a word {shape}", *tail]
