"""Monitors: watches over deployed models. Each is the watch room's folder, held open by the server while it is in use.

One thread at a time enters a watch; what it acknowledges is on disk. Alerts that are to be sent wait in the watch's own outbox until a
webhook has taken them (`Deliverer`), so that none is lost when the server dies.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import secrets
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay.dataset.errors import DataError
from assay.serve import audit, datasets, projects, queue, scans
from assay.serve.access import Who
from assay.serve.database import Database
from assay.serve.errors import Conflict, NotFound, ServiceError
from assay.serve.files import Files
from assay.serve.listing import page
from assay.serve.records import MonitorRecord, WebhookRecord
from assay.serve.shapes import (
    Alert,
    Answer,
    Events,
    MadeWebhook,
    Monitor,
    MonitorStatus,
    NewMonitor,
    NewSilence,
    NewWebhook,
    Page,
    SilenceOut,
    Stream,
    Taken,
    Webhook,
)
from assay.watch import alerts as room
from assay.watch import sinks
from assay.watch.fields import Fields
from assay.watch.metrics import prometheus
from assay.watch.watch import Watch

HELD = 64  # watches held open at once: 1 to 20 MiB each; those used longest ago are closed, and open again in a moment
ROUND = 2.0  # seconds between rounds of sending

log = logging.getLogger("assay.monitors")


class Watches:
    """The watches of one server."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._held: OrderedDict[str, tuple[Watch, threading.RLock]] = OrderedDict()
        self._mutex = threading.Lock()

    @contextmanager
    def use(self, project: str, id: str) -> Iterator[Watch]:
        """The watch, for this thread alone."""
        with self._mutex:
            found = self._held.get(id)
            if found is not None and found[0].broken:  # it holds what was not acknowledged: what was is read again
                with found[1]:
                    self._held.pop(id)[0].close()
                found = None
            if found is None:
                self._close_oldest()
                found = (Watch.open(folder(self.files, project, id)), threading.RLock())
                self._held[id] = found
            self._held.move_to_end(id)
            watch, lock = found
            lock.acquire()
        try:
            yield watch
        finally:
            lock.release()

    def _close_oldest(self) -> None:
        for id, (watch, lock) in list(self._held.items()):
            if len(self._held) < HELD:
                return
            if lock.acquire(blocking=False):
                watch.close()
                del self._held[id]
                lock.release()

    def close(self) -> None:
        """Let go of all of them."""
        with self._mutex:
            for watch, lock in self._held.values():
                with lock:
                    if not watch.broken:
                        watch.snapshot()
                    watch.close()
            self._held.clear()


def folder(files: Files, project: str, id: str) -> Path:
    return files.monitor(project, id) / "watch"


def ask(db: Session, who: Who, project: str, new: NewMonitor) -> Monitor:
    """Have a worker learn a baseline from a trusted period and make the watch."""
    projects.record(db, who, project, writing=True)
    data = datasets.record(db, who, new.dataset_id)
    if data.project_id != project:
        raise NotFound("there is no such data set in this project")
    if new.scan_id is not None and scans.record(db, who, new.scan_id).project_id != project:
        raise NotFound("there is no such scan in this project")
    Fields.from_json(new.fields)
    taken = select(MonitorRecord.id).where(MonitorRecord.project_id == project, MonitorRecord.name == new.name)
    if db.scalar(taken) is not None:
        raise Conflict(f"there is a monitor {new.name!r} already", "give another name: a new baseline is a new monitor")
    made = MonitorRecord(
        project_id=project,
        dataset_id=data.id,
        name=new.name,
        created_by=who.name,
        state="reading",
        asked=new.model_dump(),
    )
    db.add(made)
    db.flush()
    queue.put(db, who, "baseline", made.id, project, {})
    audit.note(db, who, "monitor.made", made.id, project, name=new.name, trusted=data.id)
    return Monitor.model_validate(made)


