"""Data sets and their rows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from assay.serve.shapes.base import Column, In, Moment, Out
from assay.serve.shapes.jobs import Job


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
