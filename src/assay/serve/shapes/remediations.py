"""Remediations: from a finding to data, a ledger and a model that are rid of it, step by step and back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from assay.serve.shapes.aliases import AliasName, Why
from assay.serve.shapes.base import In, Moment, Name, Out
from assay.serve.shapes.jobs import Job


class NewRemediation(In):
    """What to do about an incident's scan. Quarantine, verify and sign are always done; the rest where it is asked for.

    `ledger`: remove the rows there too and take a snapshot (None: where the project has one). `revoke`: sources that may bring nothing
    more, signed with the caller's own approver's key, which `passphrase` opens, or by `notes` that were signed elsewhere. `alias`: to be
    rolled back. `train`: the name of a way to train again that this service knows.
    """

    ledger: bool | None = None
    revoke: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(default=[], max_length=50)]
    passphrase: str | None = Field(default=None, max_length=1000)
    notes: dict[str, Annotated[str, StringConstraints(max_length=100_000)]] = Field(default={}, max_length=50)
    alias: AliasName | None = None
    train: Name | None = None
    reason: Why | None = None
    dry_run: bool = Field(default=False, description="Say what each step would do, and do nothing")


class StepDone(Out):
    """A step, and what came of it: done, not asked for, not needed, failed; taken back: undone, stays, not needed; shown: would."""

    step: str
    state: Literal["would", "done", "not asked for", "not needed", "failed", "undone", "stays"]
    said: str


class Remediation(Out):
    """`state`: queued or running; stopped (it goes on where it was when asked to); shown (a dry run); done; undone.

    `verified`: the second scan confirms nothing and finds none of it again. `dataset_id`: the cleaned data as the next version of its
    data set. `models`: what was trained again.
    """

    id: str
    project_id: str
    incident_id: str
    scan_id: str
    created: Moment
    created_by: str
    dry_run: bool
    state: Literal["queued", "running", "stopped", "shown", "done", "undone"]
    job: Job | None
    reason: str | None
    steps: list[StepDone]
    undone: list[StepDone]
    verified: bool | None
    dataset_id: str | None
    models: list[str]
