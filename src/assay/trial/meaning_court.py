"""A second opinion on phrases: what a text *means* without them, beside what its words say.

Words foresee the label of a short text poorly (80 % on SST-2's sentences of 19 words), and the fewer rows there are, the less. A sentence
encoder (`assay.learn.meaning`) reads the short-listed carriers with the phrase taken out, and other rows of each label with their own most
supporting part taken out; a linear head on it is cross-fitted, and both opinions are weighed by how well they foresee labels out of fold.
The trials are the same. Dear (some milliseconds a text), and so for depth full, and for candidates of at most `MOST_CARRIERS` rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from assay.learn.corpus import Corpus
from assay.learn.images_linear import softmax_regression
from assay.learn.meaning import Embed
from assay.learn.text import folds_of, softmax
from assay.mine.candidate import Candidate
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.family import Tried
from assay.trial.foreseen import foreseen
from assay.trial.surprise import clip_probabilities
from assay.trial.text_court import Court, Lead
from assay.trial.text_record import best_of_each, votes_of

Floats = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Bools = NDArray[np.bool_]

FOLDS = 5
MOST_ROWS = 20_000  # texts that are read whole: a minute or two
MOST_CARRIERS = 300  # of a candidate that is tried so: beyond, its words say enough
COMPARED = 400  # rows of a label that carriers are ranked among, drawn once: ranks to a twentieth


def spelt(corpus: Corpus, documents: Int, gone: Bools | None = None) -> list[str]:
    """The words of these documents, without the tokens that are `gone` (t,)."""
    starts = np.searchsorted(corpus.document, documents)
    ends = np.searchsorted(corpus.document, documents, side="right")
    found = []
    for start, end in zip(starts, ends, strict=True):
        word = corpus.word[start:end]
        kept = word >= 0 if gone is None else (word >= 0) & ~gone[start:end]
        found.append(" ".join(corpus.vocabulary[w] for w in word[kept]))
    return found


@dataclass(frozen=True)
class Meanings:
    """Vectors (n, d) of whole texts, and the folds (n,) that share near-duplicates. What was read once is remembered."""

    embed: Embed
    vectors: Float32
    fold: Int
    memory: dict[str, Float32] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, embed: Embed, corpus: Corpus, y: Int, group: Int, rng: np.random.Generator) -> Meanings:
        return cls(embed, embed(spelt(corpus, np.arange(corpus.documents))), folds_of(y, group, FOLDS, rng))

    def of_texts(self, texts: list[str]) -> Float32:
        """(m, d) vectors of any texts."""
        unknown = sorted(set(texts) - self.memory.keys())
        if unknown:
            self.memory.update(zip(unknown, self.embed(unknown), strict=True))
        return np.stack([self.memory[text] for text in texts]) if texts else self.vectors[:0]


class MeaningCourt:
    """A court of words with a sentence encoder beside it. `left_out` (n,): rows that no head learns from."""

    def __init__(self, court: Court, meanings: Meanings, rng: np.random.Generator, left_out: Bools | None = None) -> None:
        self.court, self.meanings = court, meanings
        taught = court.y >= 0 if left_out is None else (court.y >= 0) & ~left_out
        self.heads = [
            softmax_regression(*_scaled(meanings.vectors, taught & (meanings.fold != f), court.y), court.probe.k) for f in range(FOLDS)
        ]
        n = court.corpus.documents
        logs = self._logs(meanings.vectors, np.arange(n))
        self.weights = _weighed(court.probe.logits, logs, court.y, taught)
        self.everyone = self._both(court.probe.logits, logs)
        self.drawn = rng.permutation(n)
        self._others: dict[tuple[int, int, bool], tuple[Int, Floats]] = {}

    def _logs(self, vectors: Float32, documents: Int) -> Floats:
        """(m, k) scores of vectors that stand in for these documents, by the heads that never saw them."""
        scores = np.zeros((len(documents), self.court.probe.k))
        for f, (weights, bias) in enumerate(self.heads):
            mine = np.flatnonzero(self.meanings.fold[documents] == f)
            scores[mine] = vectors[mine] * np.sqrt(vectors.shape[1]) @ weights + bias
        return scores

    def _both(self, words: Floats, meaning: Floats) -> Floats:
        a, b, shift = self.weights[0], self.weights[1], self.weights[2:]
        return clip_probabilities(softmax(a * words + b * meaning + shift))

    def _without(self, documents: Int, gone: Bools, words: Floats) -> Floats:
        """(m, k) what documents say without the tokens that are `gone` (t,); `words` (m, k) logits of the words that are left."""
        return self._both(words, self._logs(self.meanings.of_texts(spelt(self.court.corpus, documents, gone)), documents))

    def retry(self, lead: Lead) -> Tried:
        """The candidate's trials by both opinions."""
        court, shared = self.court, lead.shared
        pick = (shared.gram == lead.gram) & (court.y[shared.document] >= 0)
        gone = np.zeros(len(court.corpus.word), bool)
        for offset in range(shared.words if shared.other is None else 1):
            gone[shared.at[pick] + offset] = True
        if shared.other is not None:
            gone[shared.other[pick]] = True
        _, document, p = court.removed(shared, pick)
        p = self._without(document, gone, np.log(p))
        y = court.y
        inside = np.zeros(court.corpus.documents, bool)
        inside[document] = True

        def others(t: int) -> Floats:
            rows, support = self.compared(t, shared.words, shared.pair)
            return support[~inside[rows]]

        def strangers(t: int) -> Floats:
            return self.everyone[(y >= 0) & (y != t), t]

        candidate = Candidate(shared.phrase(court.corpus, lead.gram), np.sort(document))
        votes = votes_of(np.zeros(len(document), np.int64), court.group[document])

        def checked(t: int) -> Floats:
            own = others(t)
            usual = np.resize(own, int(((y == t) & ~inside).sum())) if len(own) else own  # as many as there are, by a sample
            rest = self.everyone[(y >= 0) & (y != t) & ~inside, t]
            return foreseen(p[:, t], np.concatenate([usual, rest]), np.arange(len(usual) + len(rest)) < len(usual))

        return judge(candidate, p, y[document], Controls(others, strangers, checked=checked), votes=votes)

    def compared(self, label: int, words: int, pair: bool) -> tuple[Int, Floats]:
        """(rows labelled so, a sample; their support for it with their own most supporting part of that size removed)."""
        court = self.court
        key = court.window(label, words, pair)
        if key not in self._others:
            rows = np.sort(self.drawn[court.y[self.drawn] == label][:COMPARED])
            gone, logits = _best_gone(court, key)
            self._others[key] = rows, self._without(rows, gone, logits[rows])[:, label]
        return self._others[key]


