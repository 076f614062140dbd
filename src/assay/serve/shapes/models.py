"""Model files."""

from __future__ import annotations

from typing import Any, Literal

from assay.serve.shapes.base import Moment, Out


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
