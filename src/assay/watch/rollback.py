"""When to go back without being asked, and doing it: hysteresis, a limit, and only to what was vouched for.

A rollback on its own is a risk too: a faulty detector that moves a model to and fro does more harm than most drifts. So an alert has to
fire again before it counts, every move gives its version time, what called for the last move must fire anew to call for another, and
after so many in a day a person has to look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.dataset.errors import DataError
from assay.watch.alerts import LEVELS, Alert, Severity
from assay.watch.models import Models, Move
from assay.watch.serving import Serving

DAY = 86400.0


@dataclass(frozen=True)
class Rule:
    """When to go back without being asked. Each bound keeps a fault of the watch from becoming a fault of the service."""

    severity: Severity = "critical"
    firings: int = 2  # of one unanswered alert since the last move: a detector that starts from nothing and fires again has seen it twice
    rest: float = 3600.0  # seconds after any move in which nothing is moved again: the new version gets its time
    limit: int = 2  # rollbacks a day: who needs more needs a person
    keys: tuple[str, ...] = ("performance/", "trigger/", "decisions/")  # causes that another version may mend: inputs are not among them

    def due(self, models: Models, alias: str, alerts: Sequence[Alert], now: float) -> tuple[Alert | None, str]:
        """(the alert that calls for it, "") or (None, why not)."""
        moves = [move for move in models.moves if move.alias == alias]
        before = moves[-1].counts if moves else {}
        calling = [
            a
            for a in alerts
            if a.state == "open"
            and not a.silenced
            and a.count - before.get(a.key, 0) >= self.firings
            and LEVELS.index(a.severity) >= LEVELS.index(self.severity)
            and a.key.startswith(self.keys)
        ]
        if not calling:
            return None, "no alert calls for it"
        # What is dated further ahead was moved by a clock that has been put right since: it must not keep the alias where it is for ever.
        if moves and abs(now - moves[-1].time) < self.rest:
            return None, f"{alias} was moved {now - moves[-1].time:.0f} seconds ago, and rests for {self.rest:.0f}"
        if sum(move.back and abs(now - move.time) < DAY for move in moves) >= self.limit:
            return None, f"{self.limit} rollbacks in a day are the limit: a person has to look"
        return max(calling, key=lambda a: (LEVELS.index(a.severity), a.count)), ""


def counts_of(alerts: Sequence[Alert]) -> dict[str, int]:
    """How often each unclosed cause has fired: a move remembers it, so that what fired before does not call for the next one."""
    return {a.key: a.count for a in alerts if a.state != "closed"}


@dataclass(frozen=True)
class Told:
    """What became of telling one place: `moved`, nothing to do, or why it failed."""

    place: str
    moved: bool
    problem: str | None


def tell(models: Models, alias: str, places: Mapping[str, Serving], by: str) -> list[Told]:
    """Bring every place in line with what the alias means, each by itself; what was reached is written into the history, so that a
    command is not run again, and what was not is tried again by the next call."""
    wanted = models.current(alias)
    if wanted is None:
        raise DataError(f"{alias!r} means no version", path=models.folder, remedy="point it first: assay watch models point")
    found = []
    for place, serving in places.items():
        try:
            now = serving.current(alias)
            if now == wanted or (now is None and models.told.get((place, alias)) == models.moved(alias)):
                found.append(Told(place, False, None))
                continue
            serving.point(alias, wanted, models.versions[wanted].digest)
        except OSError as error:
            found.append(Told(place, False, str(error)))
            continue
        models.note_told(alias, place, by)
        found.append(Told(place, True, None))
    return found


def automatic(models: Models, alias: str, alerts: Sequence[Alert], rule: Rule, now: float, by: str) -> tuple[Move | None, str]:
    """Go back if the rule says so: (the move, the reason) or (None, why not). DataError where there is no version to go back to."""
    alert, why = rule.due(models, alias, alerts, now)
    if alert is None:
        return None, why
    reason = f"alert {alert.id}: {alert.title}"
    return models.roll_back(alias, by, reason, counts=counts_of(alerts)), reason
