"""What a remediation will do, worked out and checked before anything is changed.

Everything that can be refused is refused here: data that is not what was scanned, rows that a ledger does not know, a key that is no
approver's, an alias with nothing to go back to. The plan is kept, since the ledger answers otherwise once rows are removed.
"""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.removal import copy_without, sha256_of
from assay.dataset.reread import read_without
from assay.flows.rollback import Way, way_back
from assay.ledger import approval, lineage
from assay.ledger.errors import Refused
from assay.ledger.keys import read_key
from assay.ledger.ledger import Ledger
from assay.ledger.purge import records_of
from assay.ledger.snapshots import check_free, live_rows
from assay.ledger.trace import read_report, trace
from assay.report import act
from assay.report.report import Report
from assay.watch.models import Models

KEYS = frozenset({"key", "approver", "notes"})  # where secrets lie is nobody's business but the caller's; notes are in the ledger
TRAINED = "trained"  # the folder for what the retrain command makes


@dataclass(frozen=True)
class Asked:
    """What the user asks for. `train` is a command, no shell: {data} and {out} in it become the cleaned data and a folder for models."""

    data: Path
    report: Path
    out: Path
    ledger: Path | None = None
    key: Path | None = None  # the ledger's secret key
    snapshot: str | None = None  # name of the new one
    revoke: tuple[str, ...] = ()  # sources, named: that is the confirmation
    approver: Path | None = None  # an approver's secret key
    registry: Path | None = None
    alias: str = "production"
    train: str | None = None
    by: str = "assay remediate"
    reason: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)  # instead of `approver`: by source, a revocation that one has signed elsewhere

    def told(self) -> dict[str, Any]:
        """As the journal keeps it: whole paths, and not where keys lie."""
        said = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in KEYS and f.name != "out"}
        said["revoke"] = list(self.revoke)
        return {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in said.items()}

    @property
    def clean(self) -> Path:
        """Where the cleaned data goes."""
        return self.out / "clean" / self.data.absolute().name

    @cached_property
    def log(self) -> Ledger | None:
        """The ledger, open for writing where its key is given."""
        return None if self.ledger is None else Ledger.open(self.ledger, key_file=self.key)

    @cached_property
    def before(self) -> Dataset:
        """The data as it was scanned."""
        return act.same(self.data, Report.open(self.report), self.report)


@dataclass(frozen=True)
class Plan:
    """Row numbers of the data count from 0; `rows` are the ledger's. No content, and no name but of sources and versions."""

    report: str  # SHA-256 of report.json
    fingerprint: str  # of the data
    records: int
    drop: tuple[int, ...]  # records to leave out
    shared: int  # of these, not quarantined themselves: made of the same rows as those that are
    reason: str
    snapshot: str = ""
    rows: tuple[int, ...] = ()
    unknown: int = 0  # quarantined rows that the ledger does not know
    sources: tuple[tuple[str, int, int, bool], ...] = ()  # (name, rows among them, of, whether it stands out)
    revoked: Mapping[str, int] = field(default_factory=dict)  # how often each source to be revoked was before
    way: Way | None = None

    def text(self) -> str:
        """JSON, schema "assay.remediation.plan/1"."""
        way = None if self.way is None else vars(self.way)
        return json.dumps({"schema": "assay.remediation.plan/1", **vars(self), "revoked": dict(self.revoked), "way": way}, indent=1) + "\n"

    @classmethod
    def parse(cls, text: str) -> Plan:
        """The inverse of `text`."""
        said = json.loads(text)
        del said["schema"]
        way = said["way"]
        if way is not None:
            way = Way(**{**way, "withdrawn": tuple(way["withdrawn"])})
        sources = tuple((str(n), int(k), int(of), bool(out)) for n, k, of, out in said["sources"])
        return cls(**{**said, "drop": tuple(said["drop"]), "rows": tuple(said["rows"]), "sources": sources, "way": way})


def make_plan(asked: Asked) -> Plan:
    """What would be done; nothing is written but the ledger's own index. Raises DataError (Refused) where it cannot be done."""
    report = Report.open(asked.report)
    digest = sha256_of(asked.report / "report.json")
    drop = report.quarantined
    if not len(drop):
        raise DataError("nothing is quarantined in this report", path=asked.report, remedy="confirm or review its findings first")
    if asked.data.is_dir() and asked.out.absolute().is_relative_to(asked.data.absolute()):
        raise DataError("the copy would lie inside the data set itself", path=asked.out, remedy="give --out outside it")
    data = asked.before
    if asked.train is not None:
        command(asked)
    ids = ", ".join(f.id for f in report.findings if f.status == "confirmed")
    reason = asked.reason or f"findings {ids} of the report {digest[:16]}"
    if asked.ledger is None:
        if asked.revoke:
            raise DataError("a source is revoked in a ledger, and none is given", remedy="give --ledger, or leave out --revoke-source")
        way = None if asked.registry is None else way_back(Models.open(asked.registry), asked.alias, None)
        return Plan(digest, data.fingerprint, data.records, tuple(drop.tolist()), 0, reason, way=way)
    return _with_ledger(asked, data, Plan(digest, data.fingerprint, data.records, tuple(drop.tolist()), 0, reason))


