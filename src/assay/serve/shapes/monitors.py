"""Monitors, their alerts, silences and webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from assay.serve.shapes.base import Id, In, Moment, Name, Out, Text


class NewMonitor(In):
    """A watch over a deployed model. `dataset_id`: the events of a period that is known to be good. `fields` names their columns where
    they differ from docs/watch.md; `scan_id`: look for the artefacts of this scan in every input."""

    name: Name
    dataset_id: Id
    fields: dict[str, Any] = Field(default={})
    run_length: float | None = Field(default=None, ge=1, le=1e15)
    alarms_a_year: float = Field(default=1.0, ge=1e-6, le=1e6)
    block: int = Field(default=1, ge=1, le=100_000)
    triggers: bool = True
    scan_id: Id | None = None


class Monitor(Out):
    id: str
    project_id: str
    dataset_id: str
    name: str
    created: Moment
    created_by: str
    state: Literal["reading", "ready", "failed"]
    error: str | None
    baseline: str | None


class Events(In):
    """A batch. With a `name` it counts once, however often it is sent."""

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class Alert(Out):
    id: int
    key: str
    severity: Literal["notice", "warning", "critical"]
    title: str
    evidence: dict[str, Any]
    clock: int
    time: float | None
    last_clock: int
    count: int
    state: Literal["open", "acknowledged", "closed"]
    silenced: bool
    by: str | None
    note: str


class Taken(Out):
    """How many events are on disk now, and the alerts that they set off."""

    events: int
    alerts: list[Alert]


class Stream(Out):
    """One thing that is watched. `share` of the threshold: at 1 it alarms."""

    name: str
    share: float
    recent: float | None
    usual: float | None
    bound: float | None


class SilenceOut(Out):
    pattern: str
    until: int
    by: str
    reason: str


class MonitorStatus(Out):
    promise: str
    predictions: int
    labels: int
    pending: int
    given_up: int
    orphans: int
    errors: tuple[float, float] | None
    strongest: list[Stream]
    missing: dict[str, int]  # watched columns that do not come any more: predictions since the last value
    alerts: list[Alert]
    silences: list[SilenceOut]


class Answer(In):
    state: Literal["open", "acknowledged", "closed"]
    note: Text = ""


class NewSilence(In):
    """Send nothing about causes that match the pattern (* and ?), for so many predictions; they are still recorded."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    predictions: int = Field(ge=1, le=10**12)
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class NewWebhook(In):
    """Where a project's alerts go, as signed POSTs (docs/watch.md)."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Webhook(Out):
    id: str
    project_id: str
    url: str
    created: Moment
    created_by: str
    enabled: bool
    error: str | None


class MadeWebhook(Webhook):
    """A new webhook: the only time that the secret which signs is shown."""

    secret: str
