"""The tables. Times are milliseconds since 1970 (UTC); identifiers sort by the time they were made."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, MetaData, UniqueConstraint, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32 (2019): no i, l, o, u to be misread
STAMP, CHANCE = 10, 16  # characters of the time (to the year 10889) and of chance (80 bits)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """An identifier of 26 characters, the later the greater; 80 bits of it cannot be guessed.

    >>> len(new_id()), new_id()[:6] <= new_id()[:6]
    (26, True)
    """
    stamp, chance = now(), secrets.randbits(5 * CHANCE)
    value, length = (stamp << 5 * CHANCE) | chance, STAMP + CHANCE
    return "".join(ALPHABET[(value >> 5 * (length - 1 - i)) & 31] for i in range(length))


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012  # as SQLAlchemy asks for it


class _Made:
    """What every record has: its name, and when it was made."""

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created: Mapped[int] = mapped_column(default=now)


class UserRecord(_Made, Base):
    __tablename__ = "users"
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password: Mapped[str | None]  # scrypt, with its parameters and salt
    disabled: Mapped[bool] = mapped_column(default=False)


class TokenRecord(_Made, Base):
    __tablename__ = "tokens"
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)  # SHA-256 of the secret, which is random and long
    scopes: Mapped[list[Any]]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"))
    expires: Mapped[int]
    used: Mapped[int | None]
    revoked: Mapped[bool] = mapped_column(default=False)


class SessionRecord(_Made, Base):
    """A browser that is logged in. `id` is the hash of what its cookie holds."""

    __tablename__ = "sessions"
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    csrf: Mapped[str]
    expires: Mapped[int]


class ProjectRecord(_Made, Base):
    __tablename__ = "projects"
    name: Mapped[str] = mapped_column(unique=True)
    about: Mapped[str]
    created_by: Mapped[str]
    archived: Mapped[bool] = mapped_column(default=False)
    keep_days: Mapped[int | None]  # finished scans and their reports older than this are removed


class DatasetRecord(_Made, Base):
    """One version of a data set, as it was uploaded. A later upload under its name is the next version."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("project_id", "name", "version"),)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[str]
    file: Mapped[str]  # name of the file or folder below the data set's own folder
    size: Mapped[int]
    sha256: Mapped[str]
    state: Mapped[str]  # reading, ready, failed
    error: Mapped[str | None]
    asked: Mapped[dict[str, Any]]  # columns as the uploader named them
    rows: Mapped[int | None]
    modality: Mapped[str | None]
    task: Mapped[str | None]
    columns: Mapped[dict[str, Any]]  # as they were understood
    classes: Mapped[list[Any]]
    notes: Mapped[list[Any]]
    fingerprint: Mapped[str | None] = mapped_column(index=True)


class JobRecord(_Made, Base):
    """Work to be done by a worker. Whoever holds an unexpired lease does it."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state_created", "state", "created"), Index("ix_jobs_subject", "subject"))
    kind: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"), index=True)
    subject: Mapped[str]  # identifier of what it is about
    created_by: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]  # queued, running, done, failed, cancelled
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    worker: Mapped[str | None]
    lease: Mapped[int | None]  # until when the worker has it
    cancel: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[float] = mapped_column(default=0.0)
    what: Mapped[str] = mapped_column(default="")
    error: Mapped[str | None]
    started: Mapped[int | None]
    ended: Mapped[int | None]


class ScanRecord(_Made, Base):
    __tablename__ = "scans"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    created_by: Mapped[str]
    settings: Mapped[dict[str, Any]]
    verdict: Mapped[str | None]
    exit_code: Mapped[int | None] = mapped_column(Integer)
    checks: Mapped[list[Any]]
    sensitivity: Mapped[list[Any]]
    blind_spots: Mapped[list[Any]]
    notes: Mapped[list[Any]]
    quarantined: Mapped[int | None]
    to_review: Mapped[int | None]


class FindingRecord(_Made, Base):
    __tablename__ = "findings"
    __table_args__ = (UniqueConstraint("scan_id", "name"),)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    scan_id: Mapped[str] = mapped_column(ForeignKey("scans.id"))
    place: Mapped[int] = mapped_column(Integer)  # strongest first
    name: Mapped[str]  # as the report calls it
    kind: Mapped[str]
    status: Mapped[str]
    target: Mapped[str | None]
    row_count: Mapped[int]
    log10_e: Mapped[float | None]
    log10_p: Mapped[float | None]
    document: Mapped[dict[str, Any]]  # the whole finding of report.json, its rows left out


class ReviewRecord(_Made, Base):
    """A review; its rows and its hash-chained decisions lie in its folder."""

    __tablename__ = "reviews"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"))
    scan_id: Mapped[str | None] = mapped_column(ForeignKey("scans.id"))
    name: Mapped[str]
    created_by: Mapped[str]
    state: Mapped[str]  # reading, ready, failed
    error: Mapped[str | None]
    asked: Mapped[dict[str, Any]]  # how it is to be made
    each: Mapped[int] = mapped_column(Integer)
    rows: Mapped[int | None]
    classes: Mapped[list[Any]]
    reviewers: Mapped[list[Any]]


class ApproverRecord(_Made, Base):
    """The public key with which a person approves sources; the secret one sealed under a passphrase that is not kept."""

    __tablename__ = "approvers"
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), unique=True)
    public: Mapped[str]
    sealed: Mapped[str | None]  # None: the person keeps it


class LedgerRecord(_Made, Base):
    """A project's ledger, which lies in a folder; there is one at most."""

    __tablename__ = "ledgers"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), unique=True)
    origin: Mapped[str]
    public: Mapped[str]
    created_by: Mapped[str]


