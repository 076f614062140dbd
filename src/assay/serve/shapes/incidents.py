"""Incidents and their time lines."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from assay.serve.shapes.base import Id, In, Line, Moment, Name, Out, Text


class NewIncident(In):
    """An incident, perhaps begun by a scan's finding or a monitor's alert."""

    title: Name
    severity: Literal["notice", "warning", "critical"] = "warning"
    scan_id: Id | None = None
    finding: Line | None = None
    monitor_id: Id | None = None
    alert: int | None = Field(default=None, ge=1, lt=2**53)


class IncidentChange(In):
    """What is done about it. `step`: the number of a step of the check list, which is done with this; or not any more."""

    state: Literal["open", "contained", "closed"] | None = None
    step: int | None = Field(default=None, ge=0, le=100)
    done: bool = True
    note: Text = ""


class IncidentEvent(Out):
    id: str
    created: Moment
    by: str
    what: str
    document: dict[str, Any]


class Step(Out):
    step: str
    done: bool
    by: str | None


class Incident(Out):
    id: str
    project_id: str
    title: str
    severity: str
    state: Literal["open", "contained", "closed"]
    created: Moment
    created_by: str
    scan_id: str | None
    finding: str | None
    monitor_id: str | None
    alert: int | None
    steps: list[Step]
    timeline: list[IncidentEvent] = Field(default=[])
