"""A data set: how it was understood, its rows a page at a time, one row in full, and the form that asks for a scan."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import datasets, ledgers, projects, queue, scans
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.api.paging import Offset
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Id, Ingest, NewScan

router = APIRouter(route_class=PageRoute, include_in_schema=False)
ROWS = 25
PICTURES = 60
COLUMNS = 8  # of a table, in a list


@router.get("/datasets/{dataset}")
def dataset_page(service: ServiceHere, who: Look, dataset: Id, offset: Offset = 0) -> Response:
    with service.database.read() as db:
        held = datasets.get(db, who, dataset)
        project = projects.get(db, who, held.project_id)
        done = scans.listing(db, who, held.project_id, dataset, limit=20).items
        limit = PICTURES if held.modality == "image" else ROWS
        rows = datasets.rows(db, who, service.files, dataset, offset, limit) if held.state == "ready" else None
        sources = ledgers.source_names(db, who, service.files, held.project_id)
        logged = next((job for job in queue.of_subject(db, who, dataset) if job.kind == "ingest"), None)
    return render(
        "dataset.html.j2", who, dataset=held, project=project, scans=done, rows=rows, limit=limit, columns=COLUMNS, sources=sources,
        logged=logged,
    )  # fmt: skip


@router.post("/datasets/{dataset}/ingest")
def ingest(
    service: ServiceHere,
    who: Annotated[Who, Depends(FormDoor("reviewer", "write"))],
    dataset: Id,
    source: Annotated[str, Form(max_length=200)] = "",
    snapshot: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Log its rows as brought by a source, take a snapshot, or both."""
    with service.database.write() as db:
        project = datasets.get(db, who, dataset).project_id
        new = Ingest.model_validate({"dataset_id": dataset, "source": source or None, "snapshot": snapshot or None})
        ledgers.ask_ingest(db, who, service.files, project, new)
    return see(f"/datasets/{dataset}#ledger")


@router.post("/datasets/{dataset}/scans")
def ask_scan(
    service: ServiceHere,
    who: Annotated[Who, Depends(FormDoor("reviewer", "write"))],
    dataset: Id,
    depth: Annotated[Literal["fast", "full"], Form()] = "fast",
    alpha: Annotated[float, Form()] = 0.01,
    seed: Annotated[int, Form()] = 0,
    canaries: Annotated[bool, Form()] = False,
    signatures: Annotated[bool, Form()] = False,
) -> Response:
    new = NewScan.model_validate(
        {"dataset_id": dataset, "depth": depth, "alpha": alpha, "seed": seed, "canaries": canaries, "signatures": signatures}
    )
    with service.database.write() as db:
        asked = scans.ask(db, who, datasets.get(db, who, dataset).project_id, new)
    return see(f"/scans/{asked.id}")


@router.get("/datasets/{dataset}/rows/{row}")
def row_page(service: ServiceHere, who: Look, dataset: Id, row: int, scan: Id | None = None) -> Response:
    with service.database.read() as db:
        held = datasets.get(db, who, dataset)
        shown = datasets.row(db, who, service.files, dataset, row, scan)
    return render("row.html.j2", who, dataset=held, row=shown, scan=scan)
