"""Users, their tokens and their sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from assay.serve.access import Role, Scope
from assay.serve.shapes.base import Id, In, Moment, Name, Out, UserName


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
    scopes: Annotated[list[Scope], Field(default=["read"], min_length=1)]
    project_id: Id | None = None
    days: int = Field(default=90, ge=1, le=366)


class MadeToken(Token):
    """A new token: the only time that its secret is shown."""

    secret: str
