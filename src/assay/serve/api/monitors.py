"""Monitors, alerts, webhooks and incidents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path as PathPart
from fastapi.responses import PlainTextResponse

from assay.serve import incidents, monitors
from assay.serve.api.doors import Decide, Keep, Look, Send, ServiceHere, Write
from assay.serve.api.paging import After, Limit
from assay.serve.api.router import noun
from assay.serve.shapes import (
    Alert,
    Answer,
    Events,
    Id,
    Incident,
    IncidentChange,
    MadeWebhook,
    Monitor,
    MonitorStatus,
    NewIncident,
    NewMonitor,
    NewSilence,
    NewWebhook,
    Page,
    SilenceOut,
    Taken,
    Webhook,
)

router = noun("monitors")
Number = Annotated[int, PathPart(ge=1, lt=2**53)]


@router.post("/projects/{project}/monitors", status_code=202)
def make_monitor(service: ServiceHere, who: Write, project: Id, new: NewMonitor) -> Monitor:
    """Watch a model from a trusted period on. A worker learns its baseline."""
    with service.database.write() as db:
        return monitors.ask(db, who, project, new)


@router.get("/projects/{project}/monitors")
def list_monitors(service: ServiceHere, who: Look, project: Id, after: After = None, limit: Limit = 100) -> Page[Monitor]:
    with service.database.read() as db:
        return monitors.listing(db, who, project, after, limit)


@router.get("/monitors/{monitor}")
def get_monitor(service: ServiceHere, who: Look, monitor: Id) -> Monitor:
    with service.database.read() as db:
        return monitors.get(db, who, monitor)


@router.get("/monitors/{monitor}/status")
def monitor_status(service: ServiceHere, who: Look, monitor: Id) -> MonitorStatus:
    with service.database.read() as db:
        return monitors.status(db, who, service.watches, monitor)


@router.get("/monitors/{monitor}/metrics", response_class=PlainTextResponse)
def monitor_metrics(service: ServiceHere, who: Look, monitor: Id) -> PlainTextResponse:
    """For Prometheus."""
    with service.database.read() as db:
        return PlainTextResponse(monitors.metrics(db, who, service.watches, monitor))


@router.post("/monitors/{monitor}/events", status_code=201)
def send_events(service: ServiceHere, who: Send, monitor: Id, batch: Events) -> Taken:
    """What the model was asked and said. On disk when this answers; a batch with a name counts once, however often it is sent."""
    with service.database.read() as db:
        held = monitors.ready(db, who, monitor)
    taken = monitors.ingest(service.watches, held, batch)
    service.metrics.ingested(taken.events)
    return taken


@router.get("/monitors/{monitor}/alerts")
def list_alerts(service: ServiceHere, who: Look, monitor: Id) -> list[Alert]:
    """The newest first."""
    with service.database.read() as db:
        return monitors.alerts(db, who, service.watches, monitor)


@router.post("/monitors/{monitor}/alerts/{alert}")
def answer_alert(service: ServiceHere, who: Decide, monitor: Id, alert: Number, answer: Answer) -> Alert:
    """Acknowledge it, close it, or open it again."""
    with service.database.write() as db:
        return monitors.answer(db, who, service.watches, monitor, alert, answer)


@router.post("/monitors/{monitor}/silences", status_code=201)
def silence(service: ServiceHere, who: Decide, monitor: Id, new: NewSilence) -> SilenceOut:
    with service.database.write() as db:
        return monitors.silence(db, who, service.watches, monitor, new)


@router.get("/projects/{project}/webhooks")
def list_webhooks(service: ServiceHere, who: Keep, project: Id) -> list[Webhook]:
    with service.database.read() as db:
        return monitors.webhooks(db, who, project)


@router.post("/projects/{project}/webhooks", status_code=201)
def add_webhook(service: ServiceHere, who: Keep, project: Id, new: NewWebhook) -> MadeWebhook:
    """Send the alerts of this project's monitors there. The secret that signs them is in this answer and nowhere else."""
    with service.database.write() as db:
        return monitors.add_webhook(db, who, project, new, service.settings.webhooks)


@router.delete("/webhooks/{webhook}", status_code=204)
def remove_webhook(service: ServiceHere, who: Keep, webhook: Id) -> None:
    with service.database.write() as db:
        monitors.remove_webhook(db, who, webhook)


@router.post("/projects/{project}/incidents", status_code=201, tags=["incidents"])
def open_incident(service: ServiceHere, who: Decide, project: Id, new: NewIncident) -> Incident:
    with service.database.write() as db:
        return incidents.create(db, who, service.watches, project, new)


@router.get("/projects/{project}/incidents", tags=["incidents"])
def list_incidents(service: ServiceHere, who: Look, project: Id, after: After = None, limit: Limit = 100) -> Page[Incident]:
    with service.database.read() as db:
        return incidents.listing(db, who, project, after, limit)


@router.get("/incidents/{incident}", tags=["incidents"])
def get_incident(service: ServiceHere, who: Look, incident: Id) -> Incident:
    with service.database.read() as db:
        return incidents.get(db, who, incident)


@router.post("/incidents/{incident}", tags=["incidents"])
def change_incident(service: ServiceHere, who: Decide, incident: Id, change: IncidentChange) -> Incident:
    """Another state, a step done, a note: one entry of its time line."""
    with service.database.write() as db:
        return incidents.change(db, who, incident, change)
