"""What goes in and what comes out, as types: one source for the API's schema, the client and the pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from assay.serve.access import Role, Scope

Entry = TypeVar("Entry")


def _moment(value: Any) -> Any:
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else value


Moment = Annotated[datetime, BeforeValidator(_moment)]
# What people call things: one line, no control characters; it is shown, so its length is bounded.
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", strip_whitespace=True)]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
Text = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00]+$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{26}$")]


class In(BaseModel):
    """What comes in: an unknown field is a mistake, and said."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What goes out; made from a record as it is."""

    model_config = ConfigDict(from_attributes=True)


class Page(Out, Generic[Entry]):
    """Some of many, the newest first. `after` is where the next page begins; None on the last."""

    items: list[Entry]
    after: str | None = None


class Problem(Out):
    """An error, as RFC 9457 writes it. `kind` is a word that programs may rely on."""

    title: str
    status: int
    kind: str
    detail: str
    remedy: str | None = None


# users


class User(Out):
    id: str
    name: str
    role: Role
    disabled: bool
    created: Moment


class Me(Out):
    """Who one is to the service, and what one may do."""

    id: str
    name: str
    role: Role
    scopes: list[Scope]
    project: str | None
    csrf: str | None = Field(None, description="What a browser sends back as X-CSRF-Token")


class NewUser(In):
    name: UserName
    role: Role = "viewer"
    password: Annotated[str, StringConstraints(min_length=12, max_length=1000)] | None = None


class UserChange(In):
    role: Role | None = None
    disabled: bool | None = None
    password: Annotated[str, StringConstraints(min_length=12, max_length=1000)] | None = None


class Login(In):
    """A name and its password, or a token."""

    name: str | None = Field(None, max_length=64)
    password: str | None = Field(None, max_length=1000)
    token: str | None = Field(None, max_length=200)


class Token(Out):
    id: str
    name: str
    user_id: str
    scopes: list[Scope]
    project_id: str | None
    expires: Moment
    used: Moment | None
    revoked: bool
    created: Moment


class NewToken(In):
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)] = ["read"]
    project_id: Id | None = None
    days: int = Field(90, ge=1, le=366)


class MadeToken(Token):
    """A new token: the only time that its secret is shown."""

    secret: str


# projects, data sets, scans


class Project(Out):
    id: str
    name: str
    about: str
    created: Moment
    created_by: str
    archived: bool
    keep_days: int | None


class NewProject(In):
    name: Name
    about: Text = ""


class ProjectChange(In):
    about: Text | None = None
    archived: bool | None = None
    keep_days: int | None = Field(None, ge=1, le=36_500)


class ColumnNames(In):
    """What each column is for; inferred where it is left out."""

    content: list[Column] = Field([], max_length=1000)
    label: list[Column] = Field([], max_length=1000)
    id: Column | None = None
    contributor: Column | None = None
    source: Column | None = None
    time: Column | None = None
    task: Literal["classification", "multilabel", "regression", "pairs", "generation", "none"] | None = None


class Dataset(Out):
    """One version of a data set. `columns` is how they were understood, `asked` how the uploader named them."""

    id: str
    project_id: str
    name: str
    version: int
    created: Moment
    created_by: str
    file: str
    size: int
    sha256: str
    state: Literal["reading", "ready", "failed"]
    error: str | None
    asked: dict[str, Any]
    rows: int | None
    modality: Literal["image", "text", "table"] | None
    task: str | None
    columns: dict[str, Any]
    classes: list[str]
    notes: list[str]
    fingerprint: str | None
    job: Job | None = None


class Job(Out):
    """Work that waits, runs, or has ended."""

    id: str
    kind: str
    project_id: str | None
    subject: str
    created: Moment
    created_by: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    attempts: int
    cancel: bool
    progress: float
    what: str
    error: str | None
    started: Moment | None
    ended: Moment | None


class NewScan(In):
    """How to scan; see docs/commands.md, `assay scan`."""

    dataset_id: Id
    alpha: float = Field(0.01, gt=0, le=0.1)
    depth: Literal["fast", "full"] = "fast"
    seed: int = Field(0, ge=0, lt=2**53)
    canaries: bool = True
    trusted_id: Id | None = Field(None, description="A data set of rows known to be good")
    use_ledger: bool = Field(False, description="Let the project's ledger say who brought each row")


class Check(Out):
    name: str
    state: Literal["ran", "not_applicable", "not_planned", "not_installed", "failed"]
    reason: str
    seconds: float


class Sensitivity(Out):
    kind: str
    size: str
    carriers: int
    caught: int
    planted: int
    interval: tuple[float, float]


class Scan(Out):
    """A scan. What it concluded is there once its job is done; what did not run is in `checks`, with the reason."""

    id: str
    project_id: str
    dataset_id: str
    created: Moment
    created_by: str
    settings: dict[str, Any]
    job: Job
    verdict: Literal["poisoned", "suspect", "incomplete", "clean"] | None
    exit_code: int | None
    checks: list[Check]
    sensitivity: list[Sensitivity]
    blind_spots: list[str]
    notes: list[str]
    quarantined: int | None
    to_review: int | None
    findings: dict[str, int] = Field({}, description="How many of each status")


class Finding(Out):
    """A finding. `document` is the whole of it, as report.json has it, without the list of rows."""

    id: str
    project_id: str
    scan_id: str
    place: int
    name: str
    kind: str
    status: Literal["confirmed", "suspected", "shortcut"]
    target: str | None
    row_count: int
    log10_e: float | None
    log10_p: float | None
    document: dict[str, Any]


class RowMark(Out):
    """What a scan says of one row."""

    score: float | None
    action: Literal["quarantine", "review", "keep"]
    findings: list[str]
    screens: list[str]


class Row(Out):
    """One row of a data set. `picture`: its pixels are at `rows/{row}/picture`. `mark`: where a scan was named."""

    row: int
    key: str
    digest: str | None
    label: str | None
    cells: dict[str, Any]
    picture: bool
    unreadable: str | None
    mark: RowMark | None = None


class Rows(Out):
    items: list[Row]
    total: int
    offset: int


Dataset.model_rebuild()
