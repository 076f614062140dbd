"""What the log amounts to so far, in SQLite: rebuilt from the log at any time, so never a source of truth.

The index remembers which head it was folded to. If the log it is asked about does not hold that head, it is thrown away
and made again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.ledger.approval import Brought, Policy, Source, policy_of, read_approval
from assay.ledger.errors import Refused, Tampered

Int = NDArray[np.int64]

LAYOUT = "8"  # of the tables below; another number makes the index anew
TABLES = """
create table head (size integer, root blob, layout text, time text);
create table ledger (origin text, approvers text, threshold integer, since integer);
create table names (id integer primary key, name text unique);
create table sources (name text primary key, registration integer, leaf blob, licence text, contact text, method text, url text,
    revoked integer, reason text);
create table approvals (source text, event integer, note text);
create table rows (row integer primary key, source integer, contributor integer, label integer, commitment blob, removed integer,
    day text);
create table parents (row integer, parent integer, primary key (row, parent)) without rowid;
create table labels (event integer primary key, row integer, label integer, annotator integer);
create table decisions (event integer primary key, row integer, decision text, reviewer text);
create table snapshots (name text primary key, event integer, size integer, root text, rows text, parent text);
create table models (event integer primary key, model text, digest text, snapshot text);
create table aliases (event integer primary key, alias text, model text);
create table steps (event integer primary key, name text, kind text, inputs text, output text, code text, parameters text);
create table scans (event integer primary key, fingerprint text, verdict text, report text, findings integer);
create table statements (event integer primary key, predicate text, payload text);
create table rotations (event integer primary key, before text, key text);
create table quarantine (event integer primary key, source text, fingerprint text, records integer, reason text, decision text);
create table violations (event integer, problem text);
create index rows_source on rows (source);
create index rows_contributor on rows (contributor);
create index parents_parent on parents (parent);
create index labels_row on labels (row);
create index models_snapshot on models (snapshot);
"""
CACHE = 65_536  # KiB of pages in memory: with SQLite's 2 MiB, inserting a million rows into three indexes waits for the disk
PATIENCE = 300.0  # seconds to wait for another process that folds a long log
BATCH = 500  # parameters of one SQL statement


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)


class Index:
    """The folded log in the SQLite file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = _connect(path)
        if self._layout() != LAYOUT:
            self.clear()

    def _layout(self) -> str | None:
        try:
            self._settings()
            found = self.db.execute("select layout from head").fetchone()
        except sqlite3.DatabaseError:
            return None
        return None if found is None else str(found[0])

    def _settings(self) -> None:
        self.db.execute(f"pragma cache_size = -{CACHE}")
        self.db.execute("pragma synchronous = off")  # it can be made again

    def clear(self) -> None:
        """Throw everything away."""
        self.db.close()
        self.path.unlink(missing_ok=True)
        self.db = _connect(self.path)
        self._settings()
        with self.transaction():
            if self._layout() != LAYOUT:  # nobody else has made it meanwhile
                for statement in TABLES.split(";")[:-1]:
                    self.db.execute(statement)
                self.db.execute("insert into head values (0, null, ?, '')", (LAYOUT,))

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def head(self) -> tuple[int, bytes | None]:
        """(size, root) that it was folded to."""
        size, root = self.db.execute("select size, root from head").fetchone()
        return int(size), root

    def time(self) -> str:
        """Of the last event."""
        return str(self.db.execute("select time from head").fetchone()[0])

    def name_id(self, name: str | None) -> int | None:
        """The number under which a contributor, source or label is kept."""
        if name is None:
            return None
        self.db.execute("insert or ignore into names (name) values (?)", (name,))
        return int(self.db.execute("select id from names where name = ?", (name,)).fetchone()[0])

    def policy(self) -> Policy:
        """Raises Refused where the log does not begin as a ledger does."""
        found = self.db.execute("select origin, approvers, threshold, since from ledger").fetchone()
        if found is None:
            raise Refused("this log is no ledger: its first event is not ledger.created", remedy="assay ledger init")
        return policy_of(found[0], found[1].split("\n"), int(found[2]), int(found[3]))

    def source(self, name: str) -> Source:
        """A source with the approvals of those who are approvers now. Raises Refused where no such source is registered."""
        found = self.db.execute("select * from sources where name = ?", (name,)).fetchone()
        if found is None:
            known = ", ".join(self.source_names()) or "none"
            raise Refused(f"no source {name!r} is registered; there are: {known}", remedy="assay ledger source add")
        source = Source(*found)
        policy = self.policy()
        notes = self.db.execute("select note from approvals where source = ? order by event", (name,)).fetchall()
        for (note,) in notes:
            try:
                source = source.approved(*read_approval(policy, source, note))
            except Tampered:  # checked when it was logged; its key is an approver's no longer, so it does not count
                continue
        return source

    def source_names(self) -> list[str]:
        return [name for (name,) in self.db.execute("select name from sources order by registration")]

    def brought(self, source: str, day: str = "", contributors: Iterable[str | None] = ()) -> Brought:
        """What the source has brought so far; `day` like "2026-11-21", and of the contributors only these."""
        number = self.name_of(source)
        rows, today = self.db.execute("select count(*), coalesce(sum(day = ?), 0) from rows where source = ?", (day, number)).fetchone()
        query = "select count(*) from rows where contributor is ? and source = ?"
        by = {name: int(self.db.execute(query, (self.name_of(name), number)).fetchone()[0]) for name in contributors}
        return Brought(int(rows), int(today), by)

    def name_of(self, name: str | None) -> int | None:
        """The number of a name, or -1 where nothing has it; None for None."""
        if name is None:
            return None
        found = self.db.execute("select id from names where name = ?", (name,)).fetchone()
        return -1 if found is None else int(found[0])

    def column(self, query: str, parameters: Sequence[object] = ()) -> Int:
        """The first column of a query as numbers."""
        return np.array([value for (value,) in self.db.execute(query, parameters)], np.int64)

    def select(self, query: str, rows: Int) -> list[tuple[Any, ...]]:
        """The results of `query` with `in (?)` filled by these row numbers, part by part."""
        found: list[tuple[Any, ...]] = []
        values = rows.tolist()
        for start in range(0, len(values), BATCH):
            part = values[start : start + BATCH]
            found += self.db.execute(query.replace("(?)", f"({','.join('?' * len(part))})"), part).fetchall()
        return found

    def label(self, row: int) -> str | None:
        """The label that a row has now; None for none."""
        found = self.db.execute("select name from rows join names on rows.label = names.id where row = ?", (row,)).fetchone()
        return None if found is None else str(found[0])

    def live(self, rows: Int) -> Int:
        """Those of `rows` that are rows of the ledger and have not been removed, ascending."""
        return np.array(sorted(self.commitments(rows)), np.int64)

    def commitments(self, rows: Int, *, removed: bool = False) -> dict[int, bytes]:
        """What the log says of those of `rows` that have not been removed, or of all that are rows."""
        which = "select row, commitment from rows where " + ("true" if removed else "removed is null")
        if len(rows) > 20 * BATCH:  # one pass is quicker than many questions
            wanted = set(rows.tolist())
            every = self.db.execute(which)
            return {row: commitment for row, commitment in every if row in wanted}
        return dict(self.select(f"{which} and row in (?)", np.unique(rows)))

    def violations(self) -> list[tuple[int, str]]:
        """(event, what it broke) of everything that was logged against the rules."""
        return [(int(event), str(problem)) for event, problem in self.db.execute("select event, problem from violations order by event")]
