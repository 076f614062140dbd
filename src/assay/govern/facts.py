"""What can be read off what lies in a project: the checklist and the policy ask the same questions and get the same answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import sha256_of
from assay.govern.places import Places
from assay.report import folder as reports
from assay.report.report import Report

if TYPE_CHECKING:
    from assay.ledger.ledger import Ledger

FROM_LEDGER = "ledger."  # columns that a ledger lent to the scan, and that the data itself does not have


@dataclass(frozen=True)
class SourceFact:
    """One source as the ledger has it, and whether it has a standing approval at the moment asked about."""

    name: str
    rows: int  # of the data set
    problem: str  # why it has no standing approval; "" where it has one


@dataclass(frozen=True)
class Provenance:
    """What a ledger says, after everything in it was checked."""

    tampered: str  # "" where every bit is as it was signed
    key: str
    events: int = 0
    violations: tuple[str, ...] = ()
    sources: tuple[SourceFact, ...] = ()  # of the data set's rows, or of all rows where there is no data set
    unknown: int = 0  # rows of the data set that nobody answers for
    snapshot: str | None = None  # whose root is the data set's fingerprint
    scanned: tuple[tuple[str, str], ...] = ()  # (SHA-256 of report.json, when it was logged), oldest first
    trained: tuple[tuple[str, str], ...] = ()  # (model, snapshot it was trained on), oldest first


@dataclass(frozen=True)
class Votes:
    """One study of several annotators: votes a row, and who was accused."""

    folder: Path
    rows: int
    fewest: int
    mean: float
    accused: tuple[str, ...]


class Facts:
    """Reads what is asked for once, and only when it is asked for. `now` is the moment that ages are counted to."""

    def __init__(self, places: Places, *, trust: str | None = None, now: datetime | None = None) -> None:
        self.places, self._trust = places, trust
        self.now = now or datetime.now(UTC)

    @cached_property
    def report(self) -> Report | None:
        """The scan's report. None where there is none; DataError where it cannot be read."""
        return None if self.places.report is None else Report.open(self.places.report)

    @cached_property
    def data(self) -> Dataset | None:
        """The data set as it is now, read with the columns of the report where there is one."""
        if self.places.data is None:
            return None
        if self.report is None:
            return read(self.places.data)
        told = self.report.document["dataset"]
        try:
            return read(self.places.data, columns=_columns(told["columns"]), task=told["task"])
        except DataError:
            return read(self.places.data)  # it is another data set than the report's, and their fingerprints differ

    @property
    def matches(self) -> bool:
        """Whether the report is of this very data."""
        return self.report is not None and self.data is not None and self.report.fingerprint == self.data.fingerprint

    @cached_property
    def provenance(self) -> Provenance | None:
        """What the ledger says. None where there is none; DataError where it cannot be opened at all."""
        folder = self.places.ledger
        if folder is None:
            return None
        try:
            from assay.ledger.audit import audit
            from assay.ledger.beside import check_beside
            from assay.ledger.errors import Tampered
            from assay.ledger.ledger import Ledger
            from assay.ledger.note import Key
        except ModuleNotFoundError as error:
            raise DataError("a ledger needs the package cryptography", path=folder, remedy="pip install 'assay[ledger]'") from error
        try:
            trust = None if self._trust is None else Key.parse(self._trust)
            ledger = Ledger.open(folder, trust=trust)
            head = audit(ledger.log).head
            ledger.index.clear()
            ledger.refresh()
            check_beside(ledger)
            found = self._said(ledger, head.size)
        except Tampered as error:
            return Provenance(str(error), self._trust or "")
        ledger.close()
        return found

    def _said(self, ledger: Ledger, events: int) -> Provenance:
        from assay.ledger import lineage, snapshots

        held: dict[bytes, list[int]] = {}
        unknown = 0
        taken = None
        if self.data is not None:
            digests = [digest.tobytes() for digest in self.data.digest]
            held = snapshots.live_rows(ledger, digests)
            unknown = sum(digest not in held for digest in digests)
            root = self.data.fingerprint
            taken = next((n for n in snapshots.names(ledger) if snapshots.logged(ledger, n)[2] == root), None)
            mine = lineage.ancestors(ledger.index, np.array([row for rows in held.values() for row in rows], np.int64))
        else:
            mine = ledger.index.column("select row from rows where removed is null")
        names = dict(ledger.index.db.execute("select id, name from names").fetchall())
        count: dict[str, int] = {}
        for _, source in ledger.index.select("select row, source from rows where source is not null and row in (?)", mine):
            count[names[source]] = count.get(names[source], 0) + 1
        return Provenance(
            tampered="",
            key=str(ledger.key),
            events=events,
            violations=tuple(f"event {n}: {why}" for n, why in ledger.index.violations()),
            sources=tuple(SourceFact(n, rows, _standing(ledger, n, self.now)) for n, rows in sorted(count.items())),
            unknown=unknown,
            snapshot=taken,
            scanned=tuple(_scans(ledger)),
            trained=tuple((str(m), str(s)) for m, s in ledger.index.db.execute("select model, snapshot from models order by event")),
        )

    @cached_property
    def scan_time(self) -> tuple[datetime, str] | None:
        """(when the report was made, how that is known): from the ledger's log, else the file's own date, which anybody can set."""
        folder = self.places.report
        if folder is None:
            return None
        file = folder / reports.JSON
        if self.places.ledger is not None and self.provenance is not None:
            digest = sha256_of(file)
            for logged, time in self.provenance.scanned:
                if logged == digest:
                    return datetime.fromisoformat(time), "logged in the ledger"
        return datetime.fromtimestamp(file.stat().st_mtime, UTC), "by the date of its file"

    @cached_property
    def votes(self) -> tuple[Votes, ...]:
        """Every study of several annotators."""
        return tuple(_study(folder) for folder in self.places.crowd)


def _scans(ledger: Ledger) -> Iterable[tuple[str, str]]:
    from assay.ledger.events import decode

    for event, report in ledger.index.db.execute("select event, report from scans order by event").fetchall():
        yield str(report), decode(ledger.log.entry(event), event).time


def _standing(ledger: Ledger, source: str, now: datetime) -> str:
    from assay.ledger.approval import standing

    try:
        standing(ledger.index.policy(), ledger.index.source(source), now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    except DataError as error:
        return str(error).split(". Remedy: ")[0]
    return ""


def _columns(told: dict[str, Any]) -> Columns:
    contributor, source = (None if str(told[c]).startswith(FROM_LEDGER) else told[c] for c in ("contributor", "source"))
    return Columns(tuple(told["content"]), tuple(told["label"]), told["id"], contributor, source, told["time"])


def _study(folder: Path) -> Votes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "crowd.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        votes = pq.read_table(folder / "labels.parquet", columns=["votes"]).column("votes").to_numpy()
        accused = tuple(str(a["annotator"]) for a in said["accused"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"is no study of a crowd ({error})", path=folder, remedy="run assay crowd again") from error
    fewest, mean = (int(votes.min()), float(votes.mean())) if len(votes) else (0, 0.0)
    return Votes(folder, len(votes), fewest, mean, accused)


def age_in_days(made: datetime, now: datetime) -> float:
    """Days from `made` to `now`; a date in the future is 0 days old.

    >>> age_in_days(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC))
    30.0
    """
    return max(0.0, (now - made).total_seconds() / 86400)
