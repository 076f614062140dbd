"""What all shapes are made of: the kinds of text that come in, pages of a list, and an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

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
