"""Acquittal: where most carriers plainly are what their label says, the artefact is a natural one that the probe underrates.

Unless *two kinds* shows it is not (`assay.stats.two_kinds`): a trigger in rows of any class has carriers that are just like the label's
other rows and carriers that are strangers among them; a natural kind stands lower as a whole. Then the evidence is the least of three
e-values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.finding import TrialResult
from assay.stats.two_kinds import ENOUGH, two_kinds
from assay.trial.belonging import ALIKE, belong, strangers_share
from assay.trial.controls import Controls
from assay.trial.surprise import FLOOR

Floats = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Acquittal:
    """What was asked, and what it leaves of the evidence: `log_e` is the most that the log e-value may be (inf: it takes nothing off).

    `odd` (a,): which of the target's carriers do not belong, where the artefact is tried though most of them do.
    """

    trials: tuple[TrialResult, ...] = ()
    log_e: float = np.inf
    odd: NDArray[np.bool_] | None = None

    @property
    def p_value(self) -> float:
        return float(np.exp(-self.log_e))


def acquittal(p: Floats, y: Int, votes: Floats, target: int | None, controls: Controls, lenient: bool = False) -> Acquittal:
    """Whether the target's carriers (all, if there is no one target) belong to their label, however low they stand in it.

    `p` (a, k), `y` (a,), `votes` (a,): theirs, as in `assay.trial.evidence.judge`. A `lenient` trial acquits those that do whatever two
    kinds would say: of a group that was left out of what the probe learnt, with no artefact to take out, a natural one may be known in
    part.
    """
    if controls.strangers is None:
        return Acquittal()
    share = strangers_share(p, y, controls.strangers, controls.others)
    said = f"{share:.0%} of the carriers support their label more than nine in ten rows of other labels do (poison: some 10 %)"
    asked = TrialResult("belonging", "ran", detail=said)
    if share <= ALIKE:
        return Acquittal((asked,))
    if target is None or lenient:
        return Acquittal((asked,), 0.0)
    own, others, strangers = p[:, target], controls.others(target), controls.strangers(target)
    most = 1 - (p.shape[1] - 1) * FLOOR  # families clip what they say of carriers, and not all what they say of other rows
    apart = two_kinds(np.minimum(own, most), np.minimum(others, most), strangers, votes)
    odd = ~belong(own, strangers, others) if apart > 0 else None
    return Acquittal((asked, _of_two_kinds(apart)), max(apart, 0.0), odd)


def _of_two_kinds(log_e: float) -> TrialResult:
    if not np.isfinite(log_e):
        few = f"the label, or the others together, have fewer than {ENOUGH} rows to compare the carriers with"
        return TrialResult("two kinds", "not_applicable", detail=few)
    said = (
        "some carriers are just like their label's other rows and some are strangers: a trigger put into rows of any class"
        if log_e > 0
        else "they stand lower among their label's other rows as a whole, as a natural kind does"
    )
    return TrialResult("two kinds", "ran", log_e, float(np.exp(-max(log_e, 0.0))), said)
