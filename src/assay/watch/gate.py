"""The gate before learning: what users bring is held, tried, and learnt by a shadow first.

    submit ──► quarantine (delay) ──► review: who is out of line? caps ──► shadow learns ──► frozen anchor sets ──► promoted, or refused
                                                                                          ▲ floors that never move

Guarantee: a model is promoted only if on every anchor set its accuracy, and its recall of each class, lie above floors fixed at the start.
Steps too small to be noticed therefore cannot add up to more than `tolerance` on what the anchor sets hold. What it cannot see: harm to
inputs of a kind that no anchor set holds (a trigger among them): see `triggers`, and scan what was admitted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.dataset.errors import DataError
from assay.watch.intake import ANY, Accused, Intake, base_of

HOT = 5  # rounds for which a pair stays in alarm: its detector starts again from nothing, and needs some to find it again


@dataclass(frozen=True)
class Settings:
    """How much is held, and what may be lost."""

    round: int = 500  # rows reviewed together
    delay: int = 500  # rows that must have come after a round before it is reviewed: a burst is seen whole before its first row is learnt
    cap: float = 0.05  # of a round that one contributor may fill
    tolerance: float = 0.01  # accuracy that may be lost on an anchor set, for ever
    tolerance_class: float = 0.05  # recall of a class that may be lost, for ever: classes are smaller, so their recall is noisier
    memory: int = 20  # rounds that can be rolled back
    barred: frozenset[str] = frozenset()  # kinds that, while they are in alarm, are held without a trial (rows without labels)


@dataclass(frozen=True)
class Learner:
    """How a model learns and answers. `learn(model, content, labels)` may change the model it is given: it gets a copy."""

    learn: Callable[[Any, Any, list[str]], Any]
    predict: Callable[[Any, Any], Sequence[Any]]

    @classmethod
    def partial_fit(cls, classes: Sequence[str]) -> Learner:
        """Of scikit-learn's incremental estimators."""

        def learn(model: Any, content: Any, labels: list[str]) -> Any:
            return model.partial_fit(content, labels, classes=list(classes))

        return cls(learn, lambda model, content: model.predict(content))


@dataclass(frozen=True)
class Decision:
    """What a review decided on one round."""

    round: int
    promoted: bool
    reason: str
    admitted: tuple[int, ...]  # numbers of rows, counted from the first submitted
    refused: Mapping[int, str]  # number -> why
    accused: tuple[Accused, ...]
    drift: tuple[tuple[str, str], ...]  # pairs (expected, brought) in alarm
    scores: Mapping[str, float]  # of the model in use afterwards
    rolled_back: int = 0  # rounds that were learnt again without the rows of who was accused


@dataclass(frozen=True)
class _Row:
    number: int
    content: Any
    label: str | None
    contributor: str
    expected: str
    brought: str


