"""What a person is shown of a finding: the artefact itself, some carriers with it marked, and the same with it taken out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells
from assay.artefact.encode import plain, words
from assay.dataset.data import MISSING, Dataset
from assay.dataset.rows import Rows
from assay.finding import Finding
from assay.report.passages import Piece, excerpt, spans_of, text_without
from assay.report.pictures import Box, Budget, Thumbnail, outlines, thumbnail, without

PICTURES = 3  # carriers shown of a picture artefact
CARRIERS = 4  # shown of any other
COLUMNS = 8  # columns shown of a table, those of the rule first
CELL = 60  # characters of a cell


@dataclass(frozen=True)
class Cell:
    """One value of a table, `marked` where the rule names its column."""

    name: str
    value: str
    marked: bool = False


@dataclass(frozen=True)
class Carrier:
    """One record: its number, key and label, and its content as picture, passages or cells; `after`: without the artefact."""

    row: int
    key: str
    label: str | None
    before: Thumbnail | None = None
    after: Thumbnail | None = None
    passages: tuple[tuple[str, list[Piece]], ...] = ()  # (column, excerpt)
    passages_after: tuple[tuple[str, list[Piece]], ...] = ()
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Exhibit:
    """All that is shown of one artefact; `left_out` where pictures did not fit."""

    picture: Thumbnail | None = None
    conditions: tuple[tuple[str, str], ...] = ()  # a rule: (column, what it must hold)
    carriers: tuple[Carrier, ...] = field(default=())
    left_out: bool = False


def exhibit(finding: Finding, data: Dataset, budget: Budget) -> Exhibit:
    """The evidence on one finding. Pictures are taken from `budget` and left out where it is spent."""
    most = PICTURES if data.images is not None else CARRIERS
    positions = _varied(finding.positions, data)[:most]
    carriers = specimens(data, positions, budget, finding.artefact)
    picture = _picture(finding.artefact, budget)
    left_out = data.images is not None and any(c.before is None for c in carriers)
    return Exhibit(picture, _conditions(finding.artefact), carriers, left_out)


def specimens(data: Dataset, positions: NDArray[np.int64], budget: Budget, artefact: Artefact | None = None) -> tuple[Carrier, ...]:
    """Some records as a person sees them, an artefact in them marked and, where it can be, taken out."""
    carriers = [_carrier(data, int(p)) for p in positions]
    if data.images is not None and len(positions):
        carriers = _pictures(carriers, data.images[positions], artefact, budget)
    rows = data.subset(positions).rows
    texts, others = _columns(rows, artefact)
    for i, carrier in enumerate(carriers):
        if texts:
            carrier = replace(carrier, **_passages(rows, i, texts, artefact))
        carriers[i] = replace(carrier, cells=tuple(_cell(rows, i, name, artefact) for name in others))
    return tuple(carriers)


def label_of(data: Dataset, position: int) -> str | None:
    """The class name of a row, None where it has none."""
    if not len(data.y) or data.y[position] == MISSING:
        return None
    return data.classes[int(data.y[position])]


def _carrier(data: Dataset, position: int) -> Carrier:
    return Carrier(int(data.row[position]), data.key[position], label_of(data, position))


def _varied(positions: NDArray[np.int64], data: Dataset) -> NDArray[np.int64]:
    """Strongest first, rows with the same content once: three frames of one track show nothing new."""
    _, first = np.unique(data.digest[positions], axis=0, return_index=True)
    return positions[np.sort(first)]


def _pictures(carriers: list[Carrier], images: NDArray[np.uint8], artefact: Artefact | None, budget: Budget) -> list[Carrier]:
    removed = None if artefact is None else without(artefact, images)
    boxes: list[Box | None] = [None] * len(images) if artefact is None else outlines(artefact, images, removed)
    shown = []
    for i, carrier in enumerate(carriers):
        before = _afford(thumbnail(images[i], boxes[i]), budget)
        after = None if removed is None or before is None else _afford(thumbnail(removed[i]), budget)
        shown.append(replace(carrier, before=before, after=after))
    return shown


def _afford(made: Thumbnail, budget: Budget) -> Thumbnail | None:
    return made if budget.take(len(made.uri)) else None


def _picture(artefact: Artefact, budget: Budget) -> Thumbnail | None:
    draw = getattr(artefact, "picture", None)
    return _afford(thumbnail(draw()), budget) if callable(draw) else None


def _conditions(artefact: Artefact) -> tuple[tuple[str, str], ...]:
    if not isinstance(artefact, Cells):
        return ()
    return tuple((c.column, str(c).removeprefix(c.column).strip()) for c in artefact.conditions)


def _columns(rows: Rows, artefact: Artefact | None) -> tuple[list[str], list[str]]:
    """Text columns, and the others to show: those of the rule first, then the first few."""
    kinds = {f.name: f.type for f in rows.table.schema}
    ruled = list(getattr(artefact, "columns", ())) if isinstance(artefact, Cells) else []
    texts = [n for n, t in kinds.items() if _is_text(t) and n not in ruled and _wordy(rows, n)]
    others = [n for n in kinds if n not in texts and n not in ruled]
    return texts, [*(n for n in ruled if n in kinds), *others][:COLUMNS]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _wordy(rows: Rows, name: str) -> bool:
    """Whether a text column holds sentences rather than categories: judged by the rows that are shown."""
    return rows.table.num_columns == 1 or any(len(str(v).split()) > 3 for v in rows.table.column(name).to_pylist())


def _passages(rows: Rows, position: int, texts: list[str], artefact: Artefact | None) -> dict[str, Any]:
    before, after = [], []
    for name in texts:
        text = rows.table.column(name)[position].as_py() or ""
        spans = [] if artefact is None else spans_of(artefact, rows, position, name)
        if artefact is not None and not spans and len(texts) > 1:
            continue  # of several texts, those that hold it
        before.append((name, excerpt(text, spans)))
        gone = text_without(artefact, rows, position, name) if artefact is not None and spans else None
        if gone is not None:
            at = min(spans[0][0], len(gone))
            after.append((name, [p for p in excerpt(gone, [(at, min(at + 1, len(gone)))] if gone else []) if p.text or p.cut]))
    return {"passages": tuple(before), "passages_after": tuple((n, _joined(p)) for n, p in after)}


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The same characters in one unmarked run, ends kept."""
    text = "".join(p.text for p in pieces)
    return [Piece(text, cut=bool(pieces) and pieces[0].cut), *(p for p in pieces[-1:] if p.cut and not p.text)]


def _cell(rows: Rows, position: int, name: str, artefact: Artefact | None) -> Cell:
    value = words(plain(rows.table.column(name)[position].as_py()))
    marked = isinstance(artefact, Cells) and name in artefact.columns
    return Cell(name, value if len(value) <= CELL else value[: CELL - 1] + "…", marked)
