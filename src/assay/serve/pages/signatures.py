"""Known triggers and poisoned releases: the list, and bringing in another."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response

from assay.serve import signatures
from assay.serve.access import Who
from assay.serve.api.doors import FormDoor, Look, ServiceHere
from assay.serve.pages.frame import PageRoute, render, see
from assay.serve.shapes import NewSignatures

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/signatures")
def signatures_page(service: ServiceHere, who: Look) -> Response:
    return render("signatures.html.j2", who, list=signatures.get(service.files))


@router.post("/signatures")
def bring(
    service: ServiceHere,
    who: Annotated[Who, Depends(FormDoor("admin", "admin"))],
    note: Annotated[str, Form(max_length=1_000_000)],
    key: Annotated[str, Form(max_length=500)],
) -> Response:
    """What a browser sends has other line ends: a signature is over plain ones."""
    with service.database.write() as db:
        signatures.bring(db, who, service.files, NewSignatures(note=note.replace("\r\n", "\n"), key=key.strip()))
    return see("/signatures")
