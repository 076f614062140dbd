"""What every list takes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from assay.serve.shapes import Id

After = Annotated[Id | None, Query(description="Where the page before ended")]
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=2**40)]
