"""What would this scan have caught? Known canaries planted in a copy, and the copy scanned in the same way.

The trigger is the unit, not the row. The figure speaks for the kinds and sizes that were planted and for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.finding import Sensitivity
from assay.stats.interval import clopper_pearson
from assay.trial.family import Planting
from assay.trial.verdicts import Judged

COVERED = 0.5  # a canary is caught when confirmed findings hold at least this share of its rows


def sensitivity(plantings: Sequence[Planting], judged: Sequence[Judged]) -> tuple[Sensitivity, ...]:
    """k of N canaries confirmed, for each kind, size and number of carriers, with 95 % Clopper-Pearson intervals."""
    confirmed = [set(j.tried.candidate.carriers.tolist()) for j in judged if j.status == "confirmed"]
    cells: dict[tuple[str, str, int], list[bool]] = {}
    for planting in plantings:
        rows = set(planting.carriers.tolist())
        caught = any(len(rows & found) >= COVERED * len(rows) for found in confirmed)
        cells.setdefault((planting.kind, planting.size, len(rows)), []).append(caught)
    return tuple(
        Sensitivity(kind, size, carriers, sum(caught), len(caught), *clopper_pearson(sum(caught), len(caught)))
        for (kind, size, carriers), caught in sorted(cells.items())
    )
