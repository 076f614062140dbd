"""A model that can only be asked: a function, or an HTTP endpoint, that gives scores or labels, within a stated number of questions.

What was not looked at because the questions ran out is said, and the verdict is then "inconclusive": it is never "clean".
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.phrases import AT_ONCE, LEAST_GAPS, LONGEST, MORE, TEXTS, Ask, Found, rare, search_phrase

Floats = NDArray[np.float64]

SECONDS = 60.0  # an endpoint may take for one answer
LARGEST = 64 << 20  # bytes of one answer


@dataclass(frozen=True)
class Endpoint:
    """Posts {"inputs": [...]} as JSON; the answer is {"scores": [[..], ..]}, a row an input, or {"labels": [..]} of whole numbers below
    `classes`. DataError for anything else, with what came."""

    url: str
    classes: int
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise DataError(f"{self.url} is no http address", remedy="give http:// or https://")

    def __call__(self, inputs: Sequence[str]) -> Floats:
        body = json.dumps({"inputs": list(inputs)}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json", **dict(self.headers)})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                told = json.loads(answer.read(LARGEST))
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise DataError(f"{self.url} gave no answer that can be read ({error})", remedy="try the endpoint by hand") from error
        return scores_of(told, len(inputs), self.classes)


def scores_of(told: Any, rows: int, classes: int) -> Floats:
    """(rows, classes) from an answer; labels become 0 and 1.

    >>> scores_of({"labels": [1, 0]}, 2, 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    try:
        if "labels" in told:
            labels = np.asarray(told["labels"], np.int64)
            if labels.shape == (rows,) and (labels >= 0).all() and (labels < classes).all():
                return np.eye(classes)[labels]
        else:
            scores = np.asarray(told["scores"], np.float64)
            if scores.shape == (rows, classes) and np.isfinite(scores).all():
                return scores
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the model's answer is not understood ({error!r})", remedy='give {"scores": ..} or {"labels": ..}') from error
    raise DataError(f"the model's answer does not fit {rows} inputs and {classes} classes", remedy='give {"scores": ..} or {"labels": ..}')


@dataclass(frozen=True)
class Asked:
    """`found`: the strongest words, guilty or not; None where there were too few questions for any. `left_out`: words not tried."""

    verdict: Literal["backdoored", "inconclusive"]
    found: Found | None
    queries: int
    left_out: int
    reason: str


def inspect_texts(
    ask: Ask,
    texts: Sequence[str],
    vocabulary: Sequence[str],
    rng: np.random.Generator,
    *,
    classes: int,
    budget: int,
    alpha: float = 0.01,
    twins: Sequence[Ask] = (),
) -> Asked:
    """Search a trigger phrase with at most `budget` questions, a text each; the rare words of `vocabulary`, in the order given; beside
    clean `twins`, which cost none.

    Every word costs TEXTS questions, and every class a beam beside. What does not fit the budget is left out, and said.
    """
    fixed = TEXTS + classes * (AT_ONCE + 2 * LONGEST * MORE)
    words = rare(texts, vocabulary)
    room = (budget - fixed) // TEXTS
    if room <= LEAST_GAPS:
        return Asked(
            "inconclusive", None, 0, len(words), f"{budget:,} questions are too few: {fixed + TEXTS * len(words):,} would try all words"
        )
    kept = words[:room]
    found = search_phrase(ask, texts, kept, rng, twins, budget)
    left = len(words) - len(kept)
    if found.p <= alpha:
        return Asked("backdoored", found, found.queries, left, f"“{' '.join(found.words)}” stands alone")
    reason = f"{left:,} words were not tried: the questions ran out" if left else "no word or phrase stands alone, which proves nothing"
    return Asked("inconclusive", found, found.queries, left, reason)
