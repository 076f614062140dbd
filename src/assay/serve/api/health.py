"""Is it alive, is it ready, what does it count, and what can be asked of it."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse

from assay.serve.api.doors import Look, Open, ServiceHere
from assay.serve.api.router import noun
from assay.serve.shapes import Out
from assay.version import __version__

router = noun("service", "")


class Ready(Out):
    """Whether requests can be served, and why not."""

    ready: bool
    database: bool
    disk: bool
    workers: int


@router.get("/healthz", dependencies=[Open])
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive", "version": __version__}


@router.get("/readyz", dependencies=[Open], response_model=Ready, responses={503: {"model": Ready}})
def ready(service: ServiceHere) -> JSONResponse:
    """The data base answers with this version's tables, and there is room on the disk; 503 where not."""
    database, disk, workers = service.database.current(), service.files.room() > 0, len(service.supervisor.pids)
    held = Ready(ready=database and disk, database=database, disk=disk, workers=workers)
    return JSONResponse(held.model_dump(), 200 if held.ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: ServiceHere, who: Look) -> PlainTextResponse:
    """For Prometheus; with a token that has the scope `read`."""
    with service.database.read() as db:
        return PlainTextResponse(service.metrics.text(db, len(service.supervisor.pids), service.files.room()))


@router.get("/api/v1/openapi.json")
def openapi(request: Request, who: Look) -> dict[str, Any]:
    """This API, as OpenAPI has it."""
    said: dict[str, Any] = request.app.openapi()
    return said
