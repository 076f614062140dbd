"""Histograms of the plain numbers of rows (columns of a table, length of a text, brightness of a picture), outliers marked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.finding import Conclusion
from assay.report.plots.svg import Plot, cut, framed, words_at
from assay.screen.statistics import row_statistics

ACROSS, WIDE, HIGH, FOOT = 3, 240, 100, 34
MOST_COLUMNS = 12  # those with most rows marked
BINS = 40
FAR = 3.0  # interquartile ranges beyond the quartiles: Tukey's "far out" (Exploratory Data Analysis, 1977)
MOST_MARKS = 200
Panel = tuple[int, str, NDArray[np.float64], NDArray[np.bool_], float, float]  # rows marked, name, values, marks, median, spread
VALUE_SCREENS = ("iqr", "robust_z", "isolation_forest")


def columns(data: Dataset, conclusion: Conclusion) -> Plot | None:
    """None where rows have no numbers. Values are shown, so a report without content has none of this."""
    flagged = np.zeros(len(data), bool)
    for screen in conclusion.screens:
        if screen.name in VALUE_SCREENS:
            flagged |= screen.flag
    numbers = row_statistics(data)
    panels: list[Panel] = []
    for name, values in zip(numbers.names, numbers.values.T, strict=True):
        known = np.isfinite(values)
        if known.sum() < 10:
            continue
        low, middle, high = np.percentile(values[known], (25, 50, 75))
        spread = max(float(high - low), float(values[known].std()) / 10, 1e-12)
        far = known & ((values < low - FAR * spread) | (values > high + FAR * spread))
        marked = (far & flagged)[known]
        panels.append((int(marked.sum()), name, values[known], marked, float(middle), float(spread)))
    if not panels:
        return None
    panels.sort(key=lambda p: -p[0])
    panels = panels[:MOST_COLUMNS]
    lines = -(-len(panels) // ACROSS)
    body = [_panel(panel, (i % ACROSS) * WIDE, (i // ACROSS) * (HIGH + FOOT)) for i, panel in enumerate(panels)]
    said = "Histograms: " + "; ".join(f"{name}, {marked} rows far out" for marked, name, *_ in panels)
    caption = (
        f"Flagged rows whose value lies more than {FAR:g} interquartile ranges outside the quartiles are marked below the axis. The axis "
        "is linear near the median and logarithmic far from it."
    )
    if len(numbers.names) > len(panels):
        caption += f" {len(panels)} of {len(numbers.names)} columns, those with most marks."
    return Plot("columns", "Numbers of the rows", caption, framed(ACROSS * WIDE, lines * (HIGH + FOOT), said, "".join(body), "columns"))


def _panel(panel: Panel, left: int, top: int) -> str:
    marked, name, values, far, middle, spread = panel
    place = np.arcsinh((values - middle) / spread)
    low, high = float(place.min()), max(float(place.max()), float(place.min()) + 1e-9)
    across = left + 8 + (WIDE - 24) * (place - low) / (high - low)
    heights, edges = np.histogram(across, BINS, (left + 8, left + WIDE - 16))
    base = top + HIGH - 8
    tall = (HIGH - 34) * np.sqrt(heights / max(int(heights.max()), 1))
    steps = "".join(f"V{base - t:.1f}H{x:.1f}" for t, x in zip(tall, edges[1:], strict=True))
    parts = [
        words_at(left + 8, top + 14, cut(name, 26) + (f": {marked:,} far out" if marked else ""), strong=True),
        f'<path class="bar keep" d="M{edges[0]:.1f} {base}{steps}V{base}Z"/>',
        f'<line class="axis" x1="{left + 8}" x2="{left + WIDE - 16}" y1="{base}" y2="{base}"/>',
    ]
    ticks = "".join(f"M{x:.0f} {base + 1}v7" for x in np.unique(across[far].round())[:MOST_MARKS])
    if ticks:
        parts.append(f'<path class="mark review" d="{ticks}"/>')
    ends = ((left + 8, "start", values.min()), (left + WIDE - 16, "end", values.max()))
    parts += [words_at(x, base + 20, f"{v:.4g}", anchor) for x, anchor, v in ends]
    return "".join(parts)
