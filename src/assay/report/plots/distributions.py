"""How a number is spread within each class: the out-of-fold loss of its labels, and the combined score of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.finding import Conclusion
from assay.report.plots.svg import Plot, cut, framed, words_at

WIDTH, LEFT, LINE, FOOT = 720, 150, 44, 26
MOST_CLASSES = 12  # the largest
BINS = 60
MOST_MARKS = 300  # of a class
LOWEST = 1e-4  # a probability below is drawn there

Floats = NDArray[np.float64]


def losses(data: Dataset, conclusion: Conclusion) -> Plot | None:
    """Per class, how unlikely its labels are by a probe that never saw them; None without a probe."""
    p = conclusion.probabilities
    if p is None or not data.labelled:
        return None
    known = np.flatnonzero(data.y != MISSING)
    loss = np.full(len(data), np.nan)
    loss[known] = -np.log10(np.maximum(p[known, data.y[known]], LOWEST))
    caption = (
        "How likely a probe that never saw the row finds its label: to the right, one in ten, a hundred, a thousand. A hump on the right "
        "is rows whose content speaks for another label. Red: to quarantine; brown: to review."
    )
    marks = [(float(i), f"1 in {10**i:,}" if i else "sure") for i in range(5)]
    return _plot("losses", "Loss by class", caption, loss, data, conclusion, marks)


def scores(data: Dataset, conclusion: Conclusion) -> Plot | None:
    """Per class, the combined score of its rows; None without labels."""
    if not data.labelled or not len(conclusion.score):
        return None
    caption = "The combined score of each class's rows; rows above one half were flagged by some screen, rows of findings stand at 1."
    marks = [(v, f"{v:g}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _plot("scores", "Score by class", caption, conclusion.score, data, conclusion, marks)


def _plot(
    name: str, title: str, caption: str, values: Floats, data: Dataset, conclusion: Conclusion, marks: Sequence[tuple[float, str]]
) -> Plot | None:
    count = np.bincount(data.y[data.y != MISSING], minlength=len(data.classes))
    classes = [int(c) for c in np.argsort(-count, kind="stable")[:MOST_CLASSES] if count[c]]
    low, high = marks[0][0], marks[-1][0]
    action = np.array(conclusion.action, object)
    width = WIDTH - LEFT - 16

    def across(v: Floats) -> Floats:
        return np.asarray(LEFT + width * np.clip((v - low) / (high - low), 0, 1))

    body = []
    for line, c in enumerate(classes):
        base = (line + 1) * LINE - 6
        mine = np.flatnonzero((data.y == c) & np.isfinite(values))
        if not len(mine):
            continue
        heights, edges = np.histogram(np.clip(values[mine], low, high), BINS, (low, high))
        tall = (LINE - 14) * np.sqrt(heights / max(int(heights.max()), 1))
        x = across(edges)
        steps = "".join(f"V{base - t:.1f}H{right:.1f}" for t, right in zip(tall, x[1:], strict=True))
        body.append(f'<path class="bar keep" d="M{x[0]:.1f} {base}{steps}V{base}Z"/>')
        for kind in ("review", "quarantine"):
            flagged = mine[action[mine] == kind]
            flagged = flagged[np.argsort(-values[flagged], kind="stable")][:MOST_MARKS]
            ticks = "".join(f"M{v:.0f} {base - 7}v7" for v in np.unique(across(values[flagged]).round()))
            if ticks:
                body.append(f'<path class="mark {kind}" d="{ticks}"/>')
        middle = float(across(np.array([np.median(values[mine])]))[0])
        body.append(f'<line class="tick" x1="{middle:.1f}" x2="{middle:.1f}" y1="{base - LINE + 14}" y2="{base}"/>')
        body.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 16}" y1="{base}" y2="{base}"/>')
        body.append(words_at(LEFT - 8, base - 10, cut(data.classes[c], 22), "end", strong=True))
        body.append(words_at(LEFT - 8, base + 2, f"{len(mine):,}", "end"))
    if not body:
        return None
    height = len(classes) * LINE + FOOT
    places = across(np.array([v for v, _ in marks])).tolist()
    anchors = ["middle"] * (len(marks) - 1) + ["end"]
    body += [words_at(x, height - 8, text, anchor) for x, (_, text), anchor in zip(places, marks, anchors, strict=True)]
    said = f"{title}, {len(classes)} classes: {caption}"
    more = len(data.classes) - len(classes)
    tail = f" The {len(classes)} largest of {len(data.classes)} classes." if more > 0 else ""
    tail += " Heights go with the square root of the number of rows; the line is the median."
    return Plot(name, title, caption + tail, framed(WIDTH, height, said, "".join(body), name))