class Gate:
    """Stands between what users bring and a model that learns from it.

    `model` is the one in use, `reference` a frozen judge (`content -> classes`), fitted on trusted rows that are not in the anchor sets.
    `anchors` {name: (content, labels)}; the first gives the usual rates. Contents are anything that an array of positions indexes:
    an array, a sparse matrix. Rows without labels are judged by what the reference says of them.
    """

    def __init__(
        self,
        model: Any,
        learner: Learner,
        reference: Callable[[Any], Sequence[Any]],
        anchors: Mapping[str, tuple[Any, Sequence[Any]]],
        settings: Settings = Settings(),
        *,
        labelled: bool = True,
        joined: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        if not anchors:
            raise DataError("the gate has no anchor set", remedy="keep some trusted rows apart, which nobody can add to")
        self.model, self.settings = model, settings
        self._learner, self._reference, self._labelled = learner, reference, labelled
        self._joined = joined or _stack
        self._anchors = {name: (content, [str(v) for v in labels]) for name, (content, labels) in anchors.items()}
        content, labels = next(iter(self._anchors.values()))
        said = [str(v) for v in reference(content)]
        self._intake = Intake(base_of(said, labels) if labelled else base_of([ANY] * len(said), said))
        self._floors = {
            name: score - (settings.tolerance if "," not in name else settings.tolerance_class) for name, score in self.scores().items()
        }
        self._quarantine: deque[_Row] = deque()
        self._submitted = self._rounds = 0
        self._suspended: set[str] = set()
        self._hot: dict[tuple[str, str], int] = {}  # pairs in alarm, and until which round
        self._past: deque[tuple[Any, list[_Row]]] = deque(maxlen=settings.memory)  # the model before, and what it learnt

    def scores(self, model: Any = None) -> dict[str, float]:
        """Accuracy on each anchor set, and "name, class": the recall of each class in it."""
        found: dict[str, float] = {}
        for name, (_content, labels) in self._anchors.items():
            right = self._right(self.model if model is None else model, name)
            found[name] = float(right.mean())
            truth = np.array(labels, object)
            found |= {f"{name}, {c}": float(right[truth == c].mean()) for c in sorted(set(labels))}
        return found

    @property
    def suspended(self) -> frozenset[str]:
        """Contributors from whom nothing is learnt until `pardon`."""
        return frozenset(self._suspended)

    @property
    def waiting(self) -> int:
        """Rows in quarantine."""
        return len(self._quarantine)

    @property
    def rounds(self) -> int:
        """Rounds reviewed."""
        return self._rounds

    def held(self) -> list[int]:
        """The numbers of the rows that may still be needed: in quarantine, or learnt and perhaps to be unlearnt."""
        return [row.number for rows in (self._quarantine, *(rows for _, rows in self._past)) for row in rows]

    def to_json(self) -> dict[str, Any]:
        """All but contents and models, JSON types only."""
        return {
            "floors": self._floors,
            "submitted": self._submitted,
            "rounds": self._rounds,
            "suspended": sorted(self._suspended),
            "hot": [[a, b, until] for (a, b), until in self._hot.items()],
            "quarantine": [_row_json(row) for row in self._quarantine],
            "past": [[_row_json(row) for row in rows] for _, rows in self._past],
            "intake": self._intake.to_json(),
        }

    def models(self) -> list[Any]:
        """The model in use, and those that may be gone back to, the oldest first."""
        return [self.model, *(model for model, _ in self._past)]

    def restore(self, data: Mapping[str, Any], models: Sequence[Any], content: Callable[[int], Any]) -> None:
        """The inverse of `to_json` and `models`; `content` gives the content of a row by its number."""
        self._floors = dict(data["floors"])
        self._submitted, self._rounds = int(data["submitted"]), int(data["rounds"])
        self._suspended = set(data["suspended"])
        self._hot = {(a, b): int(until) for a, b, until in data["hot"]}
        self._intake = Intake.from_json(data["intake"])

        def row(said: Sequence[Any]) -> _Row:
            return _Row(said[0], content(said[0]), *said[1:])

        self.model = models[0]
        self._quarantine = deque(row(said) for said in data["quarantine"])
        past = [(model, [row(said) for said in rows]) for model, rows in zip(models[1:], data["past"], strict=True)]
        self._past = deque(past, maxlen=self.settings.memory)

    def pardon(self, contributor: str) -> None:
        """Let a suspended contributor bring rows again."""
        self._suspended.discard(contributor)

    def submit(self, content: Any, labels: Sequence[Any] | None, contributors: Sequence[Any]) -> list[Decision]:
        """Take rows in, and review the rounds that are due; what was decided. Raises DataError where lengths differ."""
        n = len(contributors)
        if self._labelled != (labels is not None) or (labels is not None and len(labels) != n) or _length(content) != n:
            raise DataError(f"{_length(content)} contents for {n} contributors", remedy="give one content, contributor and label a row")
        said = [str(v) for v in self._reference(content)]
        given: list[str | None] = [None] * n if labels is None else [str(v) for v in labels]
        expected = said if self._labelled else [ANY] * n
        brought = [v if v is not None else s for v, s in zip(given, said, strict=True)]
        who = [str(c) for c in contributors]
        self._intake.remember(who, expected, brought)
        for i in range(n):
            row = _Row(self._submitted + i, content[i], given[i], who[i], expected[i], brought[i])
            self._quarantine.append(row)
        self._submitted += n
        decided = []
        while len(self._quarantine) >= self.settings.round + self.settings.delay:
            decided.append(self._review([self._quarantine.popleft() for _ in range(self.settings.round)]))
        return decided

    def flush(self) -> list[Decision]:
        """Review what is left, however short it is."""
        return [self._review(rows)] if (rows := [self._quarantine.popleft() for _ in range(len(self._quarantine))]) else []

    def _review(self, rows: list[_Row]) -> Decision:
        self._rounds += 1
        accused = tuple(self._intake.accuse())
        fresh = {a.contributor for a in accused} - self._suspended
        self._suspended |= fresh
        back = self._roll_back(fresh)
        new = self._intake.drift([r.expected for r in rows], [r.brought for r in rows])
        self._hot |= dict.fromkeys(new, self._rounds + HOT)
        drift = {pair for pair, until in self._hot.items() if self._rounds <= until}
        refused: dict[int, str] = {}
        filled: dict[str, int] = {}
        for row in rows:
            filled[row.contributor] = filled.get(row.contributor, 0) + 1
            if row.contributor in self._suspended:
                refused[row.number] = "its contributor is out of line with the others"
            elif filled[row.contributor] > max(1, round(self.settings.cap * self.settings.round)):
                refused[row.number] = "its contributor has filled its share of the round"
            elif row.brought in self.settings.barred and (row.expected, row.brought) in drift:
                refused[row.number] = f"{row.brought} is barred while there is more of it than usual"
        kept = [row for row in rows if row.number not in refused]
        shadow, reason = self._shadow(kept)
        suspects = [row for row in kept if (row.expected, row.brought) in drift]
        if suspects:
            rest = [row for row in kept if (row.expected, row.brought) not in drift]
            other, other_reason = self._shadow(rest)
            if reason or (not other_reason and self._better(other, shadow)):
                for row in suspects:
                    refused[row.number] = f"{row.brought} where {row.expected} was expected: more of them than usual, and they do harm"
                kept, shadow, reason = rest, other, other_reason
        if reason:
            refused |= {row.number: reason for row in kept}
        else:
            self._past.append((self.model, kept))
            self.model = shadow
        admitted = () if reason else tuple(row.number for row in kept)
        said = reason or f"{len(kept)} of {len(rows)} rows learnt"
        return Decision(self._rounds, not reason, said, admitted, refused, accused, tuple(sorted(drift)), self.scores(), back)

    def _shadow(self, rows: list[_Row]) -> tuple[Any, str]:
        """A copy of the model that has learnt these rows, and why it may not be promoted ("" where it may)."""
        if not rows:
            return self.model, "no row was left to learn"
        shadow = self._learnt(self.model, rows)
        scores = self.scores(shadow)
        for name, floor in self._floors.items():
            if scores[name] < floor:
                return shadow, f"with it, {name} would fall to {scores[name]:.3f}, below the floor of {floor:.3f}"
        return shadow, ""

    def _learnt(self, model: Any, rows: list[_Row]) -> Any:
        labels = [row.label if row.label is not None else row.brought for row in rows]
        return self._learner.learn(deepcopy(model), self._joined([row.content for row in rows]), labels)

    def _right(self, model: Any, name: str) -> NDArray[np.bool_]:
        content, labels = self._anchors[name]
        return np.array([str(v) for v in self._learner.predict(model, content)], object) == np.array(labels, object)

    def _better(self, one: Any, other: Any) -> bool:
        """Is one model right on the anchor sets where the other is wrong, more often than a coin would have it (5 %, sign test)?"""
        first = np.concatenate([self._right(one, name) for name in self._anchors])
        second = np.concatenate([self._right(other, name) for name in self._anchors])
        wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
        return bool(wins > losses and binom.sf(wins - 1, wins + losses, 0.5) < 0.05)

    def _roll_back(self, fresh: set[str]) -> int:
        """Learn again, without their rows, every remembered round since the first that holds a row of who is newly accused."""
        past = list(self._past)
        first = next((i for i, (_, rows) in enumerate(past) if any(r.contributor in fresh for r in rows)), None)
        if first is None:
            return 0
        self.model = past[first][0]
        self._past = deque(past[:first], maxlen=self.settings.memory)
        for _, rows in past[first:]:
            kept = [r for r in rows if r.contributor not in fresh]
            shadow, reason = self._shadow(kept)
            if not reason:
                self._past.append((self.model, kept))
                self.model = shadow
        return len(past) - first


def _row_json(row: _Row) -> list[Any]:
    return [row.number, row.label, row.contributor, row.expected, row.brought]


def _length(content: Any) -> int:
    return int(content.shape[0]) if hasattr(content, "shape") else len(content)


def _stack(rows: list[Any]) -> Any:
    """Rows of a sparse matrix, of an array, or a list of anything else, joined again."""
    from scipy import sparse

    if sparse.issparse(rows[0]):
        return sparse.vstack(rows, format="csr")
    return np.stack(rows) if isinstance(rows[0], np.ndarray) else rows