class ModelRecord(_Made, Base):
    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("project_id", "name", "version"),)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[str]
    file: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    state: Mapped[str]  # reading, ready, failed
    error: Mapped[str | None]
    risk: Mapped[str | None]
    examination: Mapped[dict[str, Any]]


def next_version(db: Session, kind: type[DatasetRecord | ModelRecord], project: str, name: str) -> int:
    """The version that a new data set or model of that name gets; the first is 1."""
    latest = db.scalar(select(func.max(kind.version)).where(kind.project_id == project, kind.name == name))
    return (latest or 0) + 1


class MonitorRecord(_Made, Base):
    """A watch over a deployed model; its baseline, journal and alerts lie in its folder."""

    __tablename__ = "monitors"
    __table_args__ = (UniqueConstraint("project_id", "name"),)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"))  # the trusted period
    name: Mapped[str]
    created_by: Mapped[str]
    state: Mapped[str]  # reading, ready, failed
    error: Mapped[str | None]
    asked: Mapped[dict[str, Any]]
    baseline: Mapped[str | None]  # its digest


class WebhookRecord(_Made, Base):
    __tablename__ = "webhooks"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    url: Mapped[str]
    secret: Mapped[str]  # signs what is sent
    created_by: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)
    error: Mapped[str | None]


class IncidentRecord(_Made, Base):
    __tablename__ = "incidents"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    title: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str]  # open, contained, closed
    created_by: Mapped[str]
    scan_id: Mapped[str | None] = mapped_column(ForeignKey("scans.id"))
    finding: Mapped[str | None]
    monitor_id: Mapped[str | None] = mapped_column(ForeignKey("monitors.id"))
    alert: Mapped[int | None]
    steps: Mapped[list[Any]]


class IncidentEventRecord(_Made, Base):
    __tablename__ = "incident_events"
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    by: Mapped[str]
    what: Mapped[str]
    document: Mapped[dict[str, Any]]


class RemediationRecord(_Made, Base):
    """What was done about an incident's scan; its journal and what it made lie in its folder."""

    __tablename__ = "remediations"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    scan_id: Mapped[str] = mapped_column(ForeignKey("scans.id"))
    job_id: Mapped[str]  # the latest; jobs are removed when they are old, and this stays
    created_by: Mapped[str]
    asked: Mapped[dict[str, Any]]  # signed notes among it, and no secrets
    state: Mapped[str]  # open, shown, done, undone
    steps: Mapped[list[Any]]
    undone: Mapped[list[Any]]
    verified: Mapped[bool | None]
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"))
    models: Mapped[list[Any]]


class AuditRecord(Base):
    """What was done, written with what it did in one transaction, and then logged in the order of `id`."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    created: Mapped[int] = mapped_column(default=now)
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(index=True)
    document: Mapped[dict[str, Any]]
    entry: Mapped[int | None] = mapped_column(index=True)  # its number in the log
