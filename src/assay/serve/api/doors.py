"""Every route has one door: who may come in. `app.create_app` refuses to start with a route that has none."""

from __future__ import annotations

import hmac
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request

from assay.serve import users
from assay.serve.access import PREFIX, Role, Scope, Who
from assay.serve.errors import Forbidden, Unauthenticated
from assay.serve.service import Service

COOKIE = "assay_session"
CSRF = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _service_here(request: Request) -> Service:
    """The same as a route's parameter: not awaiting anything, it spares each request a turn of the thread pool."""
    return service_of(request)


def address_of(request: Request) -> str:
    """Where a request comes from; what a proxy says is believed only of proxies that are known."""
    direct = request.client.host if request.client else "unknown"
    forwarded = request.headers.get("x-forwarded-for")
    if forwarded and direct in service_of(request).settings.proxies:
        return forwarded.rsplit(",", 1)[-1].strip()[:64]
    return direct


class Door:
    """Lets in a caller whose role and scopes suffice, and counts the request. `role` None: anybody, unnamed too."""

    def __init__(self, role: Role | None, scope: Scope = "read") -> None:
        self.role, self.scope = role, scope

    def __call__(self, request: Request) -> Who | None:
        return self._admit(request, None)

    def _admit(self, request: Request, form: str | None) -> Who | None:
        service = service_of(request)
        if self.role is None:
            service.rates.requests.take(f"from {address_of(request)}")
            return None
        who = known(request, form)
        service.rates.requests.take(who.id)
        who.need(self.role, self.scope)
        return who


class FormDoor(Door):
    """The same for a form that is posted without a script: the CSRF token is its field `csrf`."""

    def __call__(self, request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> Who | None:
        return self._admit(request, csrf)


def known(request: Request, form: str | None = None) -> Who:
    """Who asks; `form` is the CSRF token of a form that was posted without a script.

    Raises Unauthenticated, TooMany after many wrong secrets from one address, and Forbidden where another site led a browser here.
    """
    service = service_of(request)
    header = request.headers.get("authorization")
    try:
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.startswith(PREFIX):
                raise Unauthenticated("the Authorization header was expected to be 'Bearer assay_...'")
            with service.database.read() as db:
                who = users.by_token(db, token)
            if service.tokens_used.due(who.id):
                with service.database.write() as db:
                    users.touch(db, token)
            return who
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            raise Unauthenticated("this needs a token, or a browser that is logged in", "send 'Authorization: Bearer assay_...'")
        with service.database.read() as db:
            who = users.by_session(db, cookie)
    except Unauthenticated:
        service.rates.failures.take(address_of(request))
        raise
    if request.method not in SAFE:
        check_same_site(request)
        check_csrf(who, request.headers.get(CSRF, "") if form is None else form)
    return who


def check_csrf(who: Who, sent: str) -> None:
    """Raises Forbidden where a browser's request does not hold its session's secret. Pages send it in a form; scripts as a header."""
    if who.csrf is not None and not hmac.compare_digest(sent.encode(), who.csrf.encode()):
        raise Forbidden("the request does not hold this session's CSRF token", f"send it as {CSRF}")


def check_same_site(request: Request) -> None:
    """Raises Forbidden where the browser says that another site made it ask."""
    origin = request.headers.get("origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if elsewhere or request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Forbidden("another site asked for this")


def door(role: Role, scope: Scope) -> Any:
    """What a route's parameter `who` depends on."""
    return Depends(Door(role, scope))


Open = Depends(Door(None))
ServiceHere = Annotated[Service, Depends(_service_here)]
Look = Annotated[Who, door("viewer", "read")]
Write = Annotated[Who, door("reviewer", "write")]
Decide = Annotated[Who, door("reviewer", "review")]
Send = Annotated[Who, door("reviewer", "events")]
Approve = Annotated[Who, door("approver", "approve")]
Keep = Annotated[Who, door("admin", "admin")]
