"""A scan: its verdict in plain words, what it found, what did not run, and what it could not have seen."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from assay.serve import datasets, plots, scans
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.api.paging import Offset
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Id, Scan

router = APIRouter(route_class=PageRoute, include_in_schema=False)
ROWS = 25
SAYS = {
    "poisoned": "Poison was found: rows that share something planted, proven by two experiments.",
    "suspect": "Something looks planted, but the proof is not complete. A person should look before this data is used.",
    "incomplete": "A planned check did not complete. Nothing was found so far; that is no verdict of clean.",
    "clean": "No poison was found. What this scan would have caught, and what it could not, stands below.",
}


@router.get("/scans/{scan}")
def scan_page(service: ServiceHere, who: Look, scan: Id) -> Response:
    with service.database.read() as db:
        held = scans.get(db, who, scan)
        data = datasets.get(db, who, held.dataset_id)
        found = scans.findings(db, who, scan)
    not_run = [c for c in held.checks if c.state != "ran"]
    return render("scan.html.j2", who, scan=held, dataset=data, findings=found, not_run=not_run, says=says(held))


@router.post("/scans/{scan}/cancel")
def cancel(service: ServiceHere, who: Annotated[Who, Depends(FormDoor("reviewer", "write"))], scan: Id) -> Response:
    with service.database.write() as db:
        scans.cancel(db, who, scan)
    return see(f"/scans/{scan}")


@router.get("/scans/{scan}/rows")
def suspicious(
    service: ServiceHere,
    who: Look,
    scan: Id,
    action: Annotated[Literal["quarantine", "review", "keep"] | None, Query()] = None,
    offset: Offset = 0,
) -> Response:
    """Rows, the most suspicious first."""
    with service.database.read() as db:
        held = scans.get(db, who, scan)
        data = datasets.get(db, who, held.dataset_id)
        rows = datasets.suspicious(db, who, service.files, scan, finding=None, action=action, offset=offset, limit=ROWS)
    return render("rows.html.j2", who, scan=held, dataset=data, rows=rows, action=action, limit=ROWS)


@router.get("/scans/{scan}/map")
def map_page(service: ServiceHere, who: Look, scan: Id) -> Response:
    """Rows placed by their content, findings ringed; and what else can be drawn."""
    with service.database.read() as db:
        held = scans.get(db, who, scan)
        data = datasets.get(db, who, held.dataset_id)
        drawn = plots.of_scan(db, who, service.files, scan)
    return render("map.html.j2", who, scan=held, dataset=data, plots=drawn)


def says(scan: Scan) -> str:
    """What the verdict means, or where the work stands."""
    if scan.verdict is not None:
        return SAYS[scan.verdict]
    return {
        "queued": "It waits for a worker.",
        "running": "It is running.",
        "failed": "It stopped on an error; there is no verdict.",
        "cancelled": "It was given up; there is no verdict.",
        "done": "It ended without a verdict.",
    }[scan.job.state]
