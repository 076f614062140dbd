"""Which model serves: versions that people vouched for or withdrew, aliases, and their moves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from assay.serve.shapes.base import Id, In, Moment, Out

AliasName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Why = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Judgement(In):
    """attested: somebody vouches for it, and a rollback may go to it. withdrawn: nothing goes back to it. reinstated: it may again."""

    state: Literal["attested", "withdrawn", "reinstated"]
    note: Why


class NewMove(In):
    """Let an alias mean this model."""

    model_id: Id
    reason: Why


class Back(In):
    """Go back to the newest attested version that the alias meant before."""

    reason: Why


class Training(In):
    """On which snapshot of the project's ledger a model was trained."""

    snapshot: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Version(Out):
    """A model that somebody judged, or that an alias has meant. `model_id`: None for one that was removed from here."""

    version: str
    model_id: str | None
    digest: str
    attested: bool
    withdrawn: bool


class Move(Out):
    """An alias got another version; `back`: by a rollback."""

    alias: str
    version: str
    time: Moment
    by: str
    reason: str
    back: bool


class Alias(Out):
    alias: str
    version: str
    model_id: str | None


class Registry(Out):
    """`moves`: the latest first. `head` binds all of the history: log it where that matters."""

    aliases: list[Alias]
    versions: list[Version]
    moves: list[Move]
    head: str
