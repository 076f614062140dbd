"""Pages of a list: the newest first, a page at a time, told apart by identifiers (which sort by time)."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import Session

from assay.serve.shapes import Page

Shape = TypeVar("Shape", bound=BaseModel)


def page(db: Session, query: Select[Any], column: Any, shape: type[Shape], after: str | None, limit: int) -> Page[Shape]:
    """Records of `query` in falling order of `column` (an identifier), as `shape`. `after`: where the page before ended."""
    if after is not None:
        query = query.where(column < after)
    found = db.scalars(query.order_by(column.desc()).limit(limit + 1)).all()
    more = len(found) > limit
    return Page(items=[shape.model_validate(record) for record in found[:limit]], after=found[limit - 1].id if more else None)
