"""Data sets: upload, and look at rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path as PathPart
from fastapi import Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from assay.dataset.data import Task
from assay.serve import datasets
from assay.serve.api.doors import Look, ServiceHere, Write
from assay.serve.api.paging import After, Limit, Offset
from assay.serve.api.router import noun
from assay.serve.errors import ServiceError
from assay.serve.files import receive_stream, safe_name
from assay.serve.shapes import Column, ColumnNames, Dataset, Id, Name, Page, Row, Rows

router = noun("data sets")
BYTES = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
Columns = Annotated[list[Column] | None, Query(max_length=1000)]
Number = Annotated[int, PathPart(ge=0, lt=2**40)]


def declared(request: Request) -> int | None:
    """The length that the sender promises."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise ServiceError("Content-Length is no number")
    return int(text)


@router.post("/projects/{project}/datasets", status_code=201, openapi_extra=BYTES)
async def upload(
    request: Request,
    service: ServiceHere,
    who: Write,
    project: Id,
    file: Annotated[str, Query(max_length=200, description="The file's name: its ending says its format; .zip for a folder")],
    name: Annotated[Name | None, Query(description="What the data set is called; the file's name if left out")] = None,
    content: Columns = None,
    label: Columns = None,
    id: Column | None = None,
    contributor: Column | None = None,
    source: Column | None = None,
    time: Column | None = None,
    task: Task | None = None,
) -> Dataset:
    """Send a file as the body of the request. It becomes the next version of the data set of that name; a worker then reads it."""
    asked = ColumnNames.model_validate(
        {"content": content or [], "label": label or [], "id": id, "contributor": contributor, "source": source, "time": time, "task": task}
    )
    plain = safe_name(file)
    reserved = await run_in_threadpool(_reserve, service, who, project)
    target = service.files.original(project, reserved, plain)
    received = await receive_stream(service.files, target, request.stream(), declared(request))

    def add() -> Dataset:
        with service.database.write() as db:
            return datasets.add(db, who, project, reserved, name or plain, received, asked)

    return await run_in_threadpool(add)


def _reserve(service: ServiceHere, who: Write, project: str) -> str:
    with service.database.read() as db:
        return datasets.reserve(db, who, project)


@router.get("/projects/{project}/datasets")
def list_datasets(service: ServiceHere, who: Look, project: Id, after: After = None, limit: Limit = 100) -> Page[Dataset]:
    with service.database.read() as db:
        return datasets.listing(db, who, project, after, limit)


@router.get("/datasets/{dataset}")
def get_dataset(service: ServiceHere, who: Look, dataset: Id) -> Dataset:
    with service.database.read() as db:
        return datasets.get(db, who, dataset)


@router.get("/datasets/{dataset}/rows")
def list_rows(
    service: ServiceHere,
    who: Look,
    dataset: Id,
    offset: Offset = 0,
    limit: Limit = 50,
    scan: Annotated[Id | None, Query(description="Say with each row what this scan says of it")] = None,
) -> Rows:
    with service.database.read() as db:
        return datasets.rows(db, who, service.files, dataset, offset, limit, scan)


@router.get("/datasets/{dataset}/rows/{row}")
def get_row(service: ServiceHere, who: Look, dataset: Id, row: Number, scan: Id | None = None) -> Row:
    with service.database.read() as db:
        return datasets.row(db, who, service.files, dataset, row, scan)


@router.get("/datasets/{dataset}/rows/{row}/picture", response_class=Response, responses={200: {"content": {"image/png": {}}}})
def get_picture(service: ServiceHere, who: Look, dataset: Id, row: Number) -> Response:
    """The row's pixels as PNG."""
    with service.database.read() as db:
        held = datasets.picture(db, who, service.files, dataset, row)
    return Response(held, media_type="image/png", headers={"cache-control": "private, max-age=86400, immutable"})


@router.get("/datasets/{dataset}/file", response_class=FileResponse)
def get_dataset_file(service: ServiceHere, who: Look, dataset: Id) -> FileResponse:
    """The file as it came; of a cleaned version, what was left of it."""
    with service.database.read() as db:
        held = datasets.record(db, who, dataset)
    path = service.files.original(held.project_id, held.id, held.file)
    return FileResponse(path, media_type="application/octet-stream", filename=held.file)
