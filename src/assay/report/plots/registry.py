"""Every plot, in the order in which they are shown; and as files."""

from __future__ import annotations

import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.finding import Conclusion
from assay.report.folder import DRAWN
from assay.report.plots.columns import columns
from assay.report.plots.curve import curve
from assay.report.plots.distributions import losses, scores
from assay.report.plots.embedding import embedding
from assay.report.plots.rates import rates
from assay.report.plots.svg import Plot, standalone
from assay.report.plots.transitions import transitions

SCHEMA = "assay.plots/1"
LARGEST = 20_000_000  # bytes of it; a map of 20,000 rows takes 600,000
NAME = re.compile(r"[\w .,()-]{1,120}")  # it becomes a file's name
COLOUR = re.compile(r"f\d|inked|ringed")  # of a legend's entry
ELEMENTS = frozenset({"svg", "g", "a", "path", "circle", "rect", "line", "polyline", "polygon", "text", "tspan", "title"})  # what ours hold
SCALE = 2  # pixels a unit of a PNG: sharp in print and on dense screens


def plots(data: Dataset, conclusion: Conclusion) -> list[Plot]:
    """All that this data and this scan allow. Without content (`--no-samples`) no values of columns are shown."""
    samples = bool(conclusion.settings.get("samples", True))
    made = [
        embedding(data, conclusion),
        transitions(data, conclusion),
        losses(data, conclusion),
        scores(data, conclusion),
        *rates(data, conclusion),
        curve(data, conclusion),
        columns(data, conclusion) if samples else None,
    ]
    return [p for p in made if p is not None]


def keep_plots(drawn: Sequence[Plot], path: Path) -> None:
    """The drawings as a file of a report's folder, from which `kept_plots` has them again without the data."""
    listed = [{"name": p.name, "title": p.title, "caption": p.caption, "svg": str(p.svg), "legend": p.legend} for p in drawn]
    path.write_text(json.dumps({"schema": SCHEMA, "plots": listed}, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def kept_plots(folder: Path) -> list[Plot]:
    """The drawings of a report's folder. DataError where there are none, or they are not as they were written.

    A drawing is markup that a browser runs, and the file may have been changed: what holds more than drawings do is refused.
    """
    path = folder / DRAWN
    if not path.is_file():
        raise DataError("holds no drawings", path=folder, remedy="scan again, with html among --format")
    if path.stat().st_size > LARGEST:
        raise DataError("is larger than any drawings of ours", path=path)
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}")
        made = [_plot(listed) for listed in document["plots"]]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError, ET.ParseError) as error:
        raise DataError(f"holds no drawings of ours ({error})", path=path, remedy="scan again") from error
    if any(not NAME.fullmatch(plot.name) for plot in made):
        raise DataError("names a drawing as no file is named", path=path, remedy="scan again")
    return made


def _plot(listed: dict[str, Any]) -> Plot:
    legend = tuple((_text(colour), _text(name)) for colour, name in listed["legend"])
    if any(not COLOUR.fullmatch(colour) for colour, _ in legend):
        raise ValueError("a colour that is none of ours")
    drawing = Markup(_drawing(listed["svg"]))
    return Plot(_text(listed["name"]), _text(listed["title"]), _text(listed["caption"]), drawing, legend=legend)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, found {type(value).__name__}")
    return value


def _drawing(text: Any) -> str:
    """The drawing, of shapes and words alone: no script, no picture, no link to anywhere but within the page."""
    if "<!" in _text(text):
        raise ValueError("a declaration")  # of entities, which may be large beyond measure
    for element in ET.fromstring(text).iter():
        strange = [name for name in element.attrib if name.startswith("on") or (name.endswith("href") and element.attrib[name][:1] != "#")]
        if element.tag not in ELEMENTS or strange:
            raise ValueError(f"{element.tag} with {', '.join(element.attrib) or 'nothing'}")
    return str(text)


def write_plots(drawn: Sequence[Plot], folder: Path, forms: Sequence[str]) -> None:
    """Make the folder, and in it one file a plot and form, "svg" or "png". PNG needs the package resvg-py: DataError without it."""
    folder.mkdir(parents=True, exist_ok=True)
    for plot in drawn:
        text = standalone(plot)
        if "svg" in forms:
            (folder / f"{plot.name}.svg").write_text(text, encoding="utf-8", newline="\n")
        if "png" in forms:
            (folder / f"{plot.name}.png").write_bytes(_png(text))


def check_png() -> None:
    """DataError where PNG cannot be written; asked before a scan, so that none is in vain."""
    if importlib.util.find_spec("resvg_py") is None:
        raise DataError("plots as PNG need the package resvg-py", remedy="pip install 'assay[plots]', or ask for svg")


def _png(text: str) -> bytes:
    check_png()
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=text, zoom=SCALE))
