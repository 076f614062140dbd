"""Approvers, sources, the ledger and its events; and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from assay.serve.shapes.base import Id, In, Line, Moment, Out, UserName


class NewApprover(In):
    """Either the public key of a key that one keeps (`assay ledger key`), or a passphrase under which the service keeps a new one."""

    public: Line | None = None
    passphrase: Annotated[str, StringConstraints(min_length=12, max_length=1000)] | None = None


class Approver(Out):
    user_id: str
    public: str
    sealed: bool = Field(description="Whether the service keeps the secret key, under a passphrase that it does not know")


class NewLedger(In):
    """A project's ledger. `threshold` of the approvers must agree to a source; each of them is another person with a key of their own."""

    origin: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")]
    approvers: Annotated[list[UserName], Field(min_length=1, max_length=50)]
    threshold: int = Field(default=1, ge=1)


class Ledger(Out):
    origin: str
    public: str
    size: int
    root: str
    approvers: list[str]
    threshold: int
    snapshots: list[str]
    violations: int


class ScopeIn(In):
    """What an approval covers; None: without limit."""

    expires: Annotated[str, StringConstraints(max_length=40)]
    rows: int | None = Field(default=None, ge=0, lt=2**53)
    daily: int | None = Field(default=None, ge=0, lt=2**53)
    each: int | None = Field(default=None, ge=0, lt=2**53)
    labels: list[Line] | None = Field(default=None, max_length=1000)
    pin: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class NewSource(In):
    source: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    licence: Line
    contact: Line
    method: Line
    url: Line = ""


class Approval(Out):
    approver: str
    expires: str
    rows: int | None
    daily: int | None
    each: int | None
    labels: list[str] | None
    pin: str | None


class Source(Out):
    """`standing`: whether it may bring rows now; `why` says why not."""

    source: str
    licence: str
    contact: str
    method: str
    url: str
    rows: int
    revoked: int
    approvals: list[Approval]
    needed: int
    standing: bool
    why: str | None


class NewApproval(In):
    """A scope, signed with the sealed key that the passphrase opens; or a note that was signed elsewhere."""

    scope: ScopeIn | None = None
    passphrase: str | None = Field(default=None, max_length=1000)
    note: str | None = Field(default=None, max_length=100_000)


class Revocation(In):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f]+$")]
    passphrase: str | None = Field(default=None, max_length=1000)
    note: str | None = Field(default=None, max_length=100_000)


class Ingest(In):
    """Log the rows of a data set as brought by an approved source, and take a snapshot where it is named; without a source that alone."""

    dataset_id: Id
    source: Line | None = None
    contributor: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    snapshot: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None


class LedgerEvent(Out):
    number: int
    type: str
    time: str
    actor: str
    body: dict[str, Any]


class LedgerEvents(Out):
    items: list[LedgerEvent]
    total: int
    start: int


class ShareOf(Out):
    name: str
    rows: int
    of: int
    p_value: float
    adjusted: float
    stands_out: bool


class TraceOut(Out):
    """What lies behind a finding. Row numbers are the ledger's."""

    finding: str
    rows: int
    removed: int
    scanned: int
    unknown: int
    first_rows: list[int]
    contributors: list[ShareOf]
    sources: list[ShareOf]
    annotators: list[ShareOf]
    others: int
    snapshots: list[str]
    models: list[str]


class AuditNote(Out):
    """What was done. `entry` is its number in the audit log, None for the half second before it is there."""

    id: int
    created: Moment
    actor: str
    action: str
    subject: str
    project_id: str | None
    document: dict[str, Any]
    entry: int | None
