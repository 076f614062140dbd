"""Scans, and what they found."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from assay.serve.shapes.base import Id, In, Moment, Out
from assay.serve.shapes.jobs import Job


class NewScan(In):
    """How to scan; see docs/commands.md, `assay scan`."""

    dataset_id: Id
    alpha: float = Field(default=0.01, gt=0, le=0.1)
    depth: Literal["fast", "full"] = "fast"
    seed: int = Field(default=0, ge=0, lt=2**53)
    canaries: bool = True
    trusted_id: Id | None = Field(default=None, description="A data set of rows known to be good")
    signatures: bool = Field(default=False, description="Look for known triggers and poisoned releases, too")
    use_ledger: bool = Field(default=False, description="Let the project's ledger say who brought each row")


class Check(Out):
    name: str
    state: Literal["ran", "not_applicable", "not_planned", "not_installed", "failed"]
    reason: str
    seconds: float


class Sensitivity(Out):
    kind: str
    size: str
    carriers: int
    caught: int
    planted: int
    interval: tuple[float, float]


class Scan(Out):
    """A scan. What it concluded is there once its job is done; what did not run is in `checks`, with the reason."""

    id: str
    project_id: str
    dataset_id: str
    created: Moment
    created_by: str
    settings: dict[str, Any]
    job: Job
    verdict: Literal["poisoned", "suspect", "incomplete", "clean"] | None
    exit_code: int | None
    checks: list[Check]
    sensitivity: list[Sensitivity]
    blind_spots: list[str]
    notes: list[str]
    quarantined: int | None
    to_review: int | None
    findings: dict[str, int] = Field(default={}, description="How many of each status")


class Finding(Out):
    """A finding. `document` is the whole of it, as report.json has it, without the list of rows."""

    id: str
    project_id: str
    scan_id: str
    place: int
    name: str
    kind: str
    status: Literal["confirmed", "suspected", "shortcut"]
    target: str | None
    row_count: int
    log10_e: float | None
    log10_p: float | None
    document: dict[str, Any]
