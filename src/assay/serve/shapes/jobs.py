"""Work that waits, runs, or has ended."""

from __future__ import annotations

from typing import Literal

from assay.serve.shapes.base import Moment, Out


class Job(Out):
    """Work that waits, runs, or has ended."""

    id: str
    kind: str
    project_id: str | None
    subject: str
    created: Moment
    created_by: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    attempts: int
    cancel: bool
    progress: float
    what: str
    error: str | None
    started: Moment | None
    ended: Moment | None
