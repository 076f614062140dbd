"""Projects."""

from __future__ import annotations

from pydantic import Field

from assay.serve.shapes.base import In, Moment, Name, Out, Text


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
