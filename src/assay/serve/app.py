"""The application: routes, what stands before all of them, and how errors are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from assay.dataset.errors import DataError
from assay.serve import api, pages
from assay.serve.api.doors import Door
from assay.serve.errors import ServiceError, TooMany, relative
from assay.serve.front import Front
from assay.serve.pages.frame import failed
from assay.serve.service import Service
from assay.serve.settings import Settings
from assay.serve.shapes import Problem
from assay.version import __version__

log = logging.getLogger("assay.serve")
PROBLEM = "application/problem+json"


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application. Raises DataError where its folder or data base is wrong."""
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.open()
        try:
            yield
        finally:
            service.close()

    app = FastAPI(
        title="Assay",
        version=__version__,
        summary="Finds poison in training data, proves it, and hands over the trigger.",
        lifespan=lifespan,
        docs_url=None,  # its page would be loaded from elsewhere
        redoc_url=None,
        openapi_url=None,  # served by a route of ours, behind a door
    )
    app.state.service = service
    for router in (*api.ROUTERS, *pages.ROUTERS):
        app.router.routes.extend(router.routes)  # included as a whole, a router would be one route, its doors out of sight
    app.add_middleware(Front, service=service)
    app.add_exception_handler(ServiceError, _refused)
    app.add_exception_handler(DataError, _wrong_data)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _away)
    app.add_exception_handler(Exception, _fault)
    check_doors(app)
    return app


def doors_of(route: APIRoute) -> list[Door]:
    """The doors of a route, in its own dependencies and those of its parameters."""
    return [d.call for d in route.dependant.dependencies if isinstance(d.call, Door)]


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every route that does something. Raises RuntimeError for one of a kind whose doors cannot be seen."""
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute):
            found.append(route)
        elif not (isinstance(route, Mount) and isinstance(route.app, StaticFiles)):
            raise RuntimeError(f"{route!r} is no route with a door; add its routes one by one")
    return found


def check_doors(app: FastAPI) -> None:
    """Raises RuntimeError for a route without a door, or with two: a mistake of whoever wrote it, found before anybody can use it."""
    for route in api_routes(app):
        if len(doors_of(route)) != 1:
            raise RuntimeError(f"{route.path} has {len(doors_of(route))} doors; each route has one (assay.serve.api.doors)")


def problem(
    request: Request, status: int, kind: str, detail: str, remedy: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """What went wrong: a page for a browser, JSON for programs and for whatever is asked below /api/."""
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        return failed(status, detail, remedy, headers)
    said = Problem(title=kind.replace("_", " "), status=status, kind=kind, detail=detail, remedy=remedy)
    return JSONResponse(said.model_dump(exclude_none=True), status, headers, PROBLEM)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    headers = {"retry-after": str(max(1, round(error.after)))} if isinstance(error, TooMany) else {}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return problem(request, error.status, error.kind, error.problem, error.remedy, headers)


def _wrong_data(request: Request, error: Exception) -> Response:
    return problem(request, 422, "wrong_data", relative(str(error), request.app.state.service.settings.data))


def _wrong_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()[:5])
    return problem(request, 422, "wrong_request", said)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "bad_request")
    detail = "there is nothing at this address" if error.status_code == 404 else str(error.detail)
    return problem(request, error.status_code, kind, detail, headers=dict(error.headers or {}))


def _away(request: Request, error: Exception) -> Response:
    log.error("the data base does not answer", exc_info=error)
    return problem(request, 503, "unavailable", "the data base does not answer", "try again in a while", {"retry-after": "5"})


def _fault(request: Request, error: Exception) -> Response:
    log.error("fault", exc_info=error)
    return problem(request, 500, "fault", "this is a fault in Assay; the server's log has more")
