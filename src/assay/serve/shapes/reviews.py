"""Reviews: rows that people decide on, blind to one another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from assay.serve.shapes.base import Id, In, Line, Moment, Name, Out, Text, UserName


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
