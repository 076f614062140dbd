"""The eight points that data and models should meet before they are trusted, each shown by what can be run.

A point is *shown* where everything it asks for was run here and held; *said* where something is missing and a named person states it in
`assay.toml`, which Assay cannot check; *missing* where something is not there; *broken* where it is there and does not hold.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from assay.dataset.errors import DataError
from assay.finding import Check
from assay.govern.facts import Facts, age_in_days
from assay.govern.incident import gaps
from assay.govern.statements import Statement

State = Literal["shown", "said", "missing", "broken"]

SCAN_DAYS = 90.0  # a scan older than a quarter is by a program, and on attacks, that have moved on; a policy may ask for less
OUTLIERS = ("isolation_forest", "iqr", "robust_z", "class_outliers")
LABELS = ("label_errors", "neighbours", "relabelling")
TRIGGERS = ("patch", "overlay", "phrase", "cells")
LEAST_VOTES = 2  # a label that one person gave is checked by nobody
MOST_NAMED = 5  # sources, models, sections named in a sentence


@dataclass
class Point:
    """One of the eight. `held`, `lacks` and `broken` are sentences; `next` are commands that would bring it further."""

    number: int
    title: str
    held: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        if self.broken:
            return "broken"
        if not self.lacks:
            return "shown"
        return "said" if self.said else "missing"

    def lack(self, sentence: str, *commands: str) -> None:
        """Something is not there; `commands` would make it."""
        self.lacks.append(sentence)
        self.next += [c for c in commands if c not in self.next]


def examine(facts: Facts, statements: Sequence[Statement] = ()) -> tuple[Point, ...]:
    """All eight, in order. Never raises for what it finds: what cannot be read stands in the point as broken."""
    points = []
    for number, (title, look) in enumerate(POINTS, 1):
        point = Point(number, title)
        try:
            look(facts, point)
        except DataError as error:
            problem, _, remedy = str(error).partition(". Remedy: ")
            point.broken.append(problem + (f" ({remedy})" if remedy else ""))
        for statement in statements:
            if statement.point == number:
                (point.lacks if statement.problem else point.said).append(
                    f"{statement}; this does not count: {statement.problem}" if statement.problem else str(statement)
                )
        points.append(point)
    return tuple(points)


def checks_that_ran(checks: Sequence[Check]) -> frozenset[str]:
    """Their names as people know them: without "screen:", and without the label or column that a check was about.

    >>> sorted(checks_that_ran([Check("screen:iqr", "ran"), Check("phrase [stars]", "ran"), Check("cells", "failed")]))
    ['iqr', 'phrase']
    """
    return frozenset(re.split(r"[^\w-]", c.name.removeprefix("screen:"))[0] for c in checks if c.state == "ran")


def quoted(path: Path | None, otherwise: str) -> str:
    """A path ready to paste, relative where it lies below the working directory."""
    if path is None:
        return otherwise
    path, here = path.resolve(), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _sources(facts: Facts, point: Point) -> None:
    places = facts.places
    ledger, data = quoted(places.ledger, "data.ledger"), quoted(places.data, "DATA")
    told = facts.provenance
    if told is None:
        point.lack(
            "No ledger: nothing says where the rows come from, and who approved it.",
            f"assay ledger init {ledger}",
            f"assay ledger source add {ledger} NAME --licence LICENCE --contact WHO --method HOW",
            f"assay ledger approve {ledger} NAME --as {ledger}.key --expires 2030-01-01",
            f"assay ledger add {ledger} {data} --source NAME",
        )
        return
    if told.tampered:
        point.broken.append(f"What the ledger says of sources cannot be relied on: {told.tampered}")
        return
    bad = [s for s in told.sources if s.problem]
    for source in bad[:MOST_NAMED]:
        point.lack(f"{source.problem}.", f"assay ledger approve {ledger} {shlex.quote(source.name)} --as KEYFILE --expires 2030-01-01")
    if len(bad) > MOST_NAMED:
        point.lack(f"And {len(bad) - MOST_NAMED:,} more sources without a standing approval.")
    good = len(told.sources) - len(bad)
    if good:
        point.held.append(f"{good:,} sources with a standing approval brought {sum(s.rows for s in told.sources if not s.problem):,} rows.")
    if not told.sources:
        point.lack("The ledger holds no row of this data.", f"assay ledger add {ledger} {data} --source NAME")
    if places.data is None:
        point.lack("No data set was found, so that its rows were not looked up.", "assay checklist DATA")
    elif told.unknown and told.sources:
        point.lack(
            f"{told.unknown:,} rows of the data are not in the ledger: nobody answers for them.",
            f"assay ledger add {ledger} ROWS --source NAME",
        )


def _tamper(facts: Facts, point: Point) -> None:
    ledger, data = quoted(facts.places.ledger, "data.ledger"), quoted(facts.places.data, "DATA")
    told = facts.provenance
    if told is None:
        point.lack(
            "No ledger: what happened to the rows can be changed unseen.",
            f"assay ledger init {ledger}",
            f"assay ledger snapshot {ledger} {data} --name v1",
        )
        return
    if told.tampered:
        point.broken.append(f"The ledger is not as it was signed: {told.tampered}")
        point.next.append(f"assay ledger verify {ledger}")
        return
    point.held.append(f"{told.events:,} events, their tiles and signatures are what {told.key.split('+')[0]} signed.")
    for violation in told.violations[:MOST_NAMED]:
        point.broken.append(f"A rule of the ledger is broken: {violation.split('. Remedy: ')[0]}")
    if told.snapshot is not None:
        point.held.append(f"The data is, to the bit, the signed snapshot {told.snapshot!r}.")
    elif facts.data is not None:
        point.lack("The data as it is now is no signed snapshot of the ledger.", f"assay ledger snapshot {ledger} {data} --name NAME")
    else:
        point.lack("No data set was found to hold against a snapshot.", "assay checklist DATA")


def _scanned(facts: Facts, point: Point) -> None:
    data, report = quoted(facts.places.data, "DATA"), facts.report
    scan = f"assay scan {data}"
    if report is None or facts.scan_time is None:
        point.lack("No report of a scan of this data.", scan)
        return
    if facts.data is None:
        point.lack("The data that the report speaks of is not here, so that its fingerprint was not held against it.", scan)
    elif not facts.matches:
        point.broken.append(
            f"The report is of other data: its fingerprint is {report.fingerprint[:12]}…, the data's {facts.data.fingerprint[:12]}…"
        )
        point.next.append(scan)
    made, how = facts.scan_time
    age = age_in_days(made, facts.now)
    if age > SCAN_DAYS:
        point.lack(f"The scan is {age:.0f} days old ({how}).", scan)
    else:
        point.held.append(f"Scanned {age:.0f} days ago ({how}): {report.verdict}.")
    ran = checks_that_ran(report.checks)
    for what, names in (("outliers", OUTLIERS), ("label checks", LABELS), ("triggers", TRIGGERS)):
        done = [name for name in names if name in ran]
        if done:
            point.held.append(f"Checks for {what}: {', '.join(done)}.")
        else:
            point.lack(f"No check for {what} ran.", f"{scan} --depth full")
    if not report.sensitivity:
        point.lack("What the scan would have caught was not measured.", scan)
    if report.verdict in ("poisoned", "suspect"):
        found = sum(f.status != "shortcut" for f in report.findings)
        where = quoted(facts.places.report, "REPORT")
        act = (
            f"assay clean {data} --report {where} --out CLEAN"
            if report.verdict == "poisoned"
            else f"assay review new {data} --from {where} --reviewers A,B --out REVIEW"
        )
        point.lack(f"The data is {report.verdict}: {found} findings wait for somebody to act.", act)
    if report.verdict == "incomplete":
        point.lack("A planned check did not complete.", scan)


def _people(facts: Facts, point: Point) -> None:
    from assay.crowd.review import open_review, outcomes
    from assay.crowd.trusted import examine as examine_trusted

    places = facts.places
    data = quoted(places.data, "DATA")
    for study in facts.votes:
        if study.fewest < LEAST_VOTES:
            point.lack(f"{study.folder.name}: some rows have {study.fewest} votes; a second person sees what the first does not.")
        else:
            point.held.append(
                f"{study.folder.name}: {study.rows:,} rows, {study.mean:.1f} votes each, {len(study.accused)} annotators accused."
            )
    for folder in places.review:
        review = open_review(folder)
        found = outcomes(review)
        waiting = sum(o.state != "settled" for o in found)
        if waiting:
            point.lack(f"{folder.name}: {waiting:,} of {len(found):,} rows wait for a person.", f"assay review status {quoted(folder, '')}")
        else:
            point.held.append(f"{folder.name}: {len(found):,} rows settled by {len(review.reviewers)} people.")
    if places.trusted is not None:
        trusted = examine_trusted(places.trusted, now=facts.now)
        if trusted.expired:
            point.lack(f"The trusted set expired on {trusted.expires[:10]}.", f"assay trusted draw {data} --reviewers A,B --out verify")
        else:
            point.held.append(f"{trusted.rows:,} trusted rows, verified by several people, until {trusted.expires[:10]}.")
    if not (facts.votes or places.review or places.trusted):
        point.lack(
            "No study of several annotators, no review and no trusted set.",
            "assay crowd VOTES",
            f"assay trusted draw {data} --reviewers A,B --out verify",
        )


def _trained(facts: Facts, point: Point) -> None:
    told = facts.provenance
    if told is not None and not told.tampered and told.trained:
        for model, snapshot in told.trained[:MOST_NAMED]:
            point.held.append(f"{model} was trained on the signed snapshot {snapshot!r}.")
    elif facts.places.models:
        ledger, model = quoted(facts.places.ledger, "data.ledger"), quoted(facts.places.models[0], "")
        point.lack("No training is logged: which data made the model?", f"assay ledger trained {ledger} {model} --snapshot v1")
    point.lack(
        "Whether training withstands poison cannot be read off a model: train with assay.harden (docs/harden.md: certified ensembles, "
        "weights from a scan) and state it in assay.toml."
    )


def _audited(facts: Facts, point: Point) -> None:
    from assay.govern.audits import read_audit
    from assay.model.static import examine as examine_model

    models = facts.places.models
    if not models:
        point.lack("No model file was found.", "assay inspect MODEL --out model.json")
    for model in models[:MOST_NAMED]:
        seen = examine_model(model)
        if seen.risk == "none":
            point.held.append(f"{model.name}: loading it runs nothing ({seen.format}).")
        else:
            where = seen.parts[0].where if seen.parts else model.name
            point.broken.append(f"{model.name}: loading it would run code ({seen.risk}, {where}).")
            point.next.append(f"assay inspect {quoted(model, '')}")
        audits = [a for a in map(read_audit, facts.places.inspections) if a.model == model.name]
        newest = max(audits, key=lambda a: a.made, default=None)
        if newest is None:
            point.lack(f"{model.name}: no audit on file.", f"assay inspect {quoted(model, '')} --out {shlex.quote(model.stem)}.json")
        elif newest.left:
            point.lack(f"{model.name}: the audit in {newest.path.name} did not run {', '.join(newest.left)}.")
        else:
            point.held.append(f"{model.name}: audited, {newest.path.name}.")
    if len(models) > MOST_NAMED:
        point.lack(f"{len(models) - MOST_NAMED:,} more models were not looked at; name them in assay.toml.")


def _watched(facts: Facts, point: Point) -> None:
    from assay.watch.watch import Watch

    folder = facts.places.watch
    if folder is None:
        point.lack("No watch on a deployed model.", "assay watch init NAME.watch TRUSTED_EVENTS")
        return
    with Watch.open(folder, read_only=True) as watch:
        status = watch.status(0)
        open_ = [a for a in watch.alerts if a.state == "open" and not a.silenced]
    point.held.append(f"A baseline, and a budget: {status.promise}.")
    where = quoted(folder, "")
    if status.predictions:
        point.held.append(f"{status.predictions:,} predictions and {status.labels:,} labels were watched.")
    else:
        point.lack("Nothing has been watched yet.", f"assay watch ingest {where} EVENTS")
    critical = [a for a in open_ if a.severity == "critical"]
    if critical:
        point.lack(
            f"{len(critical)} critical alerts wait for an answer: {critical[0].title}",
            f"assay watch ack {where} {critical[0].id} --by NAME",
        )
    elif open_:
        point.held.append(f"{len(open_)} alerts are open, none of them critical.")


def _incident(facts: Facts, point: Point) -> None:
    from assay.watch.models import FILE, Models

    places = facts.places
    if places.plan is None:
        point.lack("No plan for incidents.", "assay checklist --plan incident-plan.md")
    else:
        left = gaps(places.plan)
        if left:
            point.lack(f"{places.plan.name} does not answer: {', '.join(left)}.")
        else:
            point.held.append(f"{places.plan.name} answers every question that a plan must. Rehearse it: assay drill.")
    watch = quoted(places.watch, "NAME.watch")
    if places.watch is None or not (places.watch / FILE).is_file():
        point.lack("No registry of models: nothing to go back to.", f"assay watch models add {watch} VERSION --file MODEL --by NAME")
        return
    models = Models.open(places.watch)
    aliases = sorted({move.alias for move in models.moves})
    if not aliases:
        point.lack("No alias says which model serves.", f"assay watch models point {watch} VERSION --by NAME --reason release")
    for alias in aliases:
        try:
            target = models.before(alias)
        except DataError:
            point.lack(
                f"{alias} has no attested version to go back to.",
                f"assay watch models attest {watch} VERSION --by NAME --note HOW",
                f"assay watch models rollback {watch} --alias {shlex.quote(alias)} --by NAME --reason rehearsal --dry-run",
            )
        else:
            point.held.append(f"{alias}, which is {models.current(alias)} now, can go back to {target}, which is attested.")


POINTS: tuple[tuple[str, Callable[[Facts, Point], None]], ...] = (
    ("Sources known and approved", _sources),
    ("Provenance tamper-evident", _tamper),
    ("Data scanned: outliers, labels, triggers", _scanned),
    ("Several annotators, review by people", _people),
    ("Training that withstands poison", _trained),
    ("Model audited for triggers and adversarial weakness", _audited),
    ("Deployed model watched, with baselines and alerts", _watched),
    ("Incident plan: response and rollback", _incident),
)
