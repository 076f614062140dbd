"""Which labels the content of rows argues for: labelled one class, read as another by a probe that never saw them."""

from __future__ import annotations

import numpy as np
from markupsafe import escape

from assay.dataset.data import MISSING, Dataset
from assay.finding import Conclusion
from assay.report.plots.svg import Plot, cut, framed, words_at

MOST_CLASSES = 20  # the largest; more cells cannot be read
NUMBERED = 12  # classes up to which a cell holds its number
WIDTH, LEFT, SIDE = 720, 150, 480
LETTER = 5  # units up, of a name written aslant


def transitions(data: Dataset, conclusion: Conclusion) -> Plot | None:
    """None without a probe."""
    p = conclusion.probabilities
    if p is None or not data.labelled:
        return None
    known = np.flatnonzero(data.y != MISSING)
    k = len(data.classes)
    counts = np.bincount(data.y[known] * k + p[known].argmax(1), minlength=k * k).reshape(k, k)
    order = np.argsort(-counts.sum(1), kind="stable")[:MOST_CLASSES]
    counts = counts[np.ix_(order, order)]
    names = [data.classes[c] for c in order]
    top = 36 + LETTER * min(16, max(map(len, names)))
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cell = min(60.0, SIDE / len(order))
    body = [words_at(LEFT, 14, "read as", strong=True), words_at(LEFT - 8, top - 6, "labelled", "end", strong=True)]
    for i, name in enumerate(names):
        x, y = LEFT + i * cell, top + i * cell
        body.append(f'<g transform="translate({x + cell / 2 + 4:.1f} {top - 6}) rotate(-45)">{words_at(0, 0, cut(name, 16))}</g>')
        body.append(words_at(LEFT - 8, y + cell / 2 + 4, cut(name, 22), "end"))
        for j, other in enumerate(names):
            told = escape(f"{counts[i, j]:,} rows labelled {name}, read as {other} ({100 * share[i, j]:.1f} %)")
            body.append(
                f'<rect class="heat" x="{LEFT + j * cell:.1f}" y="{y:.1f}" width="{cell - 1:.1f}" height="{cell - 1:.1f}" '
                f'fill-opacity="{0.04 + 0.86 * np.sqrt(share[i, j]):.2f}"><title>{told}</title></rect>'
            )
            if len(order) <= NUMBERED and counts[i, j]:
                kind = ' style="fill:#fff"' if share[i, j] > 0.3 else ' class="strong"'
                text = f"{counts[i, j]:,}"
                body.append(f'<text x="{LEFT + (j + 0.5) * cell:.1f}" y="{y + cell / 2 + 4:.1f}" text-anchor="middle"{kind}>{text}</text>')
    wrong = int(counts.sum() - np.trace(counts))
    said = f"Label transitions: {wrong:,} of {int(counts.sum()):,} rows are read as another class than their label"
    caption = (
        "Rows by their label and by what a probe that never saw them reads. Confusable classes are dark both ways; labels that were "
        "moved are dark one way."
    )
    if k > len(order):
        caption += f" The {len(order)} largest of {k} classes."
    size = len(order) * cell
    return Plot(
        "transitions",
        "Labels against content",
        caption,
        framed(max(WIDTH, LEFT + size + 90), top + size + 6, said, "".join(body), "matrix"),
    )
