"""Model files."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from assay.serve import models
from assay.serve.api.datasets import BYTES, declared
from assay.serve.api.doors import Look, ServiceHere, Write
from assay.serve.api.paging import After, Limit
from assay.serve.api.router import noun
from assay.serve.files import receive_stream, safe_name
from assay.serve.shapes import Id, Model, Name, Page

router = noun("models")


@router.post("/projects/{project}/models", status_code=201, openapi_extra=BYTES)
async def upload_model(
    request: Request,
    service: ServiceHere,
    who: Write,
    project: Id,
    file: Annotated[str, Query(max_length=200, description="The file's name")],
    name: Annotated[Name | None, Query(description="What the model is called; the file's name if left out")] = None,
) -> Model:
    """Send a model file as the body of the request. It is never loaded; a worker says what loading it would run."""
    plain = safe_name(file)

    def reserve() -> str:
        with service.database.read() as db:
            return models.reserve(db, who, project)

    reserved = await run_in_threadpool(reserve)
    target = service.files.model(project, reserved) / plain
    received = await receive_stream(service.files, target, request.stream(), declared(request))

    def add() -> Model:
        with service.database.write() as db:
            return models.add(db, who, project, reserved, name or plain, received)

    return await run_in_threadpool(add)


@router.get("/projects/{project}/models")
def list_models(service: ServiceHere, who: Look, project: Id, after: After = None, limit: Limit = 100) -> Page[Model]:
    with service.database.read() as db:
        return models.listing(db, who, project, after, limit)


@router.get("/models/{model}")
def get_model(service: ServiceHere, who: Look, model: Id) -> Model:
    with service.database.read() as db:
        return models.get(db, who, model)


@router.get("/models/{model}/file", response_class=FileResponse)
def get_model_file(service: ServiceHere, who: Look, model: Id) -> FileResponse:
    """The file as it came."""
    with service.database.read() as db:
        held = models.record(db, who, model)
    return FileResponse(models.file_of(service.files, held), media_type="application/octet-stream", filename=held.file)
