"""A log in a PostgreSQL data base: one table for all logs, the path the primary key.

    create table assay_log (log text, path text, data bytea, primary key (log, path))

Safe with several processes on several machines. What it assumes: a server that keeps what it has committed (`fsync` and
`synchronous_commit` are on, as they are by default), and a connection that goes to the primary. Needs the package pg8000 (extra
`postgres`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from assay.dataset.errors import DataError
from assay.ledger.storage import differs, lost

SCHEMES = ("postgresql", "postgres")
PORT = 5432
# "C": paths are compared by their bytes, as `list` sorts them, whatever the data base's language is.
TABLE = """create table if not exists assay_log
    (log text collate "C" not null, path text collate "C" not null, data bytea not null, primary key (log, path))"""
TOGETHER = 16 << 20  # bytes sent in one statement: the server holds a few times as much


class Postgres:
    """The log `name` in the data base at `url`, "postgresql://user@host:port/database".

    The password comes from the variable PGPASSWORD. `?sslmode=verify-full` encrypts and checks the server's certificate. Raises
    DataError where the server does not answer.
    """

    def __init__(self, url: str, name: str) -> None:
        self._log = name
        self._mutex = threading.RLock()
        self._depth = 0
        self._db = _connect(url)
        with self._mutex:
            if not self._db.run("select to_regclass('assay_log')")[0][0]:
                with self._transaction():
                    self._db.run("select pg_advisory_xact_lock(7240913)")  # two that create a table at once: one of them fails
                    self._db.run(TABLE)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.run("begin")
        try:
            yield
        except BaseException:
            self._db.run("rollback")
            raise
        self._db.run("commit")

    def get(self, path: str) -> bytes | None:
        with self._mutex:
            found = self._db.run("select data from assay_log where log = :log and path = :path", log=self._log, path=path)
        return bytes(found[0][0]) if found else None

    def put_new(self, items: Mapping[str, bytes]) -> None:
        with self._mutex, self._transaction():
            for part in _parts(items):
                self._put(part)

    def _put(self, items: Mapping[str, bytes]) -> None:
        rows = "select :log, p, d from unnest(cast(:paths as text[]), cast(:datas as bytea[])) as new(p, d)"
        made = self._db.run(
            f"insert into assay_log {rows} on conflict do nothing returning path",
            log=self._log,
            paths=list(items),
            datas=list(items.values()),
        )
        there = set(items) - {path for (path,) in made}
        if there:
            query = "select path, data from assay_log where log = :log and path = any(cast(:paths as text[]))"
            for path, data in self._db.run(query, log=self._log, paths=sorted(there)):
                if bytes(data) != items[path]:
                    raise differs(path)

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        if old is None:
            query = "insert into assay_log values (:log, :path, :new) on conflict do nothing returning 1"
        else:
            query = "update assay_log set data = :new where log = :log and path = :path and data = :old returning 1"
        with self._mutex:
            if not self._db.run(query, log=self._log, path=path, new=new, **({} if old is None else {"old": old})):
                raise lost(path)

    def remove(self, paths: Iterable[str]) -> None:
        gone = list(paths)
        with self._mutex:
            self._db.run("delete from assay_log where log = :log and path = any(cast(:paths as text[]))", log=self._log, paths=gone)

    def list(self, prefix: str) -> list[str]:
        query = "select path from assay_log where log = :log and path >= :start and starts_with(path, :start) order by path"
        with self._mutex:
            return [str(path) for (path,) in self._db.run(query, log=self._log, start=prefix)]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one connection; the server lets go of it when that ends, however it ends."""
        with self._mutex:
            if not self._depth:
                self._db.run("select pg_advisory_lock(hashtextextended(:log, 7240913))", log=self._log)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    self._db.run("select pg_advisory_unlock(hashtextextended(:log, 7240913))", log=self._log)


def _parts(items: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    part: dict[str, bytes] = {}
    size = 0
    for path, data in items.items():
        if part and size + len(data) > TOGETHER:
            yield part
            part, size = {}, 0
        part[path] = data
        size += len(data)
    if part:
        yield part


def _connect(url: str) -> Any:
    try:
        import pg8000.native
    except ImportError as error:
        raise DataError("a log in PostgreSQL needs the package pg8000", remedy="pip install 'assay[postgres]'") from error
    parts = urlsplit(url)
    asked = parse_qs(parts.query).get("sslmode", ["disable"])[0]
    if parts.scheme not in SCHEMES or not parts.hostname or not parts.path.strip("/") or asked not in ("disable", "verify-full"):
        raise DataError(f"{url!r} names no data base", remedy="write postgresql://user@host:5432/database, with ?sslmode=verify-full")
    if parts.password is not None:
        raise DataError("a password does not belong into an address that is kept", remedy="leave it out, and set PGPASSWORD")
    try:
        return pg8000.native.Connection(
            unquote(parts.username or os.environ.get("PGUSER", "")),
            host=parts.hostname,
            port=parts.port or PORT,
            database=unquote(parts.path.strip("/")),
            password=os.environ.get("PGPASSWORD"),
            ssl_context=asked == "verify-full",
        )
    except (pg8000.native.Error, OSError) as error:
        raise DataError(
            f"PostgreSQL at {parts.hostname} does not let us in ({error})", remedy="check the address and PGPASSWORD"
        ) from error
