"""Insertion: what putting cells into other rows does to a probe's answers, against natural cells of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.finding import Effect
from assay.learn.columns import Coded
from assay.learn.tables import TableProbe
from assay.stats.interval import clopper_pearson

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

HELD_OUT = 300  # rows it is put into: a rate to +-.06
MATCHED = 99  # natural combinations it is compared with: the least p-value is 1/100
ENOUGH = 0.1  # a rate below this is no attack, whatever the natural ones do


@dataclass(frozen=True)
class Matched:
    """What is put in: the carriers' cells in these columns, aimed at `target`."""

    probe: TableProbe
    coded: Coded
    y: Int
    columns: tuple[int, ...]
    carriers: Int
    target: int


def effect_of(what: Matched, rng: np.random.Generator) -> tuple[Effect | None, str]:
    """The share of held-out non-carriers, not labelled with the target, that the probe gives to the target after insertion.

    Compared with natural combinations: the cells that other rows of the target's label hold in the same columns. It measures; it
    neither convicts nor acquits.
    """
    outside = np.ones(len(what.y), bool)
    outside[what.carriers] = False
    hosts = np.flatnonzero(outside & (what.y >= 0) & (what.y != what.target))
    donors = np.flatnonzero(outside & (what.y == what.target))
    if len(hosts) < 20 or len(donors) < 20:
        return None, "too few other rows to put it into"
    hosts = rng.choice(hosts, min(HELD_OUT, len(hosts)), replace=False)
    accused = what.carriers[what.y[what.carriers] == what.target]
    own = rng.choice(accused if len(accused) else what.carriers)
    hits, *rest = _flips(what, hosts, np.append(own, rng.choice(donors, MATCHED, replace=len(donors) < MATCHED)))
    natural = np.array(rest)
    rate, baseline = hits / len(hosts), float(natural.mean() / len(hosts))
    low, high = clopper_pearson(hits, len(hosts))
    implants = bool(hits > natural.max() and rate >= ENOUGH)
    detail = (
        f"put into {len(hosts)} other rows it sends {rate:.0%} to the target; {MATCHED} natural ones send {baseline:.0%} on average, "
        f"{natural.max() / len(hosts):.0%} at most"
    )
    return Effect(rate, low, high, baseline, implants), detail


def _flips(what: Matched, hosts: Int, donors: Int) -> list[int]:
    """How many hosts go to the target with each donor's cells put in."""
    columns = list(what.columns)
    cells = np.tile(what.probe.cells[hosts], (len(donors), 1))
    cells[:, columns] = np.repeat(what.probe.cells[donors][:, columns], len(hosts), axis=0)
    told = what.probe.judge(cells, np.tile(what.probe.fold[hosts], len(donors))).argmax(1)
    return [int(v) for v in (told == what.target).reshape(len(donors), len(hosts)).sum(1)]
