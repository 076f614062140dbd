"""What a scan claims of itself, held against what came true: its false discovery rate, and the sensitivity its canaries predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from assay.bench.case import Case, Cell
from assay.bench.defence import Flags

HALF = (
    0.5  # of an artefact's rows: from here on it is the attacker's, and of the attacker's: from here on they are caught (as canaries are)
)

# canary (kind, size) -> the attack it is like, and the settings that the attack must have; what is not named may be anything but `UNLIKE`
LIKE: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("phrase", "one rare word"): ("phrase", {"text": "cf"}),
    ("cells", "one value out of range"): ("cells", {"features": 1, "bounds": "out"}),
    ("cells", "three values in range"): ("cells", {"features": 3, "bounds": "in"}),
    ("patch", "3x3 patch"): ("patch", {"size": 3}),
    ("overlay", "noise blended at alpha 0.2"): ("blend", {"alpha": 0.2}),
}
DEFAULTS: dict[str, Any] = {"features": 1, "bounds": "out", "size": 3, "alpha": 0.2}
UNLIKE = ("mode", "triggers", "place", "jpeg", "noise", "cover", "share")  # no canary is planted so


@dataclass(frozen=True)
class Claims:
    """None throughout for a defence that claims nothing."""

    claimed: float | None = None  # false discovery rate over confirmed artefacts
    confirmed: int | None = None  # artefacts
    false_confirmed: int | None = None  # of them, those of whose rows fewer than half are the attacker's
    caught: bool | None = None  # one confirmed artefact holds at least half of the poisoned rows; None on clean data
    canary_carriers: int | None = None  # of the like canaries with the largest number of carriers that is no larger than the attack's
    canary_caught: int | None = None
    canary_planted: int | None = None


def like(cell: Cell) -> tuple[str, str] | None:
    """The (kind, size) of the canaries that are like this cell's attack, or None.

    >>> like(Cell("sms", 2000, "phrase", carriers=20, params={"text": "cf"}))
    ('phrase', 'one rare word')
    >>> like(Cell("sms", 2000, "phrase", carriers=20, params={"text": "i watch this 3d movie"})) is None
    True
    """
    for canary, (attack, settings) in LIKE.items():
        given = {**DEFAULTS, **cell.params}
        if cell.attack == attack and all(given.get(k) == v for k, v in settings.items()) and not set(UNLIKE) & set(cell.params):
            return canary
    return None


def claims(case: Case, flags: Flags) -> Claims:
    """What was claimed, beside the truth of this case."""
    if flags.claimed is None:
        return Claims()
    theirs = case.poisoned.copy()
    if case.planted is not None and case.planted.cover is not None:
        theirs |= case.planted.cover
    false = sum(float(theirs[rows].mean()) < HALF for rows in flags.confirmed)
    poisoned = case.poisoned.sum()
    caught = any(case.poisoned[rows].sum() >= HALF * poisoned for rows in flags.confirmed) if poisoned else None
    known = Claims(flags.claimed, len(flags.confirmed), false, caught)
    canary = like(case.cell)
    alike = [s for s in flags.predicted if (s.kind, s.size) == canary and s.carriers <= poisoned]
    if not alike:
        return known
    nearest = max(alike, key=lambda s: s.carriers)
    return replace(known, canary_carriers=nearest.carriers, canary_caught=nearest.caught, canary_planted=nearest.planted)
