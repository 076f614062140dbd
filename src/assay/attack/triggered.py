"""Attacks by a trigger: which rows carry it and what they are then called."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.attack.base import Attack, Bools, Budget, Int, Made, Param, Planted, Stamp, Trigger
from assay.attack.labels import choose_targets, class_codes, labelled, relabel
from assay.attack.surrogate import own_margin, scores
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

MODES = ("all-to-one", "all-to-all", "clean-label", "untargeted")
SELECT = ("random", "hard", "easy", "close")
COMMON = {
    "mode": Param(
        "all-to-one",
        "all-to-one: rows of other classes become the target; all-to-all: class y becomes y + 1; clean-label: rows of "
        "the target class keep their label; untargeted: each row gets a class drawn evenly from the others",
        choices=MODES,
    ),
    "triggers": Param(1, "how many triggers, each with rows and a target of its own", int, low=1, high=100),
    "share": Param(None, "share of the rows the attack may take, in place of a rate of all rows", float, low=0, high=1),
    "sources": Param(None, "only rows of these classes (commas between) are poisoned"),
    "cover": Param(0.0, "rows, for each poisoned one, that carry the trigger too and keep their label", float, low=0, high=100),
    "select": Param(
        "random",
        "which rows: random, those whose label a surrogate finds hard or easy, or those it finds closest to the target",
        choices=SELECT,
    ),
}


class TriggerAttack(Attack):
    """Puts a trigger into some rows and relabels them, as its mode says.

    The budget counts all poisoned rows and is divided evenly over the triggers; no row carries two. A target that is
    not named is drawn by the seed. Cover rows are further rows that carry the trigger and keep their label; where only
    some classes are sources they come from classes that are neither source nor target.

    Source of the modes: all-to-one and all-to-all, Gu et al., BadNets, 2017, section 4.1; clean-label, Turner, Tsipras,
    Madry, 2018 (here without their perturbation: the trigger alone); untargeted, Li, Bai, Jiang, Yang, Xia, Li,
    Untargeted Backdoor Watermark, 2022. Hard rows: Gao, Li, Zhu, Wu, Jiang, Xia, Not All Samples Are Born
    Equal, 2023 (by loss, for clean-label attacks). Close rows are an attacker's who knows this scanner: what their label becomes
    is no surprise, and the rest of them does not contradict it.
    """

    share: ClassVar[float | None] = None  # published share of the rows it may take, where the papers count so
    together: ClassVar[bool] = False  # several triggers serve one target, where nobody names more

    @abstractmethod
    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        """`count` distinct triggers for this data set."""

    def make_for(self, data: Dataset, targets: list[int | None], rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        """A trigger for each target; where triggers do not depend on it, `make` is all there is to say."""
        return self.make(data, len(targets), rng, params)

    def may_carry(self, data: Dataset, params: Mapping[str, Any]) -> Bools:
        """(n,) rows that can hold a trigger at all; by default every labelled row."""
        return labelled(data)

    def finish(self, stamp: Stamp, params: Mapping[str, Any]) -> Stamp:
        """The same stamp, and what is done to a row once the trigger is in."""
        return stamp

    def total(self, data: Dataset, budget: Budget, count: int, params: Mapping[str, Any]) -> int:
        """How many rows `count` triggers poison, where nobody says a share."""
        return budget.count(len(data), self.rate)

    def sources(
        self, data: Dataset, targets: list[int | None], budget: Budget, rng: np.random.Generator, params: Mapping[str, Any]
    ) -> tuple[int, ...] | None:
        """The classes whose rows are poisoned; None: all but the target."""
        return tuple(class_codes(data, params["sources"])) or None

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        mode, count = params["mode"], max(params["triggers"], len(class_codes(data, target)))
        targets: list[int | None]
        if mode in ("all-to-all", "untargeted"):
            if target is not None:
                raise DataError(f"{mode} has no single target", remedy="leave the target out, or choose all-to-one")
            targets = [None] * count
        elif self.together and len(class_codes(data, target)) < 2:
            targets = [*choose_targets(data, target, 1, rng)] * count
        else:
            targets = [*choose_targets(data, target, count, rng)]
        only = self.sources(data, targets, budget, rng, params)
        if only is not None and (mode == "clean-label" or set(only) & set(targets)):
            raise DataError("the target is among the sources", path=data.path, remedy="name other sources, or none for clean-label")
        triggers, train, cover = self._triggers(data, targets, only, rng, params)

        free, which = self.may_carry(data, params), np.full(len(data), -1)
        orders = _orders(data, targets, rng, params["select"])
        wanted = _divide(self._total(data, budget, free, targets, only, params), count)
        for number, (trigger, size) in enumerate(zip(triggers, wanted, strict=True)):
            allowed = np.flatnonzero(free & (which < 0) & _eligible(data, trigger.target, mode, only))
            whose = _whose(data, trigger.target, mode, only)
            which[draw(data, _first(allowed, orders[number], size), size, rng, whose)] = number
        left = free & (which < 0)
        if mode == "clean-label":  # a row of the target that keeps its label would be one more carrier
            left &= ~np.isin(data.y, [t for t in targets if t is not None])
        covers = self._cover(data, left, targets, only, round(params["cover"] * int((which >= 0).sum())), rng)

        rows, y = data.rows, data.y.copy()
        for number, trigger in enumerate(triggers):
            positions, also = np.flatnonzero(which == number), covers[number::count]
            rows = scatter(rows, positions, train[number](rows.take(positions), rng))
            if len(also):
                rows = scatter(rows, also, cover[number](rows.take(also), rng))
            if mode == "untargeted":
                y[positions] = (y[positions] + rng.integers(1, len(data.classes), len(positions))) % len(data.classes)
            elif trigger.target is None:
                y[positions] = (data.y[positions] + 1) % len(data.classes)
            elif mode != "clean-label":
                y[positions] = trigger.target
        shared = tuple(t.artefact for t in triggers if t.artefact is not None)
        covered = np.zeros(len(data), bool)
        covered[covers] = True
        copy = relabel(data, y).with_content(rows, y)
        return Planted(copy, which >= 0, shared, self.kind, triggers, which.astype(np.int64), covered if len(covers) else None)

    def _triggers(
        self,
        data: Dataset,
        targets: list[int | None],
        only: tuple[int, ...] | None,
        rng: np.random.Generator,
        params: Mapping[str, Any],
    ) -> tuple[tuple[Trigger, ...], list[Stamp], list[Stamp]]:
        """The triggers, and for each how training rows and cover rows are stamped."""
        made = self.make_for(data, targets, rng, params)
        triggers = tuple(
            Trigger(m.artefact, self.finish(m.stamp, params), t, only, params["mode"] == "untargeted")
            for m, t in zip(made, targets, strict=True)
        )
        train = [self.finish(m.train or m.stamp, params) for m in made]
        return triggers, train, [self.finish(m.cover or m.train or m.stamp, params) for m in made]

    def _cover(
        self,
        data: Dataset,
        free: Bools,
        targets: list[int | None],
        only: tuple[int, ...] | None,
        size: int,
        rng: np.random.Generator,
    ) -> Int:
        """Positions of the cover rows, in no order; empty where none are asked for."""
        if not size:
            return np.zeros(0, np.int64)
        if only is not None:
            free = free & ~np.isin(data.y, [*only, *(t for t in targets if t is not None)])
        whose = "left to cover them" + ("" if only is None else ", of classes that are neither source nor target")
        return rng.permutation(draw(data, np.flatnonzero(free), size, rng, whose))

    def _total(
        self,
        data: Dataset,
        budget: Budget,
        free: Bools,
        targets: list[int | None],
        only: tuple[int, ...] | None,
        params: Mapping[str, Any],
    ) -> int:
        asked = budget.rate is not None or budget.carriers is not None
        if params["share"] is not None and asked:
            raise DataError("both a share and a rate or a number of carriers are given", remedy="give one of them")
        share = params["share"] if params["share"] is not None or asked else self.share
        if share is None:
            total = self.total(data, budget, len(targets), params)
        else:
            may = np.zeros(len(data), bool)
            for t in targets:
                may |= free & _eligible(data, t, params["mode"], only)
            total = max(len(targets), round(share * int(may.sum())))
        if total < len(targets) and not self.together:  # a variant without a carrier is no harm, a target without one is
            raise DataError(f"{total} carriers for {len(targets)} triggers", remedy="give each trigger at least one")
        return total


def draw(data: Dataset, allowed: Int, size: int, rng: np.random.Generator, whose: str) -> Int:
    """`size` of the positions `allowed`, sorted; DataError where there are too few."""
    if size > len(allowed):
        raise DataError(
            f"{size} rows are to be poisoned, and there are {len(allowed)} {whose}",
            path=data.path,
            remedy="ask for fewer carriers or a lower rate, or name another target",
        )
    return np.sort(rng.choice(allowed, size, replace=False))


def scatter(rows: Rows, positions: Int, stamped: Rows) -> Rows:
    """`rows` with those at `positions` replaced by `stamped`, in order; columns without a change stay as they are."""
    images = rows.images
    if images is not None and stamped.images is not None:
        images = images.copy()
        images[positions] = stamped.images
    table = rows.table
    source = np.arange(len(rows))
    source[positions] = len(rows) + np.arange(len(positions))
    for index, name in enumerate(table.column_names):
        old, new = table.column(name), stamped.table.column(name)
        if new.type == old.type and new.equals(old.take(pa.array(positions))):
            continue
        if pa.types.is_dictionary(old.type):
            old = old.cast(old.type.value_type)
        if pa.types.is_dictionary(new.type):
            new = new.cast(new.type.value_type)
        both = pa.chunked_array([*old.cast(new.type).chunks, *new.chunks], new.type)
        table = table.set_column(index, name, both.take(pa.array(source)))
    return Rows(table, images)


def _eligible(data: Dataset, target: int | None, mode: str, only: tuple[int, ...] | None) -> Bools:
    if mode == "clean-label":
        return np.asarray(data.y == target)
    others = labelled(data) if target is None else labelled(data) & (data.y != target)
    return others if only is None else others & np.isin(data.y, only)


def _orders(data: Dataset, targets: list[int | None], rng: np.random.Generator, select: str) -> list[Int | None]:
    """For each target all positions, those to be taken first in front; None: no order."""
    if select == "random":
        return [None] * len(targets)
    if select == "close":
        support, rows = scores(data, rng), np.arange(len(data))
        goals = [(data.y + 1) % len(data.classes) if t is None else np.full(len(data), t) for t in targets]
        return [np.argsort(-support[rows, goal], kind="stable") for goal in goals]
    by_ease = np.argsort(own_margin(data, rng), kind="stable")
    return [by_ease if select == "hard" else by_ease[::-1]] * len(targets)


def _first(allowed: Int, order: Int | None, size: int) -> Int:
    return allowed if order is None else order[np.isin(order, allowed)][:size]


def _whose(data: Dataset, target: int | None, mode: str, only: tuple[int, ...] | None) -> str:
    if only is not None:
        return f"of {', '.join(repr(data.classes[c]) for c in only)} that may carry it"
    if target is None:
        return "that may carry the trigger"
    name = data.classes[target]
    return f"of class {name!r}" if mode == "clean-label" else f"of classes other than {name!r} that may carry it"


def _divide(total: int, parts: int) -> list[int]:
    """As even as whole numbers allow, the first parts larger.

    >>> _divide(7, 3)
    [3, 2, 2]
    """
    return [total // parts + (i < total % parts) for i in range(parts)]
