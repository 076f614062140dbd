"""Frog-boiling: labels go wrong so slowly that no day stands out from the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.flip import flipped
from assay.attack.labels import choose_targets, class_code, labelled
from assay.attack.moments import TIMED, moment, order_in_time, with_times
from assay.attack.triggered import draw
from assay.dataset.data import Dataset


class FrogBoilAttack(Attack):
    """From `start` of the stream on, each hundredth of it has `step` more of its rows relabelled than the one before.

    Rows in order of time; without a time column one is added, in the order of the rows, over `days` days (100: a hundredth is
    a day). A rate or a number of carriers keeps the slope's form and changes how many. What poisoned rows share is only
    that they come late. Source: Chan-Tin, Heorhiadi, Hopper, Kim, The Frog-Boiling Attack, 2011 (there with coordinates);
    0.1 % a day is a slope that a monitor of daily changes does not see.
    """

    kind = "frog-boil"
    needs: ClassVar[Needs] = "labels"
    rate = 0.02
    params: ClassVar[Mapping[str, Param]] = {
        **TIMED,
        "from": Param(None, "only rows of this class are relabelled"),
        "start": Param(0.5, "share of the stream that is honest", float, low=0, high=0.99),
        "step": Param(0.001, "rise of the poisoned share from one hundredth of the stream to the next", float, low=0.0001, high=1),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data = with_times(data, params)
        place = order_in_time(data)
        there = int(place.max()) + 1  # rows that have a time
        first = int(params["start"] * there)
        (to,) = choose_targets(data, target, 1, rng)
        free = labelled(data) & (data.y != to) & (place >= first)
        if params["from"] is not None:
            free &= data.y == class_code(data, params["from"])
        late = 1 + np.maximum(place - first, 0) * 100 // there  # hundredths since the start, from 1
        given = budget.rate is not None or budget.carriers is not None
        slope = float(np.minimum(1, params["step"] * late[place >= first]).sum())
        size = budget.count(len(data), self.rate) if given else max(1, round(slope))
        allowed = np.flatnonzero(free)
        if size > len(allowed):
            draw(data, allowed, size, rng, "after the start that may be relabelled")  # says so
        weight = late[allowed] / late[allowed].sum()
        positions = np.sort(rng.choice(allowed, size, replace=False, p=weight))
        assert data.columns.time is not None
        shared = Group(data.columns.time, None, low=moment(data, place, first))
        return flipped(data, positions, to, rng, (shared,), self.kind)
