"""A map of the rows: the two directions in which label-free features vary most, labels in colours, findings ringed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from markupsafe import Markup, escape
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.finding import Conclusion
from assay.learn.columns import code_columns
from assay.learn.head_features import cell_features
from assay.report.plots.svg import OTHERS, Plot, cut, framed
from assay.report.rows import by_strength
from assay.report.withheld import description

WIDTH, HEIGHT, EDGE = 720, 460, 12
MOST_POINTS = 20_000  # more are a grey carpet, and the page grows by ten bytes each
MOST_RINGS = 300  # of a finding, each of which says which row it is; 120 bytes each
MOST_FINDINGS = 8
MOST_CELL_ROWS = 50_000  # of a table: features of 100 numbers take 40 MB
EXTENT = (0.5, 99.5)  # percentiles that the map shows; what lies beyond is drawn at its edge

Floats = NDArray[np.float64]


def embedding(data: Dataset, conclusion: Conclusion) -> Plot | None:
    """None without features, or with fewer than three rows. Cannot show what more than two directions tell apart."""
    features = conclusion.features if conclusion.features is not None else _cells(data)
    if features is None or len(features) < 3:
        return None
    places, shown = plane(np.asarray(features, np.float64)), _shown(len(data), conclusion)
    y = data.y if len(data.y) == len(data) else np.full(len(data), MISSING)
    order = np.argsort(-np.bincount(y[y != MISSING], minlength=len(data.classes)), kind="stable")[:OTHERS]
    layers: list[str] = []
    legend: list[tuple[str, str, str]] = []  # layer, colour, name
    for number in range(OTHERS + 1):
        mine = shown[y[shown] == order[number]] if number < len(order) else shown[~np.isin(y[shown], order)] if number == OTHERS else []
        if not len(mine):
            continue
        name = data.classes[order[number]] if number < OTHERS else ("other labels" if data.classes else "rows")
        layers.append(f'<path class="dots s{number} L{number}" d="{_dots(places[mine])}"/>')
        legend.append((f"{number}", f"f{number}", f"{cut(name, 40)} ({len(mine):,})"))
    review = shown[[conclusion.action[i] == "review" for i in shown]]
    if len(review):
        layers.append(f'<path class="dots inked Lr" d="{_dots(places[review])}"/>')
        legend.append(("r", "inked", f"to review ({len(review):,})"))
    samples = bool(conclusion.settings.get("samples", True))
    found = [f for f in by_strength(conclusion.findings) if f.status != "shortcut"][:MOST_FINDINGS]
    for i, finding in enumerate(found):
        rings = "".join(
            f'<circle cx="{places[p, 0]:.0f}" cy="{places[p, 1]:.0f}" r="5"><title>row {int(data.row[p])}'
            f"{escape(', labelled ' + data.classes[y[p]]) if y[p] != MISSING else ''}: {escape(finding.id)}</title></circle>"
            for p in finding.positions[:MOST_RINGS]
        )
        layers.append(f'<a href="#{escape(finding.id)}"><g class="ring LF{i}">{rings}</g></a>')
        legend.append((f"F{i}", "ringed", f"{finding.id}: {cut(description(finding, samples), 50)} ({len(finding.positions):,})"))
    said = f"Map of {len(shown):,} rows by content, coloured by label; {len(found)} findings ringed"
    caption = (
        "Each dot is a row, placed by its content alone along the two directions in which content varies most. Rings are rows of "
        "findings: point at one to see which row it is."
    )
    if len(shown) < len(data):
        caption += f" {len(shown):,} of {len(data):,} rows are drawn."
    controls, shown_as = Markup("".join(_switch(*entry) for entry in legend)), tuple((colour, name) for _, colour, name in legend)
    return Plot("map", "Map of the rows", caption, framed(WIDTH, HEIGHT, said, "".join(layers), "map"), controls, shown_as)


def plane(features: Floats) -> Floats:
    """(n, 2) principal components as places on the drawing.

    >>> plane(np.array([[0.0, 0.0], [1.0, 0.1], [2.0, -0.1]])).shape
    (3, 2)
    """
    centred = np.where(np.isfinite(features), features, 0.0)
    centred = centred - centred.mean(0)
    _, basis = np.linalg.eigh(centred.T @ centred)
    two = centred @ basis[:, ::-1][:, :2]
    if two.shape[1] < 2:
        two = np.column_stack([two, np.zeros(len(two))])
    low, high = np.percentile(two, EXTENT, axis=0)
    inside = np.clip((two - low) / np.maximum(high - low, 1e-12), 0, 1)
    return np.asarray(EDGE + inside * (np.array([WIDTH, HEIGHT]) - 2 * EDGE))


def _cells(data: Dataset) -> Floats | None:
    """Steps and categories of a table's cells, where it has no other features; None for other data, or too many rows."""
    if data.images is not None or len(data) > MOST_CELL_ROWS:
        return None
    kinds = {c: data.table.schema.field(c).type for c in data.columns.content}
    coded = code_columns(data.table, [c for c, kind in kinds.items() if not (pa.types.is_nested(kind) or pa.types.is_null(kind))])
    features = cell_features(coded)
    return features if features.shape[1] else None


def _shown(n: int, conclusion: Conclusion) -> NDArray[np.int64]:
    """Which rows are drawn: all, or a sample that holds the rows of findings."""
    if n <= MOST_POINTS:
        return np.arange(n)
    named = [f.positions[:MOST_RINGS] for f in conclusion.findings if f.status != "shortcut"][:MOST_FINDINGS]
    kept = np.unique(np.concatenate([np.zeros(0, np.int64), *named]))
    rest = np.setdiff1d(np.arange(n), kept)
    return np.sort(np.concatenate([kept, np.random.default_rng(0).choice(rest, MOST_POINTS - len(kept), replace=False)]))


def _dots(places: Floats) -> str:
    """Round dots as one path of strokes without length: ten bytes each, equal ones once."""
    whole = np.unique(places.round().astype(int), axis=0)
    return "".join(f"M{x} {y}h0" for x, y in whole.tolist())


def _switch(layer: str, colour: str, name: str) -> str:
    return f'<label><input type="checkbox" class="T{layer}" checked><i class="{colour}"></i>{escape(name)}</label>'