def record(db: Session, who: Who, id: str) -> MonitorRecord:
    found = db.get(MonitorRecord, id)
    if found is None:
        raise NotFound("there is no such monitor")
    who.within(found.project_id, "monitor")
    return found


def ready(db: Session, who: Who, id: str) -> MonitorRecord:
    """Raises Conflict for one whose baseline is not learnt."""
    found = record(db, who, id)
    if found.state != "ready":
        raise Conflict(f"the monitor cannot be used: {found.error}" if found.error else "its baseline is still being learnt")
    return found


def get(db: Session, who: Who, id: str) -> Monitor:
    return Monitor.model_validate(record(db, who, id))


def listing(db: Session, who: Who, project: str, after: str | None = None, limit: int = 100) -> Page[Monitor]:
    projects.record(db, who, project)
    return page(db, select(MonitorRecord).where(MonitorRecord.project_id == project), MonitorRecord.id, Monitor, after, limit)


def ingest(watches: Watches, held: MonitorRecord, new: Events) -> Taken:
    """Take a batch; on disk when this returns. Holds no session: batches come often."""
    with watches.use(held.project_id, held.id) as watch:
        fired = watch.ingest(new.events, name=new.name)
    return Taken(events=len(new.events), alerts=[_alert(alert) for alert in fired])


