"""What would this scan have caught? Known canaries planted in a copy, and the copy scanned in the same way.

The trigger is the unit, not the row. The figure speaks for the kinds and sizes that were planted and for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.finding import Sensitivity
from assay.stats.interval import clopper_pearson
from assay.trial.family import Planting
from assay.trial.verdicts import Judged

# A canary is caught when a confirmed finding (a suspected one, where its family can give no more) holds at least this share of its rows.
COVERED = 0.5


def sensitivity(plantings: Sequence[Planting], judged: Sequence[Judged]) -> tuple[Sensitivity, ...]:
    """k of N canaries caught, for each kind, size and number of carriers, with 95 % Clopper-Pearson intervals."""
    found = [(j.status, set(j.tried.candidate.carriers.tolist())) for j in judged if j.accuses]
    cells: dict[tuple[str, str, int], list[bool]] = {}
    for planting in plantings:
        rows = set(planting.carriers.tolist())
        caught = any(len(rows & held) >= COVERED * len(rows) for status, held in found if status in ("confirmed", planting.enough))
        cells.setdefault((planting.kind, planting.size, len(rows)), []).append(caught)
    return tuple(_of(key, sum(caught), len(caught)) for key, caught in sorted(cells.items()))


def pooled(copies: Sequence[Sensitivity]) -> tuple[Sensitivity, ...]:
    """What several copies say of the same canaries, as one."""
    cells: dict[tuple[str, str, int], tuple[int, int]] = {}
    for s in copies:
        caught, planted = cells.get((s.kind, s.size, s.carriers), (0, 0))
        cells[s.kind, s.size, s.carriers] = caught + s.caught, planted + s.planted
    return tuple(_of(key, *both) for key, both in sorted(cells.items()))


def _of(key: tuple[str, str, int], caught: int, planted: int) -> Sensitivity:
    return Sensitivity(*key, caught, planted, *clopper_pearson(caught, planted))
