"""What a policy asks, held against what is there: one `Rule` for every key, in the order of the file's sections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from assay.dataset.errors import DataError
from assay.govern.facts import Facts, Provenance, age_in_days
from assay.govern.points import Point, checks_that_ran, examine
from assay.govern.policy import KEYS, RISKS, Policy, Rule
from assay.report import words
from assay.report.report import Report

MOST = 5  # names in one sentence


class NotThere(Exception):
    """What a rule asks about is not there."""


def check(policy: Policy, now: datetime | None = None) -> tuple[Rule, ...]:
    """Every rule, held or not. DataError only where the policy itself is wrong."""
    return tuple(_Checker(policy, now or datetime.now(UTC)).rules())


class _Checker:
    def __init__(self, policy: Policy, now: datetime) -> None:
        self.policy, self.now = policy, now
        self.facts = Facts(policy.places, trust=policy.get("ledger", "key"), now=now)

    def rules(self) -> Iterator[Rule]:
        for section, keys in KEYS.items():
            for key in keys:
                value = self.policy.get(section, key)
                if value is None or value is False or (section, key) == ("audit", "statements"):
                    continue
                asks, look = RULES[section, key]
                try:
                    problem = look(self, value)
                except NotThere as error:
                    problem = str(error)
                except DataError as error:
                    problem = f"cannot be checked: {error}"
                said = ", ".join(value) if isinstance(value, list) else str(value)
                yield Rule(section, key, asks.format(said), problem)

    @property
    def provenance(self) -> Provenance:
        told = self.facts.provenance
        if told is None:
            raise NotThere("there is no ledger")
        if told.tampered:
            raise NotThere(f"the ledger is not as it was signed: {told.tampered}")
        return told

    @property
    def report(self) -> Report:
        report = self.facts.report
        if report is None:
            raise NotThere("there is no report of a scan")
        if self.facts.data is None:
            raise NotThere("the data that was scanned is not here")
        if not self.facts.matches:
            raise NotThere("the report is of other data: the fingerprints differ")
        return report

    @cached_property
    def points(self) -> tuple[Point, ...]:
        return examine(self.facts, self.policy.statements)


def _some(names: list[str]) -> str:
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


def _ledger(c: _Checker, value: Any) -> str:
    broken = c.provenance.violations
    return f"{len(broken)} events break a rule, first {broken[0]}" if broken else ""


def _key(c: _Checker, value: Any) -> str:
    return "" if c.provenance.key == value else f"the ledger is signed by {c.provenance.key}"


def _snapshot(c: _Checker, value: Any) -> str:
    if c.facts.data is None:
        return "there is no data set to hold against a snapshot"
    return "" if c.provenance.snapshot is not None else "the data as it is now is no signed snapshot"


def _allowed(c: _Checker, value: Any) -> str:
    names, nobody = _source_names(c)
    strange = [n for n in names if not any(fnmatchcase(n, pattern) for pattern in value)]
    said = [f"rows come from sources that are not allowed: {_some(strange)}"] if strange else []
    return "; ".join(said + ([f"{nobody:,} rows come from no known source"] if nobody else []))


def _source_names(c: _Checker) -> tuple[list[str], int]:
    """(sources of the data's rows, rows without one): from the ledger, else from the data's own column."""
    if c.facts.places.ledger is not None:
        return [s.name for s in c.provenance.sources], c.provenance.unknown
    data = c.facts.data
    if data is None or data.columns.source is None:
        raise NotThere("there is neither a ledger nor a column of the data that says where rows come from")
    values = data.table.column(data.columns.source).to_pylist()
    return sorted({str(v) for v in values if v is not None}), sum(v is None for v in values)


def _approved(c: _Checker, value: Any) -> str:
    bad = [s.problem for s in c.provenance.sources if s.problem]
    if not c.provenance.sources:
        return "the ledger holds no row of this data"
    return "; ".join(bad[:MOST]) + (f"; and {len(bad) - MOST} more" if len(bad) > MOST else "")


def _verdict(c: _Checker, value: Any) -> str:
    return "" if c.report.verdict in value else f"the verdict is {c.report.verdict}"


def _checks(c: _Checker, value: Any) -> str:
    ran = checks_that_ran(c.report.checks)
    other = {check.name.removeprefix("screen:"): f"{words.STATES[check.state]}: {check.reason}" for check in c.report.checks}
    bad = [f"{name} ({other.get(name, 'there is no such check')})" for name in value if name not in ran]
    return f"did not run: {_some(bad)}" if bad else ""


def _depth(c: _Checker, value: Any) -> str:
    depth = str(c.report.conclusion.settings.get("depth", "fast"))
    return f"the depth was {depth}" if value == "full" and depth != "full" else ""


def _alpha(c: _Checker, value: Any) -> str:
    alpha = float(c.report.conclusion.settings.get("alpha", 1.0))
    return f"alpha was {alpha}" if alpha > value else ""


def _scan_age(c: _Checker, value: Any) -> str:
    made = c.facts.scan_time if c.report else None  # that of other data is no scan of these, however new
    if made is None:
        raise NotThere("there is no report of a scan")
    age = age_in_days(made[0], c.now)
    return f"the scan is {age:.1f} days old ({made[1]})" if age > value else ""


def _sensitivity(c: _Checker, value: Any) -> str:
    if not c.report.sensitivity:
        return "what the scan would have caught was not measured"
    largest: dict[str, tuple[int, float, str]] = {}
    for s in c.report.sensitivity:
        share = s.caught / s.planted if s.planted else 0.0
        if s.kind not in largest or s.carriers > largest[s.kind][0]:
            largest[s.kind] = (s.carriers, share, f"{s.kind}, {s.size}: {s.caught} of {s.planted} at {s.carriers} carriers")
    weak = [text for _, share, text in largest.values() if share < value]
    return f"caught too few of what was planted: {'; '.join(weak)}" if weak else ""


def _unreadable(c: _Checker, value: Any) -> str:
    told = c.report.document["dataset"]
    share = int(told.get("unreadable_count", 0)) / max(int(told["rows"]), 1)
    return f"{share:.2%} of the records could not be read" if share > value else ""


def _minimum(c: _Checker, value: Any) -> str:
    if not c.facts.votes:
        raise NotThere("there is no study of several annotators")
    bad = [f"{s.folder.name}: a row has {s.fewest}" for s in c.facts.votes if s.fewest < value]
    return _some(bad)


def _accused(c: _Checker, value: Any) -> str:
    if not c.facts.votes:
        raise NotThere("there is no study of several annotators")
    names = sorted({name for s in c.facts.votes for name in s.accused})
    return f"{len(names)} annotators are accused: {_some(names)}" if len(names) > value else ""


def _reviewed(c: _Checker, value: Any) -> str:
    from assay.crowd.review import open_review, outcomes

    if not c.facts.places.review:
        raise NotThere("there is no review")
    waiting = [(f.name, sum(o.state != "settled" for o in outcomes(open_review(f)))) for f in c.facts.places.review]
    return _some([f"{name}: {n:,} rows wait" for name, n in waiting if n])


def _trusted(c: _Checker, value: Any) -> str:
    from assay.crowd.trusted import examine as examine_trusted

    if c.facts.places.trusted is None:
        raise NotThere("there is no trusted set")
    found = examine_trusted(c.facts.places.trusted, now=c.now)
    return f"the trusted set expired on {found.expires[:10]}" if found.expired else ""


def _risk(c: _Checker, value: Any) -> str:
    from assay.model.static import examine as examine_model

    if not c.facts.places.models:
        raise NotThere("there is no model file")
    found = [(m.name, examine_model(m).risk) for m in c.facts.places.models]
    return _some([f"{name}: {risk}" for name, risk in found if RISKS.index(risk) > RISKS.index(value)])


def _audited(c: _Checker, value: Any) -> str:
    from assay.govern.audits import read_audit

    made = {a.model for a in map(read_audit, c.facts.places.inspections)}
    without = [m.name for m in c.facts.places.models if m.name not in made]
    return f"no inspection on file of {_some(without)}" if without else ""


def _audit_age(c: _Checker, value: Any) -> str:
    from assay.govern.audits import read_audit

    newest: dict[str, float] = {}
    for audit in map(read_audit, c.facts.places.inspections):
        age = age_in_days(audit.made, c.now)
        newest[audit.model] = min(age, newest.get(audit.model, age))
    old = [f"{m.name}: {newest[m.name]:.0f} days" for m in c.facts.places.models if newest.get(m.name, 0.0) > value]
    never = [f"{m.name}: never" for m in c.facts.places.models if m.name not in newest]
    return f"inspected too long ago: {_some(old + never)}" if old or never else ""


def _watch(c: _Checker, value: Any) -> str:
    from assay.watch.watch import Watch

    if c.facts.places.watch is None:
        raise NotThere("there is no watch")
    with Watch.open(c.facts.places.watch, read_only=True) as watch:
        return "" if watch.status(0).predictions else "nothing has been watched yet"


def _critical(c: _Checker, value: Any) -> str:
    from assay.watch.watch import Watch

    if c.facts.places.watch is None:
        raise NotThere("there is no watch")
    with Watch.open(c.facts.places.watch, read_only=True) as watch:
        titles = [a.title for a in watch.alerts if a.state == "open" and a.severity == "critical" and not a.silenced]
    return f"{len(titles)} critical alerts are open: {_some(titles)}" if len(titles) > value else ""


def _rollback(c: _Checker, value: Any) -> str:
    from assay.watch.models import Models

    if c.facts.places.watch is None:
        raise NotThere("there is no watch, and so no registry of models")
    models = Models.open(c.facts.places.watch)
    aliases = sorted({move.alias for move in models.moves})
    bad = []
    for alias in aliases:
        try:
            models.before(alias)
        except DataError:
            bad.append(alias)
    if not aliases:
        return "no alias says which model serves"
    return f"nothing to go back to for {_some(bad)}" if bad else ""


def _plan(c: _Checker, value: Any) -> str:
    from assay.govern.incident import gaps

    if c.facts.places.plan is None:
        raise NotThere("there is no incident plan")
    left = gaps(c.facts.places.plan)
    return f"the plan does not answer: {', '.join(left)}" if left else ""


def _points(c: _Checker, value: Any) -> str:
    unknown = [text for text in value if text not in [str(p.number) for p in c.points]]
    if unknown:
        raise DataError(f"[audit] points has no {unknown[0]!r}", path=c.policy.path, remedy="use 1 to 8")
    passing = ("shown", "said") if c.policy.get("audit", "statements") else ("shown",)
    bad = [p for p in c.points if str(p.number) in value and p.state not in passing]
    return "; ".join(f"point {p.number}, {p.title.lower()}, is {p.state}: {(p.broken or p.lacks)[0]}" for p in bad)


def _checklist_age(c: _Checker, value: Any) -> str:
    made = []
    for path in c.facts.places.checklists:
        try:
            made.append(datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["made"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"is no checklist ({error})", path=path, remedy="assay checklist . --out checklist.json") from error
    if not made:
        raise NotThere("no checklist is on file: assay checklist . --out checklist.json")
    age = age_in_days(max(made), c.now)
    return f"the last checklist is {age:.1f} days old" if age > value else ""


RULES: dict[tuple[str, str], tuple[str, Callable[[_Checker, Any], str]]] = {
    ("ledger", "required"): ("a ledger whose every bit and rule holds", _ledger),
    ("ledger", "key"): ("the ledger is signed by {}", _key),
    ("ledger", "snapshot"): ("the data is a signed snapshot", _snapshot),
    ("sources", "allowed"): ("rows come only from {}", _allowed),
    ("sources", "approved"): ("every source has a standing approval", _approved),
    ("scan", "verdict"): ("the verdict is {}", _verdict),
    ("scan", "checks"): ("these checks ran: {}", _checks),
    ("scan", "depth"): ("the depth is {}", _depth),
    ("scan", "max_alpha"): ("alpha is at most {}", _alpha),
    ("scan", "max_age_days"): ("the scan is at most {} days old", _scan_age),
    ("scan", "sensitivity"): ("of what was planted in a copy at least {} was caught", _sensitivity),
    ("scan", "max_unreadable"): ("at most {} of the records cannot be read", _unreadable),
    ("votes", "minimum"): ("every row has at least {} votes", _minimum),
    ("votes", "max_accused"): ("at most {} annotators are accused", _accused),
    ("votes", "reviewed"): ("no row of a review waits", _reviewed),
    ("trusted", "required"): ("a trusted set that has not expired", _trusted),
    ("models", "risk"): ("what loading a model would run is at most: {}", _risk),
    ("models", "audited"): ("every model has an inspection on file", _audited),
    ("models", "max_age_days"): ("every model was inspected in the last {} days", _audit_age),
    ("watch", "required"): ("a deployed model is watched", _watch),
    ("watch", "max_open_critical"): ("at most {} critical alerts are open", _critical),
    ("watch", "rollback"): ("every alias has an attested version to go back to", _rollback),
    ("incident", "plan"): ("an incident plan that answers every question", _plan),
    ("audit", "points"): ("points {} of the checklist are shown", _points),
    ("audit", "max_age_days"): ("a checklist at most {} days old is on file", _checklist_age),
}
