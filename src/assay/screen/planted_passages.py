"""The screen for text without labels, read as passages behind a search: which were written to be retrieved and believed.

A passage is flagged where it opens with a question and takes it up again, where three or more different passages open with the same
question, where it gives orders to the model that reads it, or where it hides characters. Passages that others resemble too often (hubs, in
TF-IDF space) score, and are flagged only where chance and the corpus's own spread cannot explain it.

Measured on the published PoisonedRAG texts and on real passages: docs/evidence/K-corpora.md. What it cannot see: `assay.screen.passages`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.artefact.tokens import tokens
from assay.dataset.columns import Column
from assay.dataset.data import Dataset
from assay.finding import RowScore
from assay.screen.context import Context
from assay.screen.hubs import hubs
from assay.screen.passages import ASKS, Passage, plain, read_passage, restated
from assay.screen.statistics import joined_text

Floats = NDArray[np.float64]

SHARED_WORDS = 4  # words that passages open with alike
TAKEN_UP = 2 / 3  # share of the opening's telling words that half of those passages take up again, where it is no question by its form
SHARED_BY = 3  # different passages: three that ask one thing are no accident, two may be
READ = 4_000  # characters of a passage that are read: what is retrieved is shorter
HINT = 0.4  # score of a passage that only opens with a question, or is a hub
WHY = "opens with a question that it answers itself or shares with others, gives orders to a model, hides characters, or is near everything"


def run(context: Context) -> RowScore:
    """The screen."""
    texts = [t[:READ] for t in joined_text(context.data).to_pylist()]
    near, is_hub = hubs(texts, context.rng)
    flag, score = is_hub, HINT * near
    for each in [texts, *_bodies(context.data)]:
        read = [read_passage(t) for t in each]
        flag = flag | np.array([bool(p.answers_itself or p.orders or p.hidden) for p in read]) | shared_openings(each)
        score = np.maximum(score, np.array([_hint(p) for p in read]))
    score[flag] = np.maximum(score[flag], 1.0)
    return RowScore("planted_passages", score, flag, WHY)


def _bodies(data: Dataset) -> list[list[str]]:
    """Columns of running text behind the first, each by itself: a title or a path in front would hide how a passage opens."""
    later = [data.table.column(name) for name in data.columns.content[1:]]
    texts = [column for column in later if Column("", column).kind == "string" and Column("", column).text]
    return [[(text or "")[:READ] for text in column.to_pylist()] for column in texts]


def _hint(passage: Passage) -> float:
    return HINT * (0.5 + 0.5 * passage.restated) if passage.question else 0.0


def shared_openings(texts: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) which passages open with a question that `SHARED_BY` different ones open with, or with words that all of them take up again.

    >>> rest = ["It was in 1911, says the keeper.", "All sources give 1911.", "Nobody doubts 1911."]
    >>> shared_openings([f"when was the lamp first lit {r}" for r in rest] + ["a page about lamps"]).tolist()
    [True, True, True, False]
    """
    words = [[t for t in tokens(plain(text[:READ])) if t[0].isalnum()] for text in texts]
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, said in enumerate(words):
        if len(said) > SHARED_WORDS:
            groups.setdefault(tuple(said[:SHARED_WORDS]), []).append(i)
    found = np.zeros(len(texts), bool)
    for rows in groups.values():
        if len({tuple(words[i]) for i in rows}) < SHARED_BY:
            continue
        opening = _common([words[i] for i in rows])
        asks = ASKS.match(" ".join(opening)) is not None
        if asks or np.median([restated(opening, words[i][len(opening) :]) for i in rows]) >= TAKEN_UP:
            found[rows] = True
    return found


def _common(words: Sequence[Sequence[str]]) -> list[str]:
    """The words with which `SHARED_BY` of them open alike, as far as that goes."""
    opening = list(words[0][:SHARED_WORDS])
    while True:
        tails: dict[str, int] = {}
        for said in words:
            if list(said[: len(opening)]) == opening and len(said) > len(opening):
                tails[said[len(opening)]] = tails.get(said[len(opening)], 0) + 1
        best = max(tails, key=lambda t: tails[t], default=None)
        if best is None or tails[best] < SHARED_BY:
            return opening
        opening.append(best)
