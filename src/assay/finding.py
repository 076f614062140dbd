"""What a scan concludes: checks that ran, findings with their evidence, and what this scan could have caught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Artefact

Status = Literal["confirmed", "suspected", "shortcut"]
State = Literal["ran", "not_applicable", "not_planned", "not_installed", "failed"]
Action = Literal["quarantine", "review", "keep"]
Verdict = Literal["poisoned", "suspect", "incomplete", "clean"]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Check:
    """One thing a scan may do. Skipped is never passed: the state and the reason are always said."""

    name: str
    state: State
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class TrialResult:
    """One experiment on one artefact, in words and figures."""

    name: str  # surprise, contradiction, insertion, ...
    state: State
    log_e: float | None = None  # natural log of the e-value
    p_value: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Effect:
    """Estimated attack success rate: the share of held-out non-carriers that go to the target once the artefact is inserted."""

    rate: float
    low: float
    high: float
    baseline: float  # the same for matched natural artefacts
    implants: bool  # "implants", or "did not implant here"


@dataclass(frozen=True)
class Contributor:
    """One value of the contributor or source column among a finding's rows."""

    name: str
    rows: int  # of this finding
    of: int  # all rows by this contributor
    p_value: float


@dataclass(frozen=True)
class Finding:
    """An artefact and the evidence on it. `positions` index the scanned `Dataset`, strongest evidence first."""

    id: str
    kind: str
    status: Status
    target: str | None
    log_e: float
    log10_p: float
    positions: Int
    artefact: Artefact
    explanation: str
    trials: tuple[TrialResult, ...] = ()
    effect: Effect | None = None
    contributors: tuple[Contributor, ...] = ()
    taxonomy: tuple[str, ...] = ()  # published names: "MITRE ATLAS AML.T0020", "NIST AI 100-2 NISTAML.023"


@dataclass(frozen=True)
class Sensitivity:
    """What this scan caught of what was planted in a copy: the trigger is the unit. A 95 % Clopper-Pearson interval."""

    kind: str
    size: str  # in words: "one rare word", "3x3 patch"
    carriers: int
    caught: int
    planted: int
    low: float
    high: float


@dataclass(frozen=True)
class RowScore:
    """What a screen says of single rows: `score` (n,) higher is more suspicious; `flag` (n,) worth a person's look."""

    name: str
    score: NDArray[np.float64]
    flag: NDArray[np.bool_]
    reason: str  # in words, for one flagged row: "its neighbours carry another label"
    # (n,) false-discovery bound: of the rows with at most this, that share is expected to be false, if the screen's assumption holds
    bound: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class CurvePoint:
    """What a head learnt from `rows` rows gets wrong of rows it never saw: with the suspected rows among them, and without."""

    rows: int
    error_with: float
    error_without: float


@dataclass(frozen=True)
class Damage:
    """What one contributor, source or stretch of time does to what is learnt: the held-out error with its rows, less that without them.

    `change` > 0: the rest is better off without. `low`, `high`: 95 %, over held-out rows. `p_value`: one-sided, of no harm, for this one
    alone.
    """

    column: str
    name: str
    rows: int
    change: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Availability:
    """How much of the set is corrupted, and what that costs.

    `estimated_fraction` of labels that are wrong, within `low` to `high`; `turned`: the largest flows (from class, to label, share of all
    rows). The cost is that of a linear head, in the share of held-out rows it gets wrong; held-out rows under suspicion do not count.
    """

    estimated_fraction: float
    low: float
    high: float
    rows: int  # it was read from
    turned: tuple[tuple[str, str, float], ...] = ()
    suspects: int = 0  # rows left out in the second curve
    curve: tuple[CurvePoint, ...] = ()
    damage: tuple[Damage, ...] = ()  # most harmful first


@dataclass(frozen=True)
class Conclusion:
    """All that a scan knows at its end; the report renders it."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    sensitivity: tuple[Sensitivity, ...]
    score: NDArray[np.float64]  # (n,) combined, higher is more suspicious
    action: tuple[Action, ...]  # (n,)
    screens: tuple[RowScore, ...]
    hypotheses: int  # every artefact enumerated, over all families
    settings: dict[str, Any]
    blind_spots: tuple[str, ...] = ()  # what this scan could not see, in words
    availability: Availability | None = None
    probabilities: NDArray[np.float64] | None = None  # (n, k) out of fold, and
    features: NDArray[np.float32] | None = None  # (n, d) label-free: what the plots are drawn from; in no file
