"""One's own tokens, and for admins everybody's accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import ledgers, users
from assay.serve.access import ROLES, SCOPES, Role, Scope, Who
from assay.serve.api.doors import FormDoor, Keep, Look, ServiceHere
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Id, MadeToken, NewToken, NewUser, UserChange

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Own = Annotated[Who, Depends(FormDoor("viewer", "admin"))]
Admin = Annotated[Who, Depends(FormDoor("admin", "admin"))]


@router.get("/account")
def account(service: ServiceHere, who: Look) -> Response:
    return _account(service, who, None)


@router.post("/account/tokens")
def make_token(
    service: ServiceHere,
    who: Own,
    name: Annotated[str, Form(max_length=100)],
    days: Annotated[int, Form()] = 90,
    scopes: Annotated[list[Scope] | None, Form()] = None,
) -> Response:
    """The one page that shows the secret."""
    with service.database.write() as db:
        made = users.create_token(db, who, NewToken(name=name, scopes=scopes or ["read"], days=days))
    return _account(service, who, made)


@router.post("/account/tokens/{id}/revoke")
def revoke(service: ServiceHere, who: Own, id: Id) -> Response:
    with service.database.write() as db:
        users.revoke_token(db, who, id)
    return see("/account")


def _account(service: ServiceHere, who: Who, made: MadeToken | None) -> Response:
    with service.database.read() as db:
        held = users.tokens(db, who)
        approver = ledgers.approvers(db).get(who.name)
    return render("account.html.j2", who, tokens=held, made=made, scopes=SCOPES, approver=approver)


@router.get("/users")
def people(service: ServiceHere, who: Keep) -> Response:
    with service.database.read() as db:
        held = users.listing(db)
    return render("users.html.j2", who, users=held, roles=ROLES)


@router.post("/users")
def make_user(
    service: ServiceHere,
    who: Admin,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1000)],
    role: Annotated[Role, Form()] = "viewer",
) -> Response:
    with service.database.write() as db:
        users.create(db, who, NewUser(name=name, role=role, password=password))
    return see("/users")


@router.post("/users/{id}")
def change_user(
    service: ServiceHere, who: Admin, id: Id, role: Annotated[Role, Form()], disabled: Annotated[bool, Form()] = False
) -> Response:
    with service.database.write() as db:
        users.change(db, who, id, UserChange(role=role, disabled=disabled))
    return see("/users")
