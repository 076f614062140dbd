"""Opens the data base, brings its tables up to date, and gives sessions to read or to write with.

SQLite is opened in WAL mode with full durability of commits; a writer begins as such (BEGIN IMMEDIATE), so that it waits for its turn
instead of failing half-way. PostgreSQL runs at READ COMMITTED; what must not happen twice is a conditional UPDATE, on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from assay.dataset.errors import DataError
from assay.serve.records import Base

MIGRATIONS = Path(__file__).with_name("migrations")
PATIENCE = 30.0  # seconds to wait for another writer of SQLite; the longest transaction of ours takes well under one
POOL = 20  # connections to PostgreSQL a process; its own default limit is 100
UPGRADE_LOCK = 0x61737361  # of PostgreSQL's advisory locks: two servers that start at once do not migrate at once


class Database:
    """The tables, behind an engine. `read` and `write` give a session each."""

    def __init__(self, url: str) -> None:
        """Raises DataError where the data base cannot be reached."""
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite:
            self.engine = create_engine(self.url, connect_args={"timeout": PATIENCE, "check_same_thread": False})
            event.listen(self.engine, "connect", _sqlite_connected)
            event.listen(self.engine, "begin", _sqlite_begins)
        else:
            self.engine = create_engine(self.url, pool_size=POOL, max_overflow=POOL, pool_pre_ping=True)
        self.writer = self.engine.execution_options(assay_writes=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at the end, or not at all."""
        with Session(self.writer, expire_on_commit=False) as session, session.begin():
            yield session

    def upgrade(self) -> None:
        """Bring the tables up to this version. Raises DataError where a newer version has been there, or nobody answers."""
        try:
            with self.writer.begin() as connection:
                if not self.sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": UPGRADE_LOCK})
                have, known = self._revision(connection)
                if have is not None and have not in known:
                    raise DataError(
                        f"the data base is at revision {have}, which this version does not know",
                        path=self.url.render_as_string(),
                        remedy="run the newer version of Assay that made it, or restore a backup from before",
                    )
                scripts = ScriptDirectory(str(MIGRATIONS))
                with EnvironmentContext(Config(), scripts, fn=lambda at, _: scripts._upgrade_revs("head", at)) as environment:
                    environment.configure(connection=connection, target_metadata=Base.metadata)
                    environment.run_migrations()
        except OperationalError as error:
            raise DataError(
                f"the data base cannot be opened ({error.orig})",
                path=self.url.render_as_string(),
                remedy="check its address, its password and that it runs",
            ) from error

    def current(self) -> bool:
        """Whether the data base answers and has this version's tables."""
        try:
            with self.engine.connect() as connection:
                return MigrationContext.configure(connection).get_current_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()
        except OperationalError:
            return False

    def _revision(self, connection: Any) -> tuple[str | None, set[str]]:
        known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
        return MigrationContext.configure(connection).get_current_revision(), known

    def close(self) -> None:
        self.engine.dispose()


def _sqlite_connected(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin when we say so, not before the first change
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begins(connection: Any) -> None:
    writes = connection.get_execution_options().get("assay_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
