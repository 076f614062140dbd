"""Scans, their findings, their reports, and the jobs behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse

from assay.serve import datasets, queue, scans
from assay.serve.api.doors import Look, ServiceHere, Write
from assay.serve.api.paging import After, Limit, Offset
from assay.serve.api.router import noun
from assay.serve.api.stream import follow
from assay.serve.shapes import Finding, Id, Job, NewScan, Page, Rows, Scan

router = noun("scans")
Part = Literal["json", "html", "sarif", "rows"]
TYPES: dict[Part, str] = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "sarif": "application/sarif+json",
    "rows": "application/vnd.apache.parquet",
}


@router.post("/projects/{project}/scans", status_code=202)
def ask_scan(service: ServiceHere, who: Write, project: Id, new: NewScan) -> Scan:
    """Queue a scan; follow its job."""
    with service.database.write() as db:
        return scans.ask(db, who, project, new)


@router.get("/projects/{project}/scans")
def list_scans(
    service: ServiceHere, who: Look, project: Id, dataset: Id | None = None, after: After = None, limit: Limit = 100
) -> Page[Scan]:
    with service.database.read() as db:
        return scans.listing(db, who, project, dataset, after, limit)


@router.get("/scans/{scan}")
def get_scan(service: ServiceHere, who: Look, scan: Id) -> Scan:
    with service.database.read() as db:
        return scans.get(db, who, scan)


@router.post("/scans/{scan}/cancel")
def cancel_scan(service: ServiceHere, who: Write, scan: Id) -> Scan:
    """Give it up: at once where it waits, at its next step where it runs."""
    with service.database.write() as db:
        return scans.cancel(db, who, scan)


@router.get("/scans/{scan}/findings")
def list_findings(service: ServiceHere, who: Look, scan: Id) -> list[Finding]:
    """Strongest first."""
    with service.database.read() as db:
        return scans.findings(db, who, scan)


@router.get("/scans/{scan}/findings/{finding}")
def get_finding(service: ServiceHere, who: Look, scan: Id, finding: str) -> Finding:
    with service.database.read() as db:
        return scans.finding(db, who, scan, finding)


@router.get("/scans/{scan}/rows")
def list_scan_rows(
    service: ServiceHere,
    who: Look,
    scan: Id,
    finding: Annotated[str | None, Query(max_length=100, description="Only the carriers of this finding")] = None,
    action: Annotated[Literal["quarantine", "review", "keep"] | None, Query()] = None,
    offset: Offset = 0,
    limit: Limit = 50,
) -> Rows:
    """Rows of the scanned data, the most suspicious first."""
    with service.database.read() as db:
        return datasets.suspicious(db, who, service.files, scan, finding=finding, action=action, offset=offset, limit=limit)


@router.get("/scans/{scan}/report/{part}", response_class=FileResponse)
def get_report(service: ServiceHere, who: Look, scan: Id, part: Part) -> FileResponse:
    """A file of the report. The page is shut off from everything: it may load nothing and run its own script only."""
    with service.database.read() as db:
        path = scans.report_file(db, who, service.files, scan, part)
    policy = "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    headers = {"content-security-policy": policy} if part == "html" else {}
    name = None if part == "html" else path.name
    return FileResponse(path, media_type=TYPES[part], filename=name, headers=headers)


@router.get("/jobs")
def list_jobs(
    service: ServiceHere,
    who: Look,
    project: Id | None = None,
    state: Literal["queued", "running", "done", "failed", "cancelled"] | None = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[Job]:
    with service.database.read() as db:
        return queue.listing(db, who, project, state, after, limit)


@router.get("/jobs/{job}")
def get_job(service: ServiceHere, who: Look, job: Id) -> Job:
    with service.database.read() as db:
        return queue.get(db, who, job)


@router.post("/jobs/{job}/cancel")
def cancel_job(service: ServiceHere, who: Write, job: Id) -> Job:
    with service.database.write() as db:
        return queue.cancel(db, who, job)


@router.get(
    "/jobs/{job}/progress",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_job(service: ServiceHere, who: Look, job: Id) -> StreamingResponse:
    """Server-sent events: the job whenever it changes, until it has ended."""

    def look() -> Job:
        with service.database.read() as db:
            return queue.get(db, who, job)

    first = await run_in_threadpool(look)
    events: AsyncIterator[bytes] = follow(service.rates.streams, who.id, first, look)
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"})
