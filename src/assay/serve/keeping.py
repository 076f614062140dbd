"""Backup, restore, and what is removed when it has been kept long enough.

A backup is one tar file: `database/TABLE.jsonl` (every record), `files/`, `keys/`, and last `manifest.json` with the SHA-256 of each. It is
taken while the service runs: the records are of one moment, and files are copied after them in an order that makes each of them whole.
As the records are plain JSON, a backup of an embedded data base can be restored into PostgreSQL, and the other way round.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, func, insert, select, text, update

from assay.dataset.atomic import whole
from assay.dataset.errors import DataError
from assay.ledger.paths import CHECKPOINT
from assay.ledger.storage import Folder
from assay.serve import audit
from assay.serve.access import SYSTEM
from assay.serve.database import Database
from assay.serve.files import Files
from assay.serve.records import (
    Base,
    FindingRecord,
    IncidentRecord,
    JobRecord,
    MonitorRecord,
    ProjectRecord,
    ReviewRecord,
    ScanRecord,
    SessionRecord,
    TokenRecord,
    now,
)
from assay.serve.settings import Settings
from assay.version import __version__

SCHEMA = "assay.backup/1"
MANIFEST = "manifest.json"
BATCH = 1000  # records written at once
DAY = 86_400_000  # milliseconds
SKIPPED = (".part", ".tmp", ".new")  # files on their way to their place
JOURNAL_FIRST = "journal"  # of a watch: a snapshot made meanwhile then holds what the journal no longer does


@dataclass(frozen=True)
class Backup:
    """What a backup holds."""

    files: int
    bytes: int
    records: int


class _Hashed(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.hash = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hash.update(data)
        return data


def backup(settings: Settings, out: Path) -> Backup:
    """Write a backup at `out`, whole or not at all. It holds secret keys: keep it as such."""
    database = Database(settings.url)
    if not database.current():
        raise DataError("the data base has other tables than this version's", path=settings.data, remedy="start assay serve once first")
    made: dict[str, str] = {}
    total = records = 0
    try:
        with whole(out) as (new,), open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w") as tar:
                with tempfile.TemporaryDirectory(prefix=".assay-backup-", dir=settings.data) as scratch:
                    records = _dump(database, Path(scratch))
                    for path in sorted(Path(scratch).iterdir()):
                        total += _put(tar, path, f"database/{path.name}", made)
                for root, name in ((settings.files, "files"), (settings.keys, "keys")):
                    for log in [*_logs(root), None]:
                        with nullcontext() if log is None else Folder(log).lock():
                            for path in _paths(root if log is None else log, root, log):
                                total += _put(tar, path, f"{name}/{path.relative_to(root).as_posix()}", made)
                said = {"schema": SCHEMA, "version": __version__, "revision": _revision(database), "created": now(), "files": made}
                data = json.dumps(said, indent=1).encode()
                member = tarfile.TarInfo(MANIFEST)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            raw.flush()
            os.fsync(raw.fileno())
    finally:
        database.close()
    return Backup(len(made), total, records)


def _revision(database: Database) -> str:
    with database.engine.connect() as connection:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _dump(database: Database, out: Path) -> int:
    """Every record of one moment, a file a table."""
    count = 0
    isolation: dict[str, Any] = {} if database.sqlite else {"isolation_level": "REPEATABLE READ"}
    with database.engine.connect().execution_options(**isolation) as connection:
        for table in Base.metadata.sorted_tables:
            with (out / f"{table.name}.jsonl").open("w", encoding="utf-8") as file:
                for record in connection.execute(select(table).order_by(table.c.id)).mappings():
                    file.write(json.dumps(dict(record)) + "\n")
                    count += 1
    return count


def _logs(root: Path) -> list[Path]:
    """Folders that hold a transparency log: copied under its lock, for tiles that become full replace partial ones."""
    return sorted(path.parent for path in root.glob(f"*/{CHECKPOINT}")) + sorted(path.parent for path in root.glob(f"*/*/{CHECKPOINT}"))


def _paths(folder: Path, root: Path, log: Path | None) -> Iterator[Path]:
    """Files below `folder`, those of a journal first; logs have their own turn."""
    apart = set() if log is not None else set(_logs(root))
    found = []
    for at, folders, names in os.walk(folder):
        here = Path(at)
        folders[:] = sorted(name for name in folders if here / name not in apart)
        found += [here / name for name in names if not name.endswith(SKIPPED) and not (here / name).is_symlink()]
    yield from sorted(found, key=lambda path: (path.parent.name != JOURNAL_FIRST, path))


def _put(tar: tarfile.TarFile, path: Path, name: str, made: dict[str, str]) -> int:
    try:
        with path.open("rb") as file:
            member = tarfile.TarInfo(name)
            held = os.fstat(file.fileno())
            member.size, member.mtime, member.mode = held.st_size, int(held.st_mtime), held.st_mode & 0o700 | 0o600
            hashed = _Hashed(file)
            tar.addfile(member, hashed)  # as many bytes as it had when it was opened: files that grow only grow at the end
    except FileNotFoundError:  # removed since it was listed: a journal that a snapshot has taken the place of
        return 0
    made[name] = hashed.hash.hexdigest()
    return member.size


def restore(settings: Settings, source: Path) -> Backup:
    """Bring a backup back, into an empty folder and an empty data base. Every file is checked; nothing is left where one does not hold.

    Jobs that ran are queued again, and browsers are logged out.
    """
    if settings.data.exists() and any(settings.data.iterdir()):
        raise DataError("is there already, and nothing is overwritten", path=settings.data, remedy="give a folder that is new or empty")
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(source) as tar:
            tar.extractall(settings.data, filter="data")
        said = json.loads((settings.data / MANIFEST).read_text("utf-8"))
        if said.get("schema") != SCHEMA:
            raise DataError(f"is not of the schema {SCHEMA}", path=source, remedy="use the version of Assay that made it")
        _check(settings.data, said["files"], source)
        records = _load(settings, said["revision"])
    except (tarfile.TarError, OSError, KeyError, ValueError) as error:
        _empty(settings.data)
        raise DataError(f"cannot be restored ({error})", path=source, remedy="give a whole backup") from error
    except BaseException:
        _empty(settings.data)
        raise
    shutil.rmtree(settings.data / "database")
    (settings.data / MANIFEST).unlink()
    settings.keys.mkdir(mode=0o700, exist_ok=True)
    settings.keys.chmod(0o700)
    size = sum((settings.data / name).stat().st_size for name in said["files"] if not name.startswith("database/"))
    return Backup(len(said["files"]), size, records)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _check(root: Path, files: dict[str, str], source: Path) -> None:
    for name, expected in files.items():
        with (root / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise DataError(f"{name} is not as it was written", path=source, remedy="use another backup")


def _load(settings: Settings, revision: str) -> int:
    database = Database(settings.url)
    count = 0
    try:
        database.upgrade()
        if _revision(database) != revision:
            raise DataError(f"the backup is of revision {revision}", path=settings.data, remedy="restore it with the version that made it")
        with database.writer.begin() as connection:
            if connection.scalar(select(func.count()).select_from(Base.metadata.tables["users"])):
                raise DataError("the data base is not empty", path=database.url.render_as_string(), remedy="give an empty one")
            for table in Base.metadata.sorted_tables:
                with (settings.data / "database" / f"{table.name}.jsonl").open(encoding="utf-8") as file:
                    count += _insert(connection, table, file)
            running = Base.metadata.tables["jobs"]
            connection.execute(update(running).where(running.c.state == "running").values(state="queued", lease=None))
            connection.execute(Base.metadata.tables["sessions"].delete())
            if not database.sqlite:
                connection.execute(text("SELECT setval(pg_get_serial_sequence('audit', 'id'), (SELECT COALESCE(MAX(id), 1) FROM audit))"))
    finally:
        database.close()
    return count


def _insert(connection: Connection, table: Any, lines: Any) -> int:
    count, batch = 0, []
    for line in lines:
        batch.append(json.loads(line))
        if len(batch) == BATCH:
            connection.execute(insert(table), batch)
            count, batch = count + len(batch), []
    if batch:
        connection.execute(insert(table), batch)
    return count + len(batch)


@dataclass(frozen=True)
class Retained:
    """What was removed, or would be."""

    scans: int
    jobs: int
    sessions: int
    tokens: int


def retain(database: Database, files: Files, days: int | None = None, *, dry_run: bool = False) -> Retained:
    """Remove scans that are older than their project keeps them (`days` where it says nothing; None: for ever), with their reports; jobs
    of the same age that belong to no scan; sessions and tokens that are long over.

    A scan that an incident, a review or a monitor goes by is kept. The audit log and ledgers are never cut.
    """
    removed: list[tuple[str, str]] = []
    jobs = sessions = tokens = 0
    with database.write() as db:
        for project in db.scalars(select(ProjectRecord)):
            keep = project.keep_days if project.keep_days is not None else days
            if keep is None:
                continue
            limit = now() - keep * DAY
            used = {id for column in (IncidentRecord.scan_id, ReviewRecord.scan_id) for id in db.scalars(select(column))}
            used |= {asked["scan_id"] for asked in db.scalars(select(MonitorRecord.asked)) if asked.get("scan_id")}
            old = select(ScanRecord, JobRecord).join(JobRecord, JobRecord.id == ScanRecord.job_id)
            old = old.where(ScanRecord.project_id == project.id, JobRecord.ended < limit)
            for scan, job in db.execute(old).all():
                if scan.id in used:
                    continue
                removed.append((project.id, scan.id))
                if not dry_run:
                    for finding in db.scalars(select(FindingRecord).where(FindingRecord.scan_id == scan.id)):
                        db.delete(finding)
                    db.flush()
                    db.delete(scan)
                    db.flush()
                    db.delete(job)
            ended = select(JobRecord).where(JobRecord.project_id == project.id, JobRecord.ended < limit, JobRecord.kind != "scan")
            for job in db.scalars(ended):
                jobs += 1
                if not dry_run:
                    db.delete(job)
        for held in db.scalars(select(SessionRecord).where(SessionRecord.expires < now())):
            sessions += 1
            if not dry_run:
                db.delete(held)
        for token in db.scalars(select(TokenRecord).where(TokenRecord.expires < now() - 90 * DAY)):
            tokens += 1
            if not dry_run:
                db.delete(token)
        if removed and not dry_run:
            audit.note(db, SYSTEM, "retention.removed", "scans", None, scans=len(removed), jobs=jobs)
    if not dry_run:  # after the commit: a record without its report is told as such, a report without its record is never found
        for project_id, scan_id in removed:
            shutil.rmtree(files.scan(project_id, scan_id), ignore_errors=True)
    return Retained(len(removed), jobs, sessions, tokens)
