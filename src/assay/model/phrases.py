"""A text classifier asked as a black box: is there a word or a short phrase that sends texts into one class wherever it is put in?

Candidates come from a vocabulary (a model's own, or any), and only words that clean texts hardly ever hold: what they do hold often is
not hidden. Each is put into clean texts of other classes, and what turns most is grown by a beam: two and three words together (Azizi et
al., T-Miner, 2021, search phrases too, with a generative model in place of a beam; Wallace, Feng, Kandpal, Gardner & Singh, Universal
adversarial triggers, 2019).

**If what the rare words of a clean model do to the log odds has an exponential tail or a lighter one, a clean model is accused with a
chance of at most alpha**, over classes and lengths: the gaps between the strongest words, each times its rank, are then alike (Renyi
1953), and the best is tested against those behind it. Of several words the same is asked of phrases that share none, since a network may
heed two natural words more than twice one. With clean twins a word counts by how much more it does here than in them, so that
words that truly speak for a class no longer hide a trigger.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.phrase import Phrase
from assay.dataset.errors import DataError

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Ask = Callable[[Sequence[str]], Floats]  # (n, classes) probabilities, or 0 and 1 where only labels are told

RARE = 0.01  # of clean texts hold a candidate at most
TEXTS = 24  # clean texts that every candidate is put into
SECOND = 60  # candidates that are tried on more texts
MORE = 100  # texts held back, on which the best are tried again
BEAM = 8
LONGEST = 3  # words of a phrase
LEAST_TEXTS = 40
LEAST_GAPS = 4
IMPLANTS = 0.5  # of texts: what a natural word does not take over, the design's bar
TAIL = 20  # strongest words, or phrases, behind the best that it is compared with
BATCH = 2_000  # texts asked about at once
DOUBTED = 0.05  # p beside single words above which a phrase is let go without that
AT_ONCE = (LONGEST - 1) * BEAM * 2 * BEAM * TEXTS  # questions that finding one phrase takes at most
LOOKED_UP = 300  # words a class, the strongest, that twins are asked about: no other comes near the best


@dataclass(frozen=True)
class Found:
    """`success`: share of `tried` held-back texts of other classes that go to `target` once the words are in; `p` of that share, over all
    candidates; `queries` asked in all."""

    words: tuple[str, ...]
    target: int
    success: float
    tried: int
    p: float
    queries: int

    @property
    def artefact(self) -> Phrase:
        return Phrase((self.words,))


def search_phrase(
    ask: Ask,
    texts: Sequence[str],
    vocabulary: Sequence[str],
    rng: np.random.Generator,
    twins: Sequence[Ask] = (),
    budget: float = math.inf,
) -> Found:
    """The words that turn most texts, with their p-value. `vocabulary`: what is tried. Deterministic given `rng`. DataError: too few texts.

    A phrase counts as its mean change a word, beside single words that are not in it, as in a linear model, where words add up; and, where
    that would accuse it, beside other phrases. Once `budget` questions would be passed by that, no phrase is accused (p 1); the words
    and the beam are asked about whatever they take. `twins`: clean models of the same classes, whose own changes are taken off; what they
    are asked is not counted.
    """
    if len(texts) < LEAST_TEXTS:
        raise DataError(f"{len(texts)} clean texts; at least {LEAST_TEXTS} are needed", remedy="give more")
    order = rng.permutation(len(texts))
    drawn = [texts[i] for i in order[:TEXTS]]
    held = [texts[i] for i in order[TEXTS : TEXTS + MORE]]
    asked = _Counting(ask)
    plain = asked(drawn)
    classes = plain.shape[1]
    words = rare(texts, vocabulary)
    if not words:
        raise DataError("every word of the vocabulary is common in the clean texts", remedy="give the model's own vocabulary")
    beside = [(_Counting(twin), np.asarray(twin(drawn), np.float64)) for twin in twins]
    if any(said.shape != plain.shape for _, said in beside):
        raise DataError("a twin has other classes than the model", remedy="give clean models of the same task")

    def weight(phrase: tuple[str, ...], known: Floats | None = None) -> Floats:
        own = _shift(asked, drawn, plain, phrase, rng) if known is None else known
        return own - np.mean([_shift(twin, drawn, said, phrase, rng) for twin, said in beside], 0) if beside else own

    shift = np.stack([_shift(asked, drawn, plain, (w,), rng) for w in words])  # (words, classes)
    if beside:
        looked_up = np.unique(np.argsort(-shift, 0, kind="stable")[:LOOKED_UP])
        excess = np.full_like(shift, -np.inf)
        excess[looked_up] = [weight((words[i],), shift[i]) for i in looked_up]
        shift = excess
    best: Found | None = None
    for target in range(classes):
        grown = _Grown(words, shift[:, target], target, weight)
        for length in range(1, LONGEST + 1):
            phrase = grown.best(length)
            if phrase is None:
                break
            success, of = _success(asked, held, phrase, target, rng)
            p, tried = 1.0, LONGEST * classes
            if success > IMPLANTS:
                known = 1.0 if best is None else best.p
                p = min(1.0, grown.chance(phrase, known / tried, lambda: asked.queries <= budget - AT_ONCE) * tried)
            if best is None or (p, -success) < (best.p, -best.success):
                best = Found(phrase, target, success, of, p, asked.queries)
    assert best is not None
    return Found(best.words, best.target, best.success, best.tried, best.p, asked.queries)


class _Grown:
    """What single words do to one class, and phrases grown from the strongest: the best of a length, and what it stands out from."""

    def __init__(self, words: Sequence[str], single: Floats, target: int, weigh: Callable[[tuple[str, ...]], Floats]) -> None:
        self.words, self.single, self.target, self.weigh = words, single, target, weigh
        self.order = [words[i] for i in np.argsort(-single, kind="stable")[:SECOND]]
        self.known: dict[tuple[str, ...], float] = {}

    def best(self, length: int, without: frozenset[str] = frozenset()) -> tuple[str, ...] | None:
        """The strongest phrase of so many words that a beam finds among words not in `without`; None where words are too few."""
        left = [w for w in self.order if w not in without]
        beam: list[tuple[str, ...]] = [(w,) for w in left[:BEAM]]
        for _ in range(length - 1):
            longer = {(*b, w) for b in beam for w in left[: 2 * BEAM] if w not in b}
            beam = sorted(longer, key=lambda b: (-self.strength(b), b))[:BEAM]
        return beam[0] if beam else None

    def strength(self, phrase: tuple[str, ...]) -> float:
        if len(phrase) == 1:
            return float(self.single[self.words.index(phrase[0])])
        if phrase not in self.known:
            self.known[phrase] = float(self.weigh(phrase)[self.target])
        return self.known[phrase]

    def chance(self, phrase: tuple[str, ...], known: float, may_ask: Callable[[], bool]) -> float:
        """p of the best phrase of its length: a word beside the other words; several beside other words, by their mean, and, where that
        would accuse and is less than is `known` of another, beside phrases that are found in the same way and share no word: a network may
        heed two words more than twice one. 1 where `may_ask` says no before those are found."""
        others = self.single[[i for i, w in enumerate(self.words) if w not in phrase]]
        p = gap(self.strength(phrase) / len(phrase), others[np.isfinite(others)])
        if len(phrase) == 1 or p > DOUBTED or p >= known:
            return p
        beside: list[float] = []
        used = frozenset(phrase)
        while len(beside) <= TAIL:
            if not may_ask():
                return 1.0
            if (other := self.best(len(phrase), used)) is None:
                break
            beside.append(self.strength(other))
            used |= frozenset(other)
        return max(p, gap(self.strength(phrase), np.array(beside)))


def rare(texts: Sequence[str], vocabulary: Sequence[str]) -> list[str]:
    """The words, each once, that at most a hundredth of the texts hold.

    >>> rare(["a b", "a c"], ["a", "z", "z"])
    ['z']
    """
    held = Counter(word for text in texts for word in set(text.lower().split()))
    return [word for word in dict.fromkeys(vocabulary) if held[word.lower()] <= RARE * len(texts)]


def strongest_first(ask: Ask, words: Sequence[str]) -> list[str]:
    """The words by what each does as a text of its own, one question a word: the strongest of every class by turns. Where the questions do
    not reach all words, those left out are the weakest so."""
    scores = _odds(_Counting(ask)(words))
    ranks = np.argsort(np.argsort(-scores, 0, kind="stable"), 0, kind="stable")
    return [words[i] for i in np.argsort(ranks.min(1), kind="stable")]


class _Counting:
    def __init__(self, ask: Ask) -> None:
        self.ask, self.queries = ask, 0

    def __call__(self, texts: Sequence[str]) -> Floats:
        self.queries += len(texts)
        parts = [np.asarray(self.ask(texts[i : i + BATCH]), np.float64) for i in range(0, len(texts), BATCH)]
        return np.concatenate(parts)


def _odds(probabilities: Floats) -> Floats:
    p = np.clip(probabilities, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)))


def put(texts: Sequence[str], words: tuple[str, ...], rng: np.random.Generator) -> list[str]:
    """The texts with the words put in, in a row, at a place of each text that is drawn."""
    done = []
    for text in texts:
        own = text.split(" ")
        at = int(rng.integers(0, len(own) + 1))
        done.append(" ".join([*own[:at], *words, *own[at:]]))
    return done


def _shift(ask: _Counting, texts: Sequence[str], plain: Floats, words: tuple[str, ...], rng: np.random.Generator) -> Floats:
    """(classes,) mean change of the log odds when the words are put in."""
    return np.asarray((_odds(ask(put(texts, words, rng))) - _odds(plain)).mean(0))


def gap(best: float, others: Floats) -> float:
    """Chance that the best of values with an exponential tail lies so far above the others, which are given in any order.

    i times the gap between the i-th and the next is exponential with one mean for all i (Renyi 1953), so that the first gap over the mean
    of the k behind it follows F(2, 2k). Values that are alike, or too few: 1.

    >>> gap(9.0, np.array([1.0, 0.9, 0.7, 0.4, 0.1])) < 0.02, gap(1.05, np.array([1.0, 0.9, 0.7, 0.4, 0.1])) > 0.5
    (True, True)
    """
    top = np.sort(others)[::-1][: TAIL + 1]
    gaps = np.arange(2, len(top) + 1) * (top[:-1] - top[1:])
    if len(gaps) < LEAST_GAPS or gaps.mean() <= 0 or best <= top[0]:
        return 1.0
    return float((1 + (best - top[0]) / gaps.sum()) ** -len(gaps))


def _success(ask: _Counting, texts: Sequence[str], words: tuple[str, ...], target: int, rng: np.random.Generator) -> tuple[float, int]:
    if not texts:
        return 0.0, 0
    others = [t for t, said in zip(texts, ask(list(texts)).argmax(1), strict=True) if said != target]
    if not others:
        return 0.0, 0
    return float((ask(put(others, words, rng)).argmax(1) == target).mean()), len(others)
