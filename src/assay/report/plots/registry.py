"""Every plot, in the order in which they are shown; and as files."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.finding import Conclusion
from assay.report.plots.columns import columns
from assay.report.plots.curve import curve
from assay.report.plots.distributions import losses, scores
from assay.report.plots.embedding import embedding
from assay.report.plots.rates import rates
from assay.report.plots.svg import Plot, standalone
from assay.report.plots.transitions import transitions

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


def write_plots(drawn: list[Plot], folder: Path, forms: Sequence[str]) -> None:
    """Make the folder, and in it one file a plot and form, "svg" or "png". PNG needs the package resvg-py: DataError without it."""
    folder.mkdir()
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
