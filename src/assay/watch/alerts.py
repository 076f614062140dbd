"""Alerts: what people are told. One a cause, however often it fires; acknowledged, silenced, and escalated where nobody answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from assay.dataset.errors import DataError

Severity = Literal["notice", "warning", "critical"]
State = Literal["open", "acknowledged", "closed"]

LEVELS: tuple[Severity, ...] = ("notice", "warning", "critical")
REPEATS = 3  # firings without an answer after which an alert goes up a level, and again after as many more
KEPT = 1000  # alerts remembered: closed ones leave first, then acknowledged, then the oldest
SILENCES = 200  # silences remembered
OUTBOX = 1000  # alerts that wait to be sent; a sink that misses more than these gets the latest


@dataclass(frozen=True)
class Alert:
    """One cause. `clock` counts predictions; `time` is of events, in seconds since 1970, None where they have none."""

    id: int
    key: str  # what makes it the same cause: "performance/all traffic/the rate of errors/rising"
    severity: Severity
    title: str
    evidence: Mapping[str, Any]  # of the latest firing
    clock: int
    time: float | None
    last_clock: int
    count: int = 1
    state: State = "open"
    silenced: bool = False
    by: str | None = None  # who acknowledged or closed it
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self)


@dataclass(frozen=True)
class Silence:
    """Alerts whose key matches `pattern` are recorded and not sent, until so many predictions have been seen."""

    pattern: str
    until: int
    by: str
    reason: str


@dataclass
class Alerts:
    """All alerts, by number, and the silences. `fired` are those that are to be sent: new, back, or escalated."""

    alerts: dict[int, Alert] = field(default_factory=dict)
    silences: list[Silence] = field(default_factory=list)
    next: int = 1
    outbox: list[tuple[int, Alert]] = field(default_factory=list)  # numbered as they fired
    posted: int = 0
    sent: dict[str, int] = field(default_factory=dict)  # sink -> the last number that it has taken

    def fire(
        self, key: str, severity: Severity, title: str, evidence: Mapping[str, Any], clock: int, time: float | None
    ) -> tuple[Alert, bool]:
        """The alert of this cause, new or counted on, and whether it is to be sent."""
        silenced = any(fnmatchcase(key, s.pattern) and clock <= s.until for s in self.silences)
        known = next((a for a in self.alerts.values() if a.key == key and a.state != "closed"), None)
        if known is None:
            alert = Alert(self.next, key, severity, title, dict(evidence), clock, time, clock, silenced=silenced)
            self.next += 1
            self.alerts[alert.id] = alert
            self._forget()
            self._post(alert, not silenced)
            return alert, not silenced
        level = max(LEVELS.index(known.severity), LEVELS.index(severity))
        raised = known.state == "open" and (known.count + 1) % REPEATS == 0 and level + 1 < len(LEVELS)
        higher = LEVELS[level + 1] if raised else LEVELS[level]
        send = higher != known.severity and not silenced
        alert = replace(
            known, severity=higher, title=title, evidence=dict(evidence), last_clock=clock, count=known.count + 1, silenced=silenced
        )
        self.alerts[alert.id] = alert
        self._post(alert, send)
        return alert, send

    def _post(self, alert: Alert, send: bool) -> None:
        if send:
            self.posted += 1
            self.outbox = [*self.outbox[1 - OUTBOX :], (self.posted, alert)]

    def unsent(self, sink: str) -> list[tuple[int, Alert]]:
        """What this sink has not taken yet, in order."""
        return [(number, alert) for number, alert in self.outbox if number > self.sent.get(sink, 0)]

    def answer(self, number: int, state: State, by: str, note: str) -> Alert:
        """Acknowledge, close or open again. Raises DataError for a number that there is not."""
        if number not in self.alerts:
            raise DataError(f"there is no alert {number}", remedy="assay watch alerts lists them")
        self.alerts[number] = replace(self.alerts[number], state=state, by=by, note=note)
        return self.alerts[number]

    def silence(self, silence: Silence) -> None:
        """Add one; a shorter one of the same pattern is dropped."""
        others = [s for s in self.silences if s.until >= silence.until or s.pattern != silence.pattern]
        self.silences = [*others[1 - SILENCES :], silence]

    def _forget(self) -> None:
        order: dict[State, int] = {"closed": 0, "acknowledged": 1, "open": 2}
        while len(self.alerts) > KEPT:
            del self.alerts[min(self.alerts.values(), key=lambda a: (order[a.state], a.id)).id]

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "alerts": [a.to_json() for a in self.alerts.values()],
            "silences": [asdict(s) for s in self.silences],
            "next": self.next,
            "outbox": [[number, a.to_json()] for number, a in self.outbox],
            "posted": self.posted,
            "sent": self.sent,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Alerts:
        """The inverse of `to_json`."""
        alerts = [Alert(**a) for a in data["alerts"]]
        outbox = [(int(number), Alert(**a)) for number, a in data["outbox"]]
        silences = [Silence(**s) for s in data["silences"]]
        return cls({a.id: a for a in alerts}, silences, int(data["next"]), outbox, int(data["posted"]), dict(data["sent"]))
