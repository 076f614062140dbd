"""Logging in and out, users and tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from pydantic import StringConstraints

from assay.serve import users
from assay.serve.access import Who
from assay.serve.api.doors import COOKIE, Keep, Look, Open, ServiceHere, address_of, check_same_site, door
from assay.serve.api.router import noun
from assay.serve.shapes import Id, In, Login, MadeToken, Me, NewToken, NewUser, Token, User, UserChange

router = noun("account")


class Password(In):
    password: Annotated[str, StringConstraints(min_length=12, max_length=1000)]


@router.post("/session", dependencies=[Open], status_code=201)
def log_in(request: Request, response: Response, service: ServiceHere, login: Login) -> Me:
    """Log a browser in, with a name and its password or with a token."""
    check_same_site(request)
    service.rates.logins.take(address_of(request))
    with service.database.write() as db:
        cookie, me = users.log_in(db, login.name, login.password, login.token, service.settings.session)
    set_cookie(response, service, cookie)
    return me


def set_cookie(response: Response, service: ServiceHere, cookie: str) -> None:
    """The session's cookie: no script reads it, no other site sends it."""
    seconds = service.settings.session
    response.set_cookie(COOKIE, cookie, max_age=seconds, path="/", httponly=True, samesite="strict", secure=service.settings.secure)


@router.delete("/session", status_code=204)
def log_out(response: Response, service: ServiceHere, who: Look) -> None:
    """Log this browser out."""
    with service.database.write() as db:
        users.log_out(db, who)
    response.delete_cookie(COOKIE, path="/")


@router.get("/me")
def me(who: Look) -> Me:
    """Who one is, and what one may do."""
    return users.me(who)


@router.put("/me/password", status_code=204)
def set_password(service: ServiceHere, who: Annotated[Who, door("viewer", "admin")], new: Password) -> None:
    """Set one's own password; other browsers are logged out."""
    with service.database.write() as db:
        users.set_password(db, who, new.password)


@router.get("/me/tokens")
def list_tokens(service: ServiceHere, who: Look) -> list[Token]:
    """One's own tokens, without their secrets."""
    with service.database.read() as db:
        return users.tokens(db, who)


@router.post("/me/tokens", status_code=201)
def make_token(service: ServiceHere, who: Annotated[Who, door("viewer", "admin")], new: NewToken) -> MadeToken:
    """A token for a program. Its secret is in this answer and nowhere else."""
    with service.database.write() as db:
        return users.create_token(db, who, new)


@router.delete("/tokens/{id}", status_code=204)
def revoke_token(service: ServiceHere, who: Look, id: Id) -> None:
    """Revoke a token: one's own, or anybody's for an admin."""
    with service.database.write() as db:
        users.revoke_token(db, who, id)


@router.get("/users")
def list_users(service: ServiceHere, who: Keep) -> list[User]:
    with service.database.read() as db:
        return users.listing(db)


@router.post("/users", status_code=201)
def make_user(service: ServiceHere, who: Keep, new: NewUser) -> User:
    with service.database.write() as db:
        return users.create(db, who, new)


@router.patch("/users/{id}")
def change_user(service: ServiceHere, who: Keep, id: Id, change: UserChange) -> User:
    """Another role, password or state; what they had open is closed."""
    with service.database.write() as db:
        return users.change(db, who, id, change)
