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
    csrf: str | None = Field(default=None, description="What a browser sends back as X-CSRF-Token")


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

    name: str | None = Field(default=None, max_length=64)
    password: str | None = Field(default=None, max_length=1000)
    token: str | None = Field(default=None, max_length=200)


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
    days: int = Field(default=90, ge=1, le=366)


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
    keep_days: int | None = Field(default=None, ge=1, le=36_500)


class ColumnNames(In):
    """What each column is for; inferred where it is left out."""

    content: list[Column] = Field(default=[], max_length=1000)
    label: list[Column] = Field(default=[], max_length=1000)
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
    alpha: float = Field(default=0.01, gt=0, le=0.1)
    depth: Literal["fast", "full"] = "fast"
    seed: int = Field(default=0, ge=0, lt=2**53)
    canaries: bool = True
    trusted_id: Id | None = Field(default=None, description="A data set of rows known to be good")
    use_ledger: bool = Field(default=False, description="Let the project's ledger say who brought each row")


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
    findings: dict[str, int] = Field(default={}, description="How many of each status")


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


# reviews


class NewReview(In):
    """A review of what a scan puts up for it. Each row is looked at by `each` of the reviewers, blind to one another."""

    name: Name
    scan_id: Id
    reviewers: Annotated[list[UserName], Field(min_length=1, max_length=100)]
    each: int = Field(default=2, ge=1, le=10)
    rows: int = Field(default=200, ge=1, le=10_000)
    classes: list[Line] = Field(default=[], max_length=1000, description="What can be chosen; the data's own labels if left out")
    seed: int = Field(default=0, ge=0, lt=2**53)


class Review(Out):
    id: str
    project_id: str
    dataset_id: str
    scan_id: str | None
    name: str
    created: Moment
    created_by: str
    state: Literal["reading", "ready", "failed"]
    error: str | None
    each: int
    rows: int | None
    classes: list[str]
    reviewers: list[str]


class ReviewTask(Out):
    """A row that the caller has yet to decide on. Neither its label nor why it is here is told: who is told sees it."""

    row: int
    key: str


class ReviewQueue(Out):
    items: list[ReviewTask]
    left: int
    classes: list[str]


class NewDecision(In):
    """`label` None: cannot tell. `seconds` spent looking."""

    row: int = Field(ge=0)
    label: Line | None
    reason: Text = ""
    seconds: float = Field(default=0.0, ge=0, le=86_400)


class Look(Out):
    reviewer: str
    label: str | None
    reason: str
    at: str


class Outcome(Out):
    """What came of one row. `looks` are told once it is settled."""

    row: int
    key: str
    state: Literal["open", "settled", "escalated"]
    suspected: str | None
    label: str | None
    looks: list[Look]


class ReviewStatus(Out):
    """`alpha`: Krippendorff's, of all looks; None before two looks at a row."""

    settled: int
    open: int
    escalated: int
    alpha: float | None
    left: dict[str, int]
    outcomes: list[Outcome]


class Escalation(In):
    reviewer: UserName


# sources and the ledger


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
    """Log the rows of a data set as brought by an approved source, and take a snapshot where it is named."""

    dataset_id: Id
    source: Line
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


# models


class Model(Out):
    """A model file, never loaded. `risk`: what loading it would run; `examination` says what and where."""

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
    risk: Literal["none", "unknown code", "dangerous"] | None
    examination: dict[str, Any]


# monitors


class NewMonitor(In):
    """A watch over a deployed model. `dataset_id`: the events of a period that is known to be good. `fields` names their columns where
    they differ from docs/watch.md; `scan_id`: look for the artefacts of this scan in every input."""

    name: Name
    dataset_id: Id
    fields: dict[str, Any] = {}
    run_length: float | None = Field(default=None, ge=1, le=1e15)
    alarms_a_year: float = Field(default=1.0, ge=1e-6, le=1e6)
    block: int = Field(default=1, ge=1, le=100_000)
    triggers: bool = True
    scan_id: Id | None = None


class Monitor(Out):
    id: str
    project_id: str
    dataset_id: str
    name: str
    created: Moment
    created_by: str
    state: Literal["reading", "ready", "failed"]
    error: str | None
    baseline: str | None


class Events(In):
    """A batch. With a `name` it counts once, however often it is sent."""

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class Alert(Out):
    id: int
    key: str
    severity: Literal["notice", "warning", "critical"]
    title: str
    evidence: dict[str, Any]
    clock: int
    time: float | None
    last_clock: int
    count: int
    state: Literal["open", "acknowledged", "closed"]
    silenced: bool
    by: str | None
    note: str


class Taken(Out):
    """How many events are on disk now, and the alerts that they set off."""

    events: int
    alerts: list[Alert]


class Stream(Out):
    """One thing that is watched. `share` of the threshold: at 1 it alarms."""

    name: str
    share: float
    recent: float | None
    usual: float | None
    bound: float | None


class MonitorStatus(Out):
    promise: str
    predictions: int
    labels: int
    pending: int
    given_up: int
    orphans: int
    errors: tuple[float, float] | None
    strongest: list[Stream]
    alerts: list[Alert]
    silences: list[SilenceOut]


class SilenceOut(Out):
    pattern: str
    until: int
    by: str
    reason: str


class Answer(In):
    state: Literal["open", "acknowledged", "closed"]
    note: Text = ""


class NewSilence(In):
    """Send nothing about causes that match the pattern (* and ?), for so many predictions; they are still recorded."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    predictions: int = Field(ge=1, le=10**12)
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class NewWebhook(In):
    """Where a project's alerts go, as signed POSTs (docs/watch.md)."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Webhook(Out):
    id: str
    project_id: str
    url: str
    created: Moment
    created_by: str
    enabled: bool
    error: str | None


class MadeWebhook(Webhook):
    """A new webhook: the only time that the secret which signs is shown."""

    secret: str


# incidents


class NewIncident(In):
    """An incident, perhaps begun by a scan's finding or a monitor's alert."""

    title: Name
    severity: Literal["notice", "warning", "critical"] = "warning"
    scan_id: Id | None = None
    finding: Line | None = None
    monitor_id: Id | None = None
    alert: int | None = Field(default=None, ge=1, lt=2**53)


class IncidentChange(In):
    """What is done about it. `step`: the number of a step of the check list, which is done with this; or not any more."""

    state: Literal["open", "contained", "closed"] | None = None
    step: int | None = Field(default=None, ge=0, le=100)
    done: bool = True
    note: Text = ""


class IncidentEvent(Out):
    id: str
    created: Moment
    by: str
    what: str
    document: dict[str, Any]


class Step(Out):
    step: str
    done: bool
    by: str | None


class Incident(Out):
    id: str
    project_id: str
    title: str
    severity: str
    state: Literal["open", "contained", "closed"]
    created: Moment
    created_by: str
    scan_id: str | None
    finding: str | None
    monitor_id: str | None
    alert: int | None
    steps: list[Step]
    timeline: list[IncidentEvent] = []


Dataset.model_rebuild()
MonitorStatus.model_rebuild()
