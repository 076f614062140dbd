"""What a defence did in a case, in figures. The trigger counts as recovered only if the artefact itself was handed over."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.artefact.letters import Letters
from assay.artefact.overlay import Overlay
from assay.artefact.patch import Patch
from assay.artefact.phrase import Phrase
from assay.attack.measure import success
from assay.bench.case import Case
from assay.bench.claims import Claims
from assay.bench.defence import Flags
from assay.bench.victims import Trained, fit

IMPLANTED = 0.5  # attack success from which an attack has implanted; below, a miss is no missed detection and a hit no win
SAME_PATCH = 0.8  # intersection over union
SAME_OVERLAY = 0.8  # correlation of the templates


@dataclass(frozen=True)
class Measures:
    """One defence in one case. Rates are shares; None where there is nothing to divide by."""

    rows: int
    poisoned: int
    removed: int
    tpr: float | None  # poisoned rows removed
    fpr: float  # clean rows removed
    auroc: float | None
    precision: float | None  # among as many top-scored rows as are poisoned
    suspected: float | None  # poisoned rows under a finding of any status (for peers: removed)
    recovered: bool | None  # the trigger was handed over; None: the defence hands over none, or there is none
    success_after: float | None = None  # attack success of a victim retrained without the removed rows
    accuracy_after: float | None = None


@dataclass(frozen=True)
class Harm:
    """What the attack did to the victim in this case."""

    success: float | None  # None: the attack has no trigger
    success_clean: float | None  # the same rows, a victim that was never poisoned
    accuracy: float
    accuracy_clean: float


def measure(case: Case, flags: Flags, hands_over: bool) -> Measures:
    """Compare what was flagged with the truth. Rows that the attacker changed but left their label (cover) are neither."""
    poisoned, counted = case.poisoned, np.ones(len(case.data), bool)
    if case.planted is not None and case.planted.cover is not None:
        counted = ~case.planted.cover
    clean = counted & ~poisoned
    any_finding = flags.removed if flags.suspected is None else flags.suspected | flags.removed
    score = np.nan_to_num(flags.score, nan=0.0, posinf=1e300, neginf=-1e300)
    both = poisoned.any() and clean.any()
    count = int(poisoned.sum())
    best = np.argsort(-score[counted], kind="stable")[:count]
    return Measures(
        rows=len(case.data),
        poisoned=count,
        removed=int(flags.removed.sum()),
        tpr=_share(flags.removed, poisoned),
        fpr=_share(flags.removed, clean) or 0.0,
        auroc=float(roc_auc_score(poisoned[counted], score[counted])) if both else None,
        precision=float(poisoned[counted][best].mean()) if count else None,
        suspected=_share(any_finding, poisoned),
        recovered=_recovered(case, flags.artefacts) if hands_over else None,
    )


def harm(case: Case) -> Harm:
    """Both victims' attack success and accuracy on untouched rows."""
    if case.planted is not None and case.planted.triggers:
        found = success(case.victim.predict, case.innocent.predict, case.planted, case.test, case.rng(2))
        return Harm(found.rate, found.clean_rate, found.accuracy, found.clean_accuracy)
    return Harm(None, None, _accuracy(case.victim, case), _accuracy(case.innocent, case))


def after(case: Case, flags: Flags) -> tuple[float | None, float]:
    """(attack success, accuracy) of a victim that is trained without the removed rows; the same rows removed: trained once."""
    key = flags.removed.tobytes()
    if key not in case.retrained:
        case.retrained[key] = _after(case, flags)
    return case.retrained[key]


def _after(case: Case, flags: Flags) -> tuple[float | None, float]:
    if not flags.removed.any():  # the victim as it is: the same rows and the same draws
        found = harm(case)
        return found.success, found.accuracy
    kept = case.data.subset(np.flatnonzero(~flags.removed))
    if len(np.unique(kept.y)) < 2:
        return None, 0.0
    victim = fit(kept, case.rng(1))
    if case.planted is None or not case.planted.triggers:
        return None, _accuracy(victim, case)
    return success(victim.predict, case.innocent.predict, case.planted, case.test, case.rng(2)).rate, _accuracy(victim, case)


def as_fields(measures: Measures | Harm | Claims) -> dict[str, object]:
    """Plain values by name."""
    return asdict(measures)


def _share(flagged: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(flagged[among].mean()) if among.any() else None


def _accuracy(victim: Trained, case: Case) -> float:
    known = np.flatnonzero(case.test.y >= 0)
    return float((victim.predict(case.test.rows.take(known)) == case.test.y[known]).mean())


def _recovered(case: Case, named: tuple[Artefact, ...]) -> bool | None:
    kinds = Patch | Phrase | Letters | Cells | Overlay
    planted = () if case.planted is None else tuple(a for a in case.planted.artefacts if isinstance(a, kinds))
    if not planted:
        return None
    return all(any(same(mine, found) for found in named) for mine in planted)


def same(planted: Artefact, found: Artefact) -> bool:
    """Whether the found artefact is the planted one: patches by overlap, phrases and letters by what they say, rules by their columns,
    overlays by correlation."""
    if isinstance(planted, Patch) and isinstance(found, Patch):
        return planted.iou(found) >= SAME_PATCH
    if isinstance(planted, Phrase) and isinstance(found, Phrase):
        return {" ".join(p) for p in planted.parts} == {" ".join(p) for p in found.parts}
    if isinstance(planted, Letters) and isinstance(found, Letters):
        return planted.text == found.text
    if isinstance(planted, Cells) and isinstance(found, Cells):
        return set(planted.columns) == set(found.columns)
    if isinstance(planted, Overlay) and isinstance(found, Overlay) and planted.template.shape == found.template.shape:
        return bool(np.corrcoef(planted.template.ravel(), found.template.ravel())[0, 1] >= SAME_OVERLAY)
    return False
