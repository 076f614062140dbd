"""Linear models of words: does one rare word, or do a few, weigh far more for a class than all other rare words?

What a word does to a text is reckoned exactly, without asking: its coefficient, times its weight, over the length of the text with it.

**If what rare words do in a clean model has an exponential tail or a lighter one, a clean model is accused with a chance of at most
alpha**, over classes and lengths: the gaps between the strongest, each times its rank, are then alike and independent (Renyi 1953), so
that the gap behind the first, the first two and the first three is tested against those behind it. Two words of one trigger share its
weight, and stand together above the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.bags import WordModel
from assay.model.linear import beyond_others
from assay.model.phrases import IMPLANTS, LEAST_TEXTS, LONGEST, RARE, TAIL, Found, put

Floats = NDArray[np.float64]

TEXTS = 100  # clean texts that words are put into; as many others are held back, to count what the words turn


@dataclass(frozen=True)
class Weighed:
    """`found`: the words that stand apart most, with their p over classes and lengths (`queries` 0: nothing is asked); `words` compared."""

    found: Found
    words: int


def weigh_words(model: WordModel, texts: Sequence[str], rng: np.random.Generator, twins: Sequence[WordModel] = ()) -> Weighed:
    """The rare words that stand apart most. `twins`: clean models of the same classes, whose own effects are taken off (a word that a twin
    does not know has none there). DataError: too few texts, twins of other classes, or no rare word. Deterministic given `rng`."""
    if len(texts) < LEAST_TEXTS:
        raise DataError(f"{len(texts)} clean texts; at least {LEAST_TEXTS} are needed", remedy="give more")
    if any(twin.classes != model.classes for twin in twins):
        raise DataError(f"a twin has other classes than {', '.join(model.classes)}", remedy="give clean models of the same task")
    order = rng.permutation(len(texts))
    half = min(TEXTS, len(texts) // 2)
    drawn, held = ([texts[i] for i in part] for part in (order[:half], order[half : 2 * half]))
    common = np.asarray((model.bag.weighed(texts) != 0).sum(0)).ravel() > RARE * len(texts)
    kept = [i for i, word in enumerate(model.bag.words) if not common[i] and " " not in word]
    if len(kept) < TAIL:
        raise DataError(f"{len(kept)} rare words among those the model knows; at least {TAIL} are needed", remedy="ask it as a black box")
    words = [model.bag.words[i] for i in kept]
    effect = effects(model, drawn, kept)
    for twin in twins:
        place = {word: i for i, word in enumerate(twin.bag.words)}
        shared = [i for i, word in enumerate(words) if word in place]
        effect[:, shared] -= effects(twin, drawn, [place[words[i]] for i in shared]) / len(twins)
    found = [
        _found(model, held, words, effect[target], target, length, rng)
        for target in range(len(model.classes))
        for length in range(1, LONGEST + 1)
    ]
    return Weighed(min(found, key=lambda one: (one.p, -one.success)), len(words))


def effects(model: WordModel, texts: Sequence[str], columns: Sequence[int]) -> Floats:
    """(classes, words) mean change of each class's score, beyond the others', when a word that a text lacks is put into it once."""
    weighed = model.bag.weighed(texts)
    sums, lengths = model.sums(weighed), model.bag.lengths(weighed)
    by = model.bag.idf[list(columns)]
    longer = np.maximum(model.bag.longer(lengths, by), 1e-300)
    plain = sums / np.maximum(lengths, 1e-300)[:, None]
    change = [
        ((sums[:, c, None] + by * model.linear.weight[c, list(columns)]) / longer - plain[:, c, None]).mean(0)
        for c in range(len(model.classes))
    ]
    return beyond_others(np.stack(change))


def together(effect: Floats, length: int) -> float:
    """Chance that the first `length` of values with an exponential tail lie so far above the rest.

    >>> many = np.r_[9.0, 8.9, np.linspace(0, 1, 40)]
    >>> together(many, 2) < 1e-6, together(many, 1) > 0.05
    (True, True)
    """
    top = np.sort(effect)[::-1][: length + TAIL + 1]
    gaps = np.arange(1, len(top)) * (top[:-1] - top[1:])
    here, behind = gaps[length - 1], gaps[length:]
    return float((1 + here / behind.sum()) ** -len(behind)) if len(behind) and behind.sum() > 0 else 1.0


def _found(
    model: WordModel, held: Sequence[str], words: Sequence[str], effect: Floats, target: int, length: int, rng: np.random.Generator
) -> Found:
    best = tuple(words[i] for i in np.argsort(-effect, kind="stable")[:length])
    others = [text for text, said in zip(held, model.scores(held).argmax(1), strict=True) if said != target]
    success = float((model.scores(put(others, best, rng)).argmax(1) == target).mean()) if others else 0.0
    tests = LONGEST * len(model.classes)
    p = min(1.0, together(effect, length) * tests) if success > IMPLANTS else 1.0
    return Found(best, target, success, len(others), p, 0)
