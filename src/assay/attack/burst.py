"""Burst: most rows of a short time relabelled at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.group import Group
from assay.attack.base import Attack, Budget, Needs, Param, Planted
from assay.attack.flip import flipped, wanted
from assay.attack.labels import choose_targets, class_code, labelled
from assay.attack.moments import TIMED, moment, order_in_time, with_times
from assay.attack.triggered import draw
from assay.dataset.data import Dataset

SHARE = 0.8  # of the rows in the window: a raid is hardly subtle


class BurstAttack(Attack):
    """Within one window of time, `share` of the rows that are not of the target get its label.

    The window is `width` of the stream, its place drawn unless `start` gives it. Without a time column one is added in the order of
    the rows. Source: the raid on a model that learns from its users, described by Wolf, Miller, Grodzinsky, Why We Should Have
    Seen That Coming: Comments on Microsoft's Tay Experiment, 2017.
    """

    kind = "burst"
    needs: ClassVar[Needs] = "labels"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        **TIMED,
        "from": Param(None, "only rows of this class are relabelled"),
        "width": Param(0.02, "length of the window, a share of the stream", float, low=0.0001, high=1),
        "start": Param(None, "where it begins, a share of the stream (default: drawn)", float, low=0, high=1),
        "share": Param(None, "of the rows in it that may be relabelled (default: 0.8, where no rate is given)", float, low=0, high=1),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        data = with_times(data, params)
        place = order_in_time(data)
        there = int(place.max()) + 1  # rows that have a time
        length = max(1, round(params["width"] * there))
        start = rng.uniform(0, 1 - params["width"]) if params["start"] is None else params["start"]
        first = min(int(start * there), there - 1)
        last = min(first + length, there) - 1
        (to,) = choose_targets(data, target, 1, rng)
        free = labelled(data) & (data.y != to) & (place >= first) & (place <= last)
        if params["from"] is not None:
            free &= data.y == class_code(data, params["from"])
        given = budget.rate is not None or budget.carriers is not None
        share = params["share"] if params["share"] is not None or given else SHARE
        positions = draw(
            data, np.flatnonzero(free), wanted(budget, share, free, len(data), self.rate), rng, "in the window that may be relabelled"
        )
        assert data.columns.time is not None
        shared = Group(data.columns.time, None, moment(data, place, first), moment(data, place, last))
        return flipped(data, positions, to, rng, (shared,), self.kind)
