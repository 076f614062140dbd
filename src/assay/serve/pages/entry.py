"""Logging in and out, and the files that pages load."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from assay.serve import users
from assay.serve.access import Who
from assay.serve.api.account import set_cookie
from assay.serve.api.doors import COOKIE, FormDoor, Open, ServiceHere, address_of, check_same_site
from assay.serve.errors import NotFound, ServiceError
from assay.serve.pages.frame import PageRoute, local, render, see

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SCRIPT = "text/javascript; charset=utf-8"
STATIC = {"app.css": "text/css; charset=utf-8", "app.js": SCRIPT, "proof.js": SCRIPT, "icon.svg": "image/svg+xml"}
Secret = Annotated[str, Form(max_length=1000)]


@router.get("/login", dependencies=[Open])
def ask_login(next: str = "/") -> Response:
    return render("login.html.j2", None, next=local(next), problem=None)


@router.post("/login", dependencies=[Open])
def log_in(
    request: Request, service: ServiceHere, name: Secret = "", password: Secret = "", token: Secret = "", next: Secret = "/"
) -> Response:
    """By name and password, or by a token with every scope."""
    check_same_site(request)
    service.rates.logins.take(address_of(request))
    try:
        with service.database.write() as db:
            cookie, _ = users.log_in(db, name or None, password or None, token.strip() or None, service.settings.session)
    except ServiceError as error:
        return render("login.html.j2", None, error.status, next=local(next), problem=str(error))
    answer = see(local(next))
    set_cookie(answer, service, cookie)
    return answer


@router.post("/logout")
def log_out(service: ServiceHere, who: Annotated[Who, Depends(FormDoor("viewer", "read"))]) -> Response:
    with service.database.write() as db:
        users.log_out(db, who)
    answer = see("/login")
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/static/{name}", dependencies=[Open])
def static(name: str) -> Response:
    """Styles and scripts of ours, shipped in the package."""
    if name not in STATIC:
        raise NotFound("there is no such file")
    held = (files("assay.serve.pages") / "static" / name).read_bytes()
    return Response(held, media_type=STATIC[name], headers={"cache-control": "public, max-age=300"})
