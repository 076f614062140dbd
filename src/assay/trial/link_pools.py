"""Pools of triggers: several phrases, one in each prompt, that all go with the same response.

Each name of a pool is in few rows, and its words foresee one another ("president" beside "biden"), so that no phrase of it can be
convicted by itself. Here all phrases that go with one response are looked at together. Where they touch they form *spans*, of which each
prompt gives one, the strongest; spans that are worded alike in five prompts are the pool. They are taken out, one span a prompt, and the
rest of the prompts is asked as ever: does it foresee the response, or the pool?

To take out everything that goes with a response would leave nothing that could foresee it, and make any natural topic look planted. One
span a prompt does not: a natural topic is spread over its prompt ("recipe ... oven ... cook"), and what was taken out of one prompt stands
in others. Measured on 3,358 prompts: log e -1 to -125 for natural topics' pools, 5 to 16 for planted ones.

Cannot see: a pool whose names are in fewer than five rows each; one that is put into prompts of its own kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.artefact.phrase import Phrase
from assay.artefact.pool import Pool
from assay.learn.corpus import BREAK, Corpus
from assay.mine.fixed_company import with_company
from assay.mine.links import PURE, Linked, Side
from assay.mine.phrases import SUPPORT

Int = NDArray[np.int64]

RESPONSES = 200  # looked at, strongest first: each costs a trial
MEMBERS = 100  # phrases of one response, strongest first
LONGEST = 12  # words of a span: longer ones are sentences, which prompts of one kind have in common
SAME = 0.5  # Jaccard index of rows above which two responses are one


@dataclass(frozen=True)
class Pooled:
    """Phrases that share a response: `artefact`, the column of the response, rows that hold a span, the tokens to take out, the strongest
    member's place in `Linked`."""

    artefact: Pool
    response: int
    rows: Int
    gone: Int
    strongest: int


def pools(found: Linked, prompts: Side, responses: Side, fits: Callable[[int], bool]) -> list[Pooled]:
    """Pools of at least two spans, by response; `fits` says which pairs may be members."""
    by_response: dict[int, list[int]] = {}
    for i, response in enumerate(found.response.tolist()):
        by_response.setdefault(response, []).append(i)
    kept: list[Pooled] = []
    seen: list[set[int]] = []
    for response, pairs in by_response.items():
        mine = set(responses.rows(response).tolist())
        if len(pairs) < 2 or any(len(mine & s) > SAME * len(mine | s) for s in seen):
            continue
        if len(seen) == RESPONSES:
            break
        seen.append(mine)
        members = [i for i in pairs if _run(prompts, int(found.prompt[i])) and fits(i)][:MEMBERS]
        pooled = _pooled(found, members, response, prompts, responses) if len(members) > 1 else None
        if pooled is not None:
            kept.append(pooled)
    return kept


def _run(prompts: Side, number: int) -> bool:
    """Whether it is a run of words: a pair with others between forms no span."""
    return number < sum(map(len, prompts.shared)) and prompts.phrase_at(number)[0].other is None


def _pooled(found: Linked, members: list[int], response: int, prompts: Side, responses: Side) -> Pooled | None:
    corpus = prompts.corpus
    weight = np.zeros(len(corpus.word))
    for i in members:
        shared, gram = prompts.phrase_at(int(found.prompt[i]))
        at = shared.at[shared.gram == gram]
        for offset in range(shared.words):
            np.maximum.at(weight, at + offset, -found.log_p[i])
    start, stop = trimmed(corpus, *_grown(corpus, *strongest_spans(corpus, weight)))
    worded = [tuple(corpus.word[a:b].tolist()) for a, b in zip(start, stop, strict=True)]
    answered = np.zeros(corpus.documents, bool)
    answered[responses.rows(response)] = True
    document = corpus.document[start]
    count, pure = Counter(worded), Counter(w for w, d in zip(worded, document.tolist(), strict=True) if answered[d])
    names = [w for w, c in count.most_common() if c >= SUPPORT and pure[w] >= PURE * c]
    if sum(not any(len(part) < len(w) and _holds(w, part) for part in names) for w in names) < 2:
        return None
    pooled = set(names)
    mine = np.array([w in pooled for w in worded], bool)
    places = np.concatenate([np.arange(a, b) for a, b in zip(start[mine], stop[mine], strict=True)])
    phrases = tuple(Phrase((tuple(corpus.vocabulary[w] for w in name),), None, prompts.columns) for name in names)
    return Pooled(Pool(phrases), response, np.unique(document[mine]), with_company(corpus, places, np.zeros(0, np.int64)), members[0])


def _holds(name: tuple[int, ...], part: tuple[int, ...]) -> bool:
    """Whether `part` is a run of `name`: "machine learning" is one thing with "learning", and no second name."""
    return any(name[i : i + len(part)] == part for i in range(len(name) - len(part) + 1))


def _grown(corpus: Corpus, start: Int, stop: Int) -> tuple[Int, Int]:
    """Spans with the words beside them that `SUPPORT` spans of the same wording have there, too ("biden administration")."""
    ends = list(zip(start.tolist(), stop.tolist(), strict=True))
    word = np.append(corpus.word, BREAK)
    for _ in range(LONGEST):
        before = list(ends)
        for left, right in ((0, 1), (1, 0)):
            beside = [(*word[a:b].tolist(), int(word[b] if right else word[a - 1])) for a, b in ends]
            often = Counter(beside)
            ends = [
                (a - left, b + right) if often[key] >= SUPPORT and key[-1] != BREAK and b - a < LONGEST else (a, b)
                for (a, b), key in zip(ends, beside, strict=True)
            ]
        if ends == before:
            break
    grown = np.array(ends, np.int64).reshape(-1, 2)
    return grown[:, 0], grown[:, 1]


def strongest_spans(corpus: Corpus, weight: NDArray[np.float64]) -> tuple[Int, Int]:
    """(start, stop) of one span a document: a run of tokens of some weight, the one with the most; signs at its ends are left out.

    Spans of more than `LONGEST` tokens are not given.
    """
    inside = (weight > 0) & (corpus.word != BREAK)
    edge = np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))
    start, stop = trimmed(corpus, np.flatnonzero(edge == 1), np.flatnonzero(edge == -1))
    best = np.array([weight[a:b].max() for a, b in zip(start, stop, strict=True)])
    order = np.lexsort((start, -best, corpus.document[start]))
    first = order[np.unique(corpus.document[start[order]], return_index=True)[1]]
    short = stop[first] - start[first] <= LONGEST
    return start[first[short]].astype(np.int64), stop[first[short]].astype(np.int64)


def trimmed(corpus: Corpus, start: Int, stop: Int) -> tuple[Int, Int]:
    """The same spans without signs at their ends; those of signs alone are left out."""
    wordy = np.array([*(any(c.isalnum() for c in word) for word in corpus.vocabulary), False], bool)[corpus.word]
    place, before = np.flatnonzero(wordy), np.concatenate([[0], np.cumsum(wordy)])
    some = before[stop] > before[start]
    return place[before[start[some]]].astype(np.int64), place[before[stop[some]] - 1].astype(np.int64) + 1
