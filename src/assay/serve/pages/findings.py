"""One finding: the artefact shown large, the experiments behind it, and the rows that carry it with it marked."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Response
from PIL import Image

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.artefact.registry import from_json
from assay.dataset.errors import DataError
from assay.dataset.printable import printable
from assay.dataset.rows import Rows
from assay.report.passages import Piece, excerpt, spans_of
from assay.report.pictures import Box, outlines, without
from assay.report.words import TRIALS
from assay.serve import datasets, scans
from assay.serve.api.doors import Look, ServiceHere
from assay.serve.api.paging import Offset
from assay.serve.errors import NotFound
from assay.serve.pages.frame import PageRoute, render
from assay.serve.rows import png
from assay.serve.shapes import Finding, Id, Row

router = APIRouter(route_class=PageRoute, include_in_schema=False)
ROWS = 24
LARGE = 320  # pixels a side to which a picture of an artefact is enlarged, by whole pixels


@dataclass(frozen=True)
class Shown:
    """A carrier: its texts with the artefact marked, the cells that a rule names, and where in its picture the artefact lies."""

    row: Row
    passages: tuple[tuple[str, list[Piece]], ...] = ()
    cells: tuple[tuple[str, Any, bool], ...] = ()
    box: Box | None = None


@router.get("/scans/{scan}/findings/{name}")
def finding_page(service: ServiceHere, who: Look, scan: Id, name: str, offset: Offset = 0) -> Response:
    with service.database.read() as db:
        found = scans.finding(db, who, scan, name)
        held = scans.get(db, who, scan)
        data = datasets.get(db, who, held.dataset_id)
        rows = datasets.suspicious(db, who, service.files, scan, finding=name, action=None, offset=offset, limit=ROWS)
        pictures = [datasets.picture(db, who, service.files, data.id, r.row) for r in rows.items if r.picture]
        try:
            traced = service.traces.of(db, who, scan, name)
        except (NotFound, DataError):  # no ledger, or one that does not know these rows
            traced = None
    artefact = artefact_of(found)
    carriers = _carriers(artefact, rows.items, pictures, set(data.columns.get("label") or []))
    drawn = callable(getattr(artefact, "picture", None))
    return render(
        "finding.html.j2", who, finding=found, scan=held, dataset=data, carriers=carriers, total=rows.total, offset=offset, limit=ROWS,
        drawn=drawn, trials=TRIALS, traced=traced,
    )  # fmt: skip


@router.get("/scans/{scan}/findings/{name}/picture")
def artefact_picture(service: ServiceHere, who: Look, scan: Id, name: str) -> Response:
    """The artefact itself as PNG."""
    with service.database.read() as db:
        found = scans.finding(db, who, scan, name)
    draw = getattr(artefact_of(found), "picture", None)
    if not callable(draw):
        raise NotFound("this artefact is no picture")
    held = draw()
    times = max(1, LARGE // max(held.shape[:2]))
    return _png(np.kron(held, np.ones((times, times, 1), np.uint8)))


@router.get("/scans/{scan}/findings/{name}/rows/{row}/without")
def picture_without(service: ServiceHere, who: Look, scan: Id, name: str, row: int) -> Response:
    """One carrier's picture with the artefact taken out."""
    with service.database.read() as db:
        found = scans.finding(db, who, scan, name)
        dataset = scans.get(db, who, scan).dataset_id
        held = datasets.picture(db, who, service.files, dataset, row)
    artefact = artefact_of(found)
    cleaned = None if artefact is None else without(artefact, _pixels(held)[None])
    if cleaned is None:
        raise NotFound("this artefact cannot be taken out of that picture")
    return _png(cleaned[0])


def artefact_of(finding: Finding) -> Artefact | None:
    """The artefact as an object; None where its content was withheld, or its kind is not known here."""
    try:
        return from_json(finding.document["artefact"])
    except (KeyError, ValueError, TypeError):
        return None


def _carriers(artefact: Artefact | None, rows: list[Row], pictures: list[bytes], labels: set[str]) -> list[Shown]:
    boxes: list[Box | None] = [None] * len(rows)
    if artefact is not None and len(pictures) == len(rows) and rows:
        images = np.stack([_pixels(p) for p in pictures])
        boxes = outlines(artefact, images, without(artefact, images))
    return [_shown(artefact, row, box, labels) for row, box in zip(rows, boxes, strict=True)]


def _shown(artefact: Artefact | None, row: Row, box: Box | None, labels: set[str]) -> Shown:
    texts = {name: value for name, value in row.cells.items() if isinstance(value, str)}
    one = Rows(pa.table({name: [value] for name, value in texts.items()}))
    passages, cells = [], []
    named = set(artefact.columns) if isinstance(artefact, Cells) else set()
    for name, value in row.cells.items():
        spans = [] if artefact is None or name not in texts or named else spans_of(artefact, one, 0, name)
        if spans or (name in texts and len(texts[name].split()) > 3):
            passages.append((name, [Piece(printable(p.text), p.marked, p.cut) for p in excerpt(texts[name], spans)]))
        elif name not in labels:
            cells.append((name, value, name in named))
    cells.sort(key=lambda cell: not cell[2])
    return Shown(row, tuple(passages), tuple(cells[:8]), box)


def _pixels(picture: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(picture)) as image:
        held = np.asarray(image)
    return held if held.ndim == 3 else held[..., None]


def _png(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> Response:
    return Response(png(picture), media_type="image/png", headers={"cache-control": "private, max-age=3600"})
