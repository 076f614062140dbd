"""What stands before every route: the names we answer to, the size of bodies, headers that tell browsers to trust nothing else, and the
log of requests.

Pure ASGI, so that streams stay streams.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.serve.service import Service

log = logging.getLogger("assay.requests")

# Nothing from anywhere but us, no inline script or style, in nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with "no-referrer" browsers send the origin of a form as null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
TRANSPORT = "max-age=31536000"  # a year; sent only where the service is reached over TLS


class _Large(HTTPException):
    """A body grew beyond what is taken. What reads a body passes this kind on as it is."""


class Front:
    """See the module."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        self.hosts = service.settings.known_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, request = time.perf_counter(), secrets.token_hex(8)
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status = 500
        started = False

        async def answer(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                have = {name.lower() for name, _ in message["headers"]}
                ours = {**HEADERS, "x-request-id": request}
                if self.service.settings.secure:
                    ours["strict-transport-security"] = TRANSPORT
                more = [(n.encode(), v.encode()) for n, v in ours.items() if n.encode() not in have]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        limit = self._limit(scope["method"], scope["path"])
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            if limit is not None and message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    raise _Large(413, f"the body is larger than {limit:,} bytes")
            return message

        try:
            refusal = self._refusal(given, limit)
            if refusal is not None:
                await _say(answer, *refusal)
            else:
                await self.app(scope, bounded, answer)
        except _Large:
            if not started:
                await _say(answer, 413, "too_large", f"the body is larger than {limit:,} bytes")
        finally:
            seconds = time.perf_counter() - began
            route = _route(scope)
            self.service.metrics.request(scope["method"], route, status, seconds)
            client = scope["client"][0] if scope.get("client") else None
            fields = {"request": request, "method": scope["method"], "route": route, "status": status}
            log.info("request", extra={**fields, "seconds": round(seconds, 4), "from": client})

    def _refusal(self, given: dict[str, str], limit: int | None) -> tuple[int, str, str] | None:
        host = given.get("host", "")
        name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.split(":", 1)[0]
        if name.lower() not in self.hosts:
            return 421, "unknown_host", "this service does not answer to that name; assay serve --allow-host adds one"
        length = given.get("content-length", "0")
        if limit is not None and length.isascii() and length.isdigit() and int(length) > limit:
            return 413, "too_large", f"the body is larger than {limit:,} bytes"
        return None

    def _limit(self, method: str, path: str) -> int | None:
        """Bytes that a body may have; None for uploads, which count for themselves."""
        bounds = self.service.settings.bounds
        if method == "POST" and path.endswith(("/datasets", "/models", "/upload")):
            return None
        return bounds.events if path.endswith(("/events", "/monitors")) else bounds.body


def _route(scope: Scope) -> str:
    """The path as it was declared, so that neither logs nor metrics hold what somebody put into it."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "none"))


async def _say(send: Send, status: int, kind: str, detail: str) -> None:
    import json

    body = json.dumps({"title": kind.replace("_", " "), "status": status, "kind": kind, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
