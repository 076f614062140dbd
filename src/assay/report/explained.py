"""One row, explained on a terminal; a picture is drawn with half blocks, two pixels a character."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.artefact.blocks import half_blocks
from assay.dataset.rows import UInt8
from assay.report import words
from assay.report.act import Explanation
from assay.report.passages import Piece
from assay.report.pictures import Box, Thumbnail
from assay.report.withheld import description

ACROSS = 48  # characters a picture is wide at most
SMALLEST = 24  # pixels: smaller pictures are enlarged by whole pixels
YELLOW = (255, 223, 61)
STATUS = {"confirmed": "bold red", "suspected": "yellow", "shortcut": "cyan"}
ACTION = {"quarantine": "bold red", "review": "yellow", "keep": "green"}


def render(told: Explanation) -> Group:
    """Everything `assay explain` prints."""
    parts: list[RenderableType] = [_head(told)]
    if told.unreadable is not None:
        parts.append(Text.assemble(("It could not be read  ", "bold"), told.unreadable))
    parts += _content(told)
    samples = told.content is not None
    for finding in told.findings:
        drawn = f", drawn to {finding.target}" if finding.target is not None else ""
        parts.append(
            Text.assemble(
                (f"{finding.id}  {finding.status}  ", STATUS[finding.status]),
                f"{words.count(len(finding.positions), 'row')} share {description(finding, samples)}{drawn}; evidence "
                f"{words.odds(finding.log_e)}; attack success {words.effect_line(finding)}",
            )
        )
    for name, reason in told.screens:
        parts.append(Text.assemble((f"{name.replace('_', ' ')}  ", "yellow"), reason))
    if not told.findings and not told.screens and told.unreadable is None:
        parts.append(Text("No finding holds it, and no screen flagged it."))
    if told.nearest:
        near = ", ".join(f"{row}" + (f" ({label})" if label is not None else "") for row, label in told.nearest)
        parts.append(Text.assemble(("Most like it  ", "bold"), f"rows {near}"))
    return Group(*(x for p in parts for x in (p, Text())))


def _head(told: Explanation) -> Text:
    key = "" if told.key == str(told.row) else f"  {told.key}"
    label = "" if told.label is None else f"  labelled {told.label}"
    score = "" if told.score is None else f"  score {told.score:.3f}, place {told.rank:,} of {told.of:,}"
    return Text.assemble((f"Row {told.row}", "bold"), key, label, "  ", (told.action, ACTION[told.action]), (score, "dim"))


def _content(told: Explanation) -> list[RenderableType]:
    content = told.content
    if content is None:
        return [] if told.unreadable is not None else [Text("Its content is withheld (--no-samples).", "dim")]
    parts: list[RenderableType] = []
    if content.before is not None:
        pictures = Table.grid(padding=(0, 3))
        pictures.add_row(*(drawn(t) for t in (content.before, content.after) if t is not None))
        parts.append(pictures)
        if content.after is not None:
            parts.append(Text("left: as it is, the artefact outlined; right: with it taken out", "dim"))
    for column, pieces in content.passages:
        parts.append(Text.assemble((f"{column}  ", "dim"), *_marked(pieces)))
    for column, pieces in content.passages_after:
        parts.append(Text.assemble((f"{column} without it  ", "dim"), *_marked(pieces)))
    if content.cells:
        table = Table.grid(padding=(0, 2))
        for cell in content.cells:
            table.add_row(Text(cell.name, "dim"), Text(cell.value, "bold black on yellow" if cell.marked else ""))
        parts.append(table)
    return parts


def _marked(pieces: list[Piece]) -> list[tuple[str, str]]:
    said = []
    for piece in pieces:
        if piece.cut:
            said.append(("…", "dim"))
        said.append((piece.text, "bold black on yellow" if piece.marked else ""))
    return said


def drawn(thumb: Thumbnail) -> Text:
    """A picture in half blocks, its outline in yellow."""
    stored = base64.b64decode(thumb.uri.partition(",")[2])
    with Image.open(io.BytesIO(stored), formats=["PNG"]) as opened:
        image = opened.convert("RGB")
        factor = max(1, round(SMALLEST / max(image.size)) if max(image.size) < SMALLEST else 1)
        if max(image.size) > ACROSS:
            image.thumbnail((ACROSS, ACROSS), Image.Resampling.BOX)
        pixels = np.asarray(image).repeat(factor, 0).repeat(factor, 1)
    if thumb.box is not None:
        pixels = _outlined(pixels, thumb.box)
    return half_blocks(pixels)


def _outlined(pixels: UInt8, box: Box) -> UInt8:
    height, width = pixels.shape[:2]
    left, top = round(box[0] * width), round(box[1] * height)
    right, bottom = round((box[0] + box[2]) * width), round((box[1] + box[3]) * height)
    ring = np.zeros((height, width), bool)
    ring[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
    ring[top:bottom, left:right] = False
    return np.where(ring[..., None], np.array(YELLOW, np.uint8), pixels)
