"""Reviews: asked for at a scan, worked through one row at a time (blind to labels, suspicions and other reviewers), and their outcome."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import datasets, reviews, scans
from assay.serve.access import Who
from assay.serve.api.doors import Decide, FormDoor, Look, ServiceHere
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import Id, NewDecision, NewReview

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Writer = Annotated[Who, Depends(FormDoor("reviewer", "write"))]
CANNOT = ""  # what the button "cannot tell" sends


@router.post("/scans/{scan}/reviews")
def ask_review(
    service: ServiceHere,
    who: Writer,
    scan: Id,
    name: Annotated[str, Form(max_length=100)],
    reviewers: Annotated[str, Form(max_length=4000)],
    each: Annotated[int, Form()] = 2,
    rows: Annotated[int, Form()] = 200,
) -> Response:
    people = [part.strip() for part in reviewers.replace(",", " ").split()]
    new = NewReview.model_validate({"name": name, "scan_id": scan, "reviewers": people, "each": each, "rows": rows})
    with service.database.write() as db:
        made = reviews.ask(db, who, scans.get(db, who, scan).project_id, new)
    return see(f"/reviews/{made.id}")


@router.get("/reviews/{review}")
def review_page(service: ServiceHere, who: Look, review: Id) -> Response:
    with service.database.read() as db:
        held = reviews.get(db, who, review)
        status = reviews.status(db, who, service.files, review) if held.state == "ready" else None
    return render("review.html.j2", who, review=held, status=status)


@router.get("/reviews/{review}/next")
def next_row(service: ServiceHere, who: Decide, review: Id) -> Response:
    """The row that is worth most to decide on next. What would lead the reviewer (its label, why it is here) is not in the page."""
    with service.database.read() as db:
        held = reviews.get(db, who, review)
        queue = reviews.tasks(db, who, service.files, review, 1)
        row = data = None
        if queue.items:
            data = datasets.get(db, who, held.dataset_id)
            row = datasets.row(db, who, service.files, held.dataset_id, queue.items[0].row)
            shown = set(data.columns.get("content") or [])
            row = row.model_copy(update={"label": None, "cells": {n: v for n, v in row.cells.items() if n in shown}})
    return render("review_row.html.j2", who, review=held, queue=queue, row=row, dataset=data)


@router.post("/reviews/{review}/decide")
def decide(
    service: ServiceHere,
    who: Annotated[Who, Depends(FormDoor("reviewer", "review"))],
    review: Id,
    row: Annotated[int, Form()],
    label: Annotated[str, Form(max_length=500)] = CANNOT,
    reason: Annotated[str, Form(max_length=4000)] = "",
    seconds: Annotated[float, Form()] = 0.0,
) -> Response:
    seconds = min(max(seconds, 0.0), 86_400.0)
    new = NewDecision.model_validate({"row": row, "label": label if label != CANNOT else None, "reason": reason, "seconds": seconds})
    with service.database.write() as db:
        reviews.decide(db, who, service.files, review, new)
    return see(f"/reviews/{review}/next")


@router.post("/reviews/{review}/escalate")
def escalate(service: ServiceHere, who: Writer, review: Id, reviewer: Annotated[str, Form(max_length=64)]) -> Response:
    with service.database.write() as db:
        reviews.escalate(db, who, service.files, review, reviewer)
    return see(f"/reviews/{review}")
