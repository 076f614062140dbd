"""What a scan's numbers look like: drawn by the report's own plots when a scan has ended, kept beside its report, and shown as a page.

The drawings hold markup of the report's making, in which whatever data says was escaped; a worker writes them and nobody else.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup
from sqlalchemy.orm import Session

from assay.report.plots.svg import Plot
from assay.report.report import Report
from assay.serve import scans
from assay.serve.access import Who
from assay.serve.files import Files

FILE = "plots.json"
PALE = ' style="fill:#fff"'  # the one style that a drawing writes into an element: the pages' policy allows none there


def keep(report: Report, folder: Path) -> None:
    """Draw what a finished scan allows, and keep it in its folder."""
    if report.data is None:
        return
    drawn = [asdict(plot) for plot in report.drawings]
    part = folder / f".{FILE}"
    part.write_text(json.dumps(drawn), encoding="utf-8")
    part.rename(folder / FILE)


def of_scan(db: Session, who: Who, files: Files, id: str) -> list[Plot]:
    """A scan's plots, the map first; rings of findings lead to their pages. None for a scan that has not ended, or of an older version."""
    held = scans.record(db, who, id)
    path = files.scan(held.project_id, id) / FILE
    if not path.is_file():
        return []
    found = []
    for told in json.loads(path.read_text(encoding="utf-8")):
        svg = told["svg"].replace(PALE, ' class="pale"').replace('<a href="#', f'<a href="/scans/{id}/findings/')
        if "<a " in svg:  # a picture holds nothing to be led to
            svg = svg.replace('role="img"', 'role="group"', 1)
        found.append(Plot(told["name"], told["title"], told["caption"], Markup(svg), Markup(told["controls"])))
    return found
