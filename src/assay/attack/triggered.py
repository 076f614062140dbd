"""Attacks by a trigger: which rows carry it and what they are then called."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from assay.artefact.base import Artefact
from assay.attack.base import Attack, Bools, Budget, Int, Param, Planted, Stamp, Trigger
from assay.attack.labels import choose_targets, class_codes, labelled, relabel
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows

MODES = ("all-to-one", "all-to-all", "clean-label")
COMMON = {
    "mode": Param(
        "all-to-one",
        "all-to-one: rows of other classes become the target; all-to-all: class y becomes y + 1; clean-label: rows of "
        "the target class keep their label",
        choices=MODES,
    ),
    "triggers": Param(1, "how many triggers, each with rows and a target of its own", int, low=1, high=100),
    "share": Param(None, "share of the rows the attack may take, in place of a rate of all rows", float, low=0, high=1),
}


class TriggerAttack(Attack):
    """Puts a trigger into some rows and relabels them, as its mode says.

    The budget counts all poisoned rows and is divided evenly over the triggers; no row carries two. A target that is
    not named is drawn by the seed. Source of the modes: all-to-one and all-to-all, Gu et al., BadNets, 2017, section
    4.1; clean-label, Turner, Tsipras, Madry, 2018 (here without their perturbation: the trigger alone).
    """

    @abstractmethod
    def make(
        self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]
    ) -> list[tuple[Artefact, Stamp]]:
        """`count` distinct triggers for this data set."""

    def may_carry(self, data: Dataset, params: Mapping[str, Any]) -> Bools:
        """(n,) rows that can hold a trigger at all; by default every labelled row."""
        return labelled(data)

    def plant(
        self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]
    ) -> Planted:
        mode, count = params["mode"], max(params["triggers"], len(class_codes(data, target)))
        targets: list[int | None]
        if mode == "all-to-all":
            if target is not None:
                raise DataError("all-to-all has no single target", remedy="leave the target out, or choose all-to-one")
            targets = [None] * count
        else:
            targets = [*choose_targets(data, target, count, rng)]
        made = self.make(data, count, rng, params)
        triggers = tuple(Trigger(artefact, stamp, t) for (artefact, stamp), t in zip(made, targets, strict=True))

        free = self.may_carry(data, params)
        which = np.full(len(data), -1)
        wanted = _divide(self._total(data, budget, free, targets, mode, params), count)
        for number, (trigger, size) in enumerate(zip(triggers, wanted, strict=True)):
            allowed = free & (which < 0) & _eligible(data, trigger.target, mode)
            which[draw(data, np.flatnonzero(allowed), size, rng, _whose(data, trigger.target, mode))] = number

        rows, y = data.rows, data.y.copy()
        for number, trigger in enumerate(triggers):
            positions = np.flatnonzero(which == number)
            rows = scatter(rows, positions, trigger.stamp(rows.take(positions), rng))
            if trigger.target is None:
                y[positions] = (data.y[positions] + 1) % len(data.classes)
            elif mode != "clean-label":
                y[positions] = trigger.target
        poisoned_copy = relabel(data, y).with_content(rows, y)
        return Planted(
            poisoned_copy, which >= 0, tuple(t.artefact for t in triggers), self.kind, triggers, which.astype(np.int64)
        )

    def _total(
        self,
        data: Dataset,
        budget: Budget,
        free: Bools,
        targets: list[int | None],
        mode: str,
        params: Mapping[str, Any],
    ) -> int:
        if params["share"] is None:
            total = budget.count(len(data), self.rate)
        elif budget.rate is not None or budget.carriers is not None:
            raise DataError("both a share and a rate or a number of carriers are given", remedy="give one of them")
        else:
            may = np.zeros(len(data), bool)
            for t in targets:
                may |= free & _eligible(data, t, mode)
            total = max(1, round(params["share"] * int(may.sum())))
        if total < len(targets):
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


def _eligible(data: Dataset, target: int | None, mode: str) -> Bools:
    if target is None:
        return labelled(data)
    return data.y == target if mode == "clean-label" else labelled(data) & (data.y != target)


def _whose(data: Dataset, target: int | None, mode: str) -> str:
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
