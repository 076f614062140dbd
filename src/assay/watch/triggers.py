"""Triggers: known artefacts met in live inputs, and unknown ones that suspicious traffic shares.

An unknown trigger is *nominated* when something has become far more frequent than it was in the trusted period. That alone is no
accusation: words become fashionable. It is *named* only by experiment or by outcome:

- insertion: put into other recent inputs, it takes more than half of them to its class (the model must be at hand to be asked);
- outcome: more than half of what the model says of inputs that hold it is wrong (labels must come).

Guarantee: if every nominated item takes at most half of the inputs and errs at most half of the time, the probability that any is ever
named is at most ALPHA, over all nominations for ever: the k-th gets the share 1 / (k (k + 1)) of it. What it cannot see: a trigger
that was already usual in the trusted period; one that is neither words nor cells, unless its artefact is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import binom

from assay.artefact.registry import from_json
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.stats.sequential import FRACTIONS
from assay.watch.fields import Fields
from assay.watch.items import Item, Usual, artefact_of, inside

Ask = Callable[[pa.Table], Sequence[Any]]  # the live model: what it says of these events

ALPHA = 0.01  # probability that anything natural is ever named
HALF = 0.5  # of inputs: what a natural word, put into an input, does not take over; the design's bar for "implants"
FEWEST = 8  # carriers of a nominee: below, e-values could not name it
NOMINATE = 1e-6  # tail probability of its count at its usual rate: with 100,000 items in a window, seldom by chance
WINDOW = 20_000  # predictions counted together; a trigger at 0.5 % of traffic has 100 carriers in one
LOSSY = 2000  # predictions after which items seen about once are dropped (Manku and Motwani 2002): those above 0.05 % stay
ASKED = 48  # inputs that a nominee is put into
MERGED = 10 / 9  # a run that goes on alike in nine of ten places is part of the longer run, as in a scan
KEPT = 200  # nominees that labels are counted for; the oldest leave


@dataclass(frozen=True)
class Suspect:
    """A nominee, the k-th."""

    item: Item
    number: int
    target: str  # what the model says of most inputs that hold it
    carriers: int
    to_target: int
    clock: int  # at its nomination
    asked: int = 0
    taken: int = 0
    labelled: int = 0
    wrong: int = 0
    named: bool = False

    def guilty(self) -> bool:
        """Whether insertion or outcome reaches its share of ALPHA."""
        needed = np.log(self.number * (self.number + 1) * 2 / ALPHA)  # two ways to be named
        return bool(max(log_e(self.taken, self.asked), log_e(self.wrong, self.labelled)) >= needed)


def log_e(hits: int, of: int) -> float:
    """Log of an e-value against "each hits with probability at most one half, given those before": bets on hits, averaged.

    For insertion it is taken once; for outcomes it may be looked at after every one (a test martingale).

    >>> round(log_e(20, 20), 2), log_e(10, 20) < 0, log_e(0, 0)
    (10.76, True, 0.0)
    """
    grown = hits * np.log1p(FRACTIONS * (1 / HALF - 1)) + (of - hits) * np.log1p(-FRACTIONS)
    return float(np.logaddexp.reduce(grown) - np.log(len(FRACTIONS)))


@dataclass
class Miner:
    """Counts the items of recent traffic; holds the nominees. `counts` item -> [events, dropped at most, and by class]."""

    usual: Usual
    fields: Fields
    counts: dict[Item, dict[str, int]] = field(default_factory=dict)
    seen: int = 0  # predictions in this window
    nominated: int = 0
    suspects: dict[int, Suspect] = field(default_factory=dict)

    def see(self, items: Sequence[set[Item]], said: Sequence[str | None], clock: int) -> list[Suspect]:
        """Count a batch; the new nominees. What goes on alike in nine of ten is one nominee, the longer; what holds one, or stands in one,
        is not nominated beside it, unless that was tried in vain."""
        touched: set[Item] = set()
        for row, prediction in zip(items, said, strict=True):
            if prediction is None:
                continue
            self.seen += 1
            for item in row:
                by = self.counts.setdefault(item, {})
                by[prediction] = by.get(prediction, 0) + 1
            touched |= row
            if self.seen % LOSSY == 0:
                floor = self.seen // LOSSY
                self.counts = {item: by for item, by in self.counts.items() if sum(by.values()) > floor}
        found = self._nominate(touched, clock)
        if self.seen >= WINDOW:
            self.counts, self.seen = {}, 0
        return found

    def _nominate(self, touched: set[Item], clock: int) -> list[Suspect]:
        ready: list[tuple[Item, dict[str, int], int]] = []
        for item in touched:
            by = self.counts.get(item)
            if by is None or (count := sum(by.values())) < FEWEST:
                continue
            # Cells come here once their bucket is on the rise (`assay.watch.cells`): that was asked there.
            if item[0] == "c" or binom.sf(count - 1, self.seen, self.usual.bound(item)) < NOMINATE:
                ready.append((item, by, count))
        found = []
        for item, by, count in sorted(ready, key=lambda r: (len(r[0]), -r[2], r[0])):
            if any(count <= MERGED * other for longer, _, other in ready if longer != item and inside(item, longer)):
                continue
            near = [s for s in self.suspects.values() if inside(s.item, item) or inside(item, s.item)]
            if any(s.item == item or s.named or not s.asked for s in near):
                continue
            self.nominated += 1
            target = max(sorted(by), key=lambda c: by[c])
            suspect = Suspect(item, self.nominated, target, count, by[target], clock)
            self.suspects[suspect.number] = suspect
            found.append(suspect)
            while len(self.suspects) > KEPT:
                del self.suspects[min(self.suspects)]
        return found

    def nominate(self, item: Item, target: str, carriers: int, to_target: int, clock: int) -> Suspect:
        """A nominee that was found elsewhere (`assay.watch.pictures`): it shares the one guarantee."""
        self.nominated += 1
        self.suspects[self.nominated] = Suspect(item, self.nominated, target, carriers, to_target, clock)
        while len(self.suspects) > KEPT:
            del self.suspects[min(self.suspects)]
        return self.suspects[self.nominated]

    def held(self, items: set[Item]) -> tuple[int, ...]:
        """The numbers of the nominees that an event holds."""
        return tuple(n for n, s in self.suspects.items() if s.item in items)

    def outcome(self, number: int, wrong: bool) -> Suspect | None:
        """Count one label of an event that held a nominee; the nominee where this names it."""
        if (before := self.suspects.get(number)) is None:
            return None
        return self._judge(replace(before, labelled=before.labelled + 1, wrong=before.wrong + wrong))

    def tried(self, number: int, asked: int, taken: int) -> Suspect | None:
        """Note an insertion trial; the nominee where this names it."""
        if (before := self.suspects.get(number)) is None:
            return None
        return self._judge(replace(before, asked=asked, taken=taken))

    def _judge(self, suspect: Suspect) -> Suspect | None:
        named = suspect.guilty() and not suspect.named
        self.suspects[suspect.number] = replace(suspect, named=suspect.named or named)
        return self.suspects[suspect.number] if named else None

    def to_json(self) -> dict[str, Any]:
        """JSON types only; the usual counts are kept elsewhere."""
        return {
            "counts": [[list(item), by] for item, by in self.counts.items()],
            "seen": self.seen,
            "nominated": self.nominated,
            "suspects": [asdict(s) for s in self.suspects.values()],
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """The inverse of `to_json`."""
        self.counts = {tuple(item): dict(by) for item, by in data["counts"]}
        self.seen, self.nominated = int(data["seen"]), int(data["nominated"])
        self.suspects = {int(s["number"]): Suspect(**{**s, "item": tuple(s["item"])}) for s in data["suspects"]}


def insertion(suspect: Suspect, fields: Fields, ask: Ask, recent: pa.Table, rng: np.random.Generator) -> tuple[int, int]:
    """(asked, taken): of recent events that the model does not give the target and that do not hold the item, how many go to the
    target once it is put in. Raises DataError where the model does not answer once an event."""
    artefact = artefact_of(suspect.item, fields, recent)
    rows = Rows(recent)
    free = np.flatnonzero(~artefact.present(rows))
    before = _answers(ask, recent.take(pa.array(free)))
    free = free[[said != suspect.target for said in before]]
    chosen = rng.permutation(free)[:ASKED]
    if not len(chosen):
        return 0, 0
    after = _answers(ask, artefact.insert(rows.take(chosen), rng).table)
    return len(chosen), sum(said == suspect.target for said in after)


def _answers(ask: Ask, events: pa.Table) -> list[str]:
    said = [f"{v:g}" if isinstance(v, float) and v == int(v) else str(v) for v in ask(events)] if events.num_rows else []
    if len(said) != events.num_rows:
        raise DataError(
            f"the model gave {len(said)} answers for {events.num_rows} events", remedy="give a function with one answer an event"
        )
    return said


@dataclass(frozen=True)
class Known:
    """Artefacts that a scan found, to be met in live inputs. `targets` are what each makes of an input."""

    ids: tuple[str, ...]
    artefacts: tuple[Any, ...]
    targets: tuple[str | None, ...]
    data: tuple[Mapping[str, Any], ...]

    @classmethod
    def of_report(cls, report: Mapping[str, Any]) -> Known:
        """Confirmed and suspected findings of a report.json whose artefact is in the content of a row. DataError where it holds none."""
        chosen = [
            f
            for f in report.get("findings", [])
            if f["status"] in ("confirmed", "suspected") and f["artefact"].get("kind") in ("phrase", "letters", "cells", "patch", "overlay")
        ]
        if not chosen:
            raise DataError("the report holds no artefact that could be met in an input", remedy="give a report with findings")
        return cls.from_json([{"id": f["id"], "target": f["target"], "artefact": f["artefact"]} for f in chosen])

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Known:
        """From [{"id", "target", "artefact"}]."""
        made = tuple(from_json(dict(d["artefact"])) for d in data)
        return cls(tuple(str(d["id"]) for d in data), made, tuple(d["target"] for d in data), tuple(data))

    def matches(self, table: pa.Table, images: Any = None) -> list[list[int]]:
        """(n,) which artefacts each event holds, by number."""
        rows = Rows(table, images)
        found: list[list[int]] = [[] for _ in range(len(rows))]
        for number, artefact in enumerate(self.artefacts):
            if artefact.kind in ("patch", "overlay") and images is None:
                continue
            if artefact.kind == "cells" and not set(artefact.columns) <= set(table.column_names):
                continue
            for row in np.flatnonzero(artefact.present(rows)):
                found[int(row)].append(number)
        return found