def status(db: Session, who: Who, watches: Watches, id: str, most: int = 10) -> MonitorStatus:
    held = ready(db, who, id)
    with watches.use(held.project_id, id) as watch:
        found = watch.status(most)
        silences = [SilenceOut(**asdict(s)) for s in watch.silences]
    strongest = [
        Stream(name=name, share=share, recent=_number(recent), usual=_number(usual), bound=_number(bound))
        for name, share, recent, usual, bound in found.strongest
    ]
    return MonitorStatus(
        promise=found.promise,
        predictions=found.predictions,
        labels=found.labels,
        pending=found.pending,
        given_up=found.given_up,
        orphans=found.orphans,
        errors=found.errors,
        strongest=strongest,
        missing=dict(found.missing),
        alerts=[_alert(alert) for alert in found.alerts],
        silences=silences,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def metrics(db: Session, who: Who, watches: Watches, id: str) -> str:
    """For Prometheus."""
    held = ready(db, who, id)
    with watches.use(held.project_id, id) as watch:
        return prometheus(watch.status(), held.name)


def alerts(db: Session, who: Who, watches: Watches, id: str) -> list[Alert]:
    """All that are remembered, the newest first."""
    held = ready(db, who, id)
    with watches.use(held.project_id, id) as watch:
        return [_alert(alert) for alert in reversed(watch.alerts)]


def answer(db: Session, who: Who, watches: Watches, id: str, number: int, asked: Answer) -> Alert:
    """Acknowledge an alert, close it, or open it again."""
    held = ready(db, who, id)
    with watches.use(held.project_id, id) as watch:
        if all(alert.id != number for alert in watch.alerts):
            raise NotFound(f"there is no alert {number}")
        found = watch.answer(number, asked.state, who.name, asked.note)
    audit.note(db, who, "alert.answered", id, held.project_id, alert=number, state=asked.state)
    return _alert(found)


def silence(db: Session, who: Who, watches: Watches, id: str, asked: NewSilence) -> SilenceOut:
    held = ready(db, who, id)
    with watches.use(held.project_id, id) as watch:
        made = watch.silence(asked.pattern, asked.predictions, who.name, asked.reason)
    audit.note(db, who, "alert.silenced", id, held.project_id, pattern=asked.pattern, predictions=asked.predictions)
    return SilenceOut(**asdict(made))


def _alert(alert: room.Alert) -> Alert:
    return Alert(**alert.to_json())


# webhooks


def add_webhook(db: Session, who: Who, project: str, new: NewWebhook, allowed: tuple[str, ...]) -> MadeWebhook:
    """Where a project's alerts go. Raises ServiceError for a place that may not be reached."""
    projects.record(db, who, project, writing=True)
    check_place(new.url, allowed)
    held = WebhookRecord(project_id=project, url=new.url, secret=secrets.token_urlsafe(32), created_by=who.name)
    db.add(held)
    db.flush()
    audit.note(db, who, "webhook.added", held.id, project, host=urlsplit(new.url).hostname)
    return MadeWebhook(**Webhook.model_validate(held).model_dump(), secret=held.secret)


def webhooks(db: Session, who: Who, project: str) -> list[Webhook]:
    projects.record(db, who, project)
    found = db.scalars(select(WebhookRecord).where(WebhookRecord.project_id == project).order_by(WebhookRecord.id))
    return [Webhook.model_validate(held) for held in found]


def remove_webhook(db: Session, who: Who, id: str) -> None:
    held = db.get(WebhookRecord, id)
    if held is None:
        raise NotFound("there is no such webhook")
    who.within(held.project_id, "webhook")
    db.delete(held)
    audit.note(db, who, "webhook.removed", id, held.project_id)


def check_place(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether a webhook goes to a place inside that was allowed. Raises ServiceError where it may not be reached at all.

    Public places are reached over https alone. What a name means is looked up again when something is sent, and the connection
    goes to the very address that was checked (`assay.watch.sinks.post`).

    >>> check_place("http://10.1.2.3/hook", ("10.1.0.0/16",))
    True
    >>> check_place("http://169.254.169.254/latest", ())
    Traceback (most recent call last):
    assay.serve.errors.ServiceError: a webhook to a public place is https. Remedy: see assay serve --allow-webhook for places inside
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ServiceError(f"this is no URL ({error})") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or port == 0:
        raise ServiceError("a webhook is an http or https URL with a host and without a user")
    if _inside(host, allowed):
        return True
    if parts.scheme != "https":
        raise ServiceError("a webhook to a public place is https", "see assay serve --allow-webhook for places inside")
    try:
        sinks.public_address(host, port or 443)
    except DataError as error:
        raise ServiceError(f"{host} is no public place", "see assay serve --allow-webhook for places inside") from error
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"{host} cannot be found ({error})") from error
    return False


def _inside(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host is allowed by its name, or all its addresses by a network."""
    if host in allowed:
        return True
    networks = [ipaddress.ip_network(text, strict=False) for text in allowed if "/" in text]
    if not networks:
        return False
    try:
        found = {str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False
    return all(any(ipaddress.ip_address(text) in network for network in networks) for text in found)


class Deliverer(threading.Thread):
    """Gives every project's webhooks the alerts that they have not taken yet."""

    def __init__(self, database: Database, watches: Watches, allowed: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self.database, self.watches, self.allowed = database, watches, allowed
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(ROUND):
            try:
                self.round()
            except Exception:  # a round that fails is followed by another; nothing is lost meanwhile
                log.exception("alerts could not be sent")

    def round(self) -> None:
        """Once through all webhooks."""
        with self.database.read() as db:
            hooks = list(db.scalars(select(WebhookRecord).where(WebhookRecord.enabled)))
            watched = list(db.scalars(select(MonitorRecord).where(MonitorRecord.state == "ready"))) if hooks else []
        for hook in hooks:
            problem = None
            for held in watched:
                if held.project_id == hook.project_id:
                    problem = self._send(hook, held) or problem
            if problem != hook.error:
                with self.database.write() as db:
                    found = db.get(WebhookRecord, hook.id)
                    if found is not None:
                        found.error = problem

    def _send(self, hook: WebhookRecord, held: MonitorRecord) -> str | None:
        """What went wrong. The watch is not held while the other side is waited for."""
        with self.watches.use(held.project_id, held.id) as watch:
            waiting = watch.unsent(hook.id)
        for number, alert in waiting:
            try:
                private = check_place(hook.url, self.allowed)
                sinks.post(hook.url, sinks.body(alert), hook.secret.encode(), private, waits=())
            except (OSError, DataError, ServiceError) as error:
                return str(error)[:500]
            with self.watches.use(held.project_id, held.id) as watch:
                watch.mark_sent(hook.id, number)
        return None