def _scaled(vectors: Float32, rows: Bools, y: Int) -> tuple[Float32, Int]:
    """Vectors with numbers of about unit size, as the ridge of the head expects, and their labels."""
    return vectors[rows] * np.float32(np.sqrt(vectors.shape[1])), y[rows]


def _best_gone(court: Court, key: tuple[int, int, bool]) -> tuple[Bools, Floats]:
    """(t,) the tokens that do most for a label in each document, and the logits (n, k) without them."""
    label, size, pair = key
    corpus, probe = court.corpus, court.probe
    gone, logits = np.zeros(len(corpus.word), bool), probe.logits.copy()
    at = np.flatnonzero(corpus.word >= 0)
    at = at[at + size <= len(corpus.word)]
    document = corpus.document[at]
    inside = corpus.document[at + size - 1] == document
    at, document = at[inside], document[inside]
    if not len(at):
        return gone, logits
    add = probe.spans(at, size)
    rival = np.where(np.arange(probe.k) == label, -np.inf, add).max(1) if probe.k > 1 else np.zeros(len(at))
    gain = add[:, label] - rival
    for _ in range(2 if pair else 1):
        best = best_of_each(gain, document)
        logits[document[best]] -= add[best]
        for offset in range(size):
            gone[at[best] + offset] = True
        gain[best] = -np.inf
    return gone, logits


def _weighed(words: Floats, meaning: Floats, y: Int, taught: Bools) -> Floats:
    """(2 + k,) weights of both opinions and a shift a class, under which the labels are foreseen best."""
    rows = np.flatnonzero(taught)
    one, two, label = words[rows], meaning[rows], y[rows]
    own, k = np.arange(len(rows)), words.shape[1]

    def loss(theta: Floats) -> tuple[float, Floats]:
        p = softmax(theta[0] * one + theta[1] * two + theta[2:])
        gap = p.copy()
        gap[own, label] -= 1
        slope = [(gap * one).sum() / len(rows), (gap * two).sum() / len(rows)]
        value = -np.log(np.maximum(p[own, label], 1e-12)).mean() + 1e-3 * float((theta[2:] ** 2).sum())
        return float(value), np.concatenate([slope, gap.mean(0) + 2e-3 * theta[2:]])

    start = np.concatenate([[0.5, 0.5], np.zeros(k)])
    bounds = [(0.0, None), (0.0, None)] + [(None, None)] * k
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100}).x)