def rehearse(asked: Asked, plan: Plan) -> None:
    """Make the copy in a folder that is then deleted, and read it. DataError where its rows would not be those that the ledger knows.

    A removal cannot be taken back, so this is known before the first. Without a ledger nothing depends on it.
    """
    if asked.ledger is None:
        return
    beside = next(folder for folder in asked.out.absolute().parents if folder.is_dir())  # a disk with room for data, as OUT's
    with tempfile.TemporaryDirectory(prefix=f".{asked.out.name}.part-", dir=beside) as folder:
        copy = Path(folder, asked.clean.name)
        copy_without(asked.data, copy, plan.drop, records=plan.records)
        read_without(asked.before, np.array(plan.drop, np.int64), copy)


def _with_ledger(asked: Asked, data: Dataset, plan: Plan) -> Plan:
    ledger = asked.log
    assert ledger is not None
    name = asked.snapshot or f"remediated-{plan.report[:12]}"
    check_free(ledger, name)
    digests = [digest.tobytes() for digest in data.digest]
    held = live_rows(ledger, digests)
    found = trace(ledger, read_report(asked.report))
    rows = ledger.index.live(found.rows)
    if not len(rows):
        raise Refused("none of the quarantined rows is in the ledger, or all were removed before", remedy="leave out --ledger")
    gone = lineage.descendants(ledger.index, rows)
    drop = np.union1d(np.array(plan.drop, np.int64), records_of(ledger, data, gone))
    left_out = set(drop.tolist())
    strange = sum(digest not in held for digest, row in zip(digests, data.row.tolist(), strict=True) if row not in left_out)
    if strange:
        raise Refused(
            f"{strange:,} rows that would stay are not in the ledger, so that no snapshot can be taken",
            path=data.path,
            remedy="assay ledger add them from an approved source, or leave out --ledger",
        )
    sources = tuple((s.name, s.rows, s.of, s.stands_out) for s in found.sources)
    way = None
    if asked.registry is not None:
        poisoned = {m.digest for m in found.impact.models}
        trained = {digest: digest in poisoned for (digest,) in ledger.index.db.execute("select distinct digest from models")}
        way = way_back(Models.open(asked.registry), asked.alias, trained)
    return Plan(
        plan.report,
        plan.fingerprint,
        plan.records,
        tuple(drop.tolist()),
        len(drop) - len(plan.drop),
        plan.reason,
        name,
        tuple(rows.tolist()),
        found.unknown,
        sources,
        _revocations(asked, ledger, plan.reason, {s.name for s in found.sources}),
        way,
    )


def _revocations(asked: Asked, ledger: Ledger, reason: str, named: set[str]) -> dict[str, int]:
    """How often each source was revoked before; refused here what the approver's key could not do."""
    before = {}
    for name in asked.revoke:
        source = ledger.index.source(name)
        if name not in named:
            known = ", ".join(sorted(named)) or "none"
            raise Refused(
                f"{name!r} brought none of these rows; those that did: {known}", remedy="name one of them, or assay ledger revoke"
            )
        revocation(asked, ledger, source, reason)
        before[name] = source.revoked
    return before


def revocation(asked: Asked, ledger: Ledger, source: approval.Source, reason: str) -> str:
    """The signed note by which an approver revokes a source as it stands. DataError without a key or such a note."""
    note = asked.notes.get(source.name)
    if note is not None:
        approval.read_revocation(ledger.index.policy(), source, note, ledger.clock())
        return note
    if asked.approver is None:
        raise DataError("to revoke a source needs an approver's key", remedy="give --as KEYFILE")
    return approval.revoke(ledger.index.policy(), source, reason, read_key(asked.approver))


def sources_of(plan: Plan) -> str:
    """Who brought the rows, in words: marked * where that many are not chance (`assay.ledger.trace`)."""
    return "; ".join(f"{name}{'*' * out} brought {rows:,} of its {of:,} rows" for name, rows, of, out in plan.sources)


def command(asked: Asked) -> list[str]:
    """The words of the retrain command. DataError where it is none."""
    try:
        words = shlex.split(asked.train or "")
    except ValueError as error:
        raise DataError(f"--train cannot be read: {error}", remedy="mend its quotes") from error
    if not words:
        raise DataError("--train is empty", remedy='give a command, as in --train "python train.py {data}"')
    data, out = str(asked.clean.absolute()), str((asked.out / TRAINED).absolute())
    return [word.replace("{data}", data).replace("{out}", out) for word in words]
