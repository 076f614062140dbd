"""The learning curve with and without the suspected rows."""

from __future__ import annotations

import math

from assay.dataset.data import Dataset
from assay.finding import Conclusion
from assay.report.plots.svg import Plot, framed, round_top, words_at

WIDTH, HEIGHT, LEFT, FOOT = 720, 210, 56, 34


def curve(data: Dataset, conclusion: Conclusion) -> Plot | None:
    """None where it was not measured, or nothing is suspected."""
    cost = conclusion.availability
    if cost is None or not cost.curve or not cost.suspects:
        return None
    points = cost.curve
    top = round_top(max(max(p.error_with, p.error_without) for p in points))
    first, last = math.log(points[0].rows), math.log(points[-1].rows)

    def place(rows: int, error: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 150) * (math.log(rows) - first) / max(last - first, 1e-9)
        return x, 10 + (HEIGHT - FOOT - 10) * (1 - error / top)

    body = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 150}" y1="{HEIGHT - FOOT}" y2="{HEIGHT - FOOT}"/>']
    ends = []
    for number, (name, errors) in enumerate(
        (("with suspects", [p.error_with for p in points]), ("without", [p.error_without for p in points]))
    ):
        at = [place(p.rows, e) for p, e in zip(points, errors, strict=True)]
        colour = 1 - number
        body.append(f'<path class="line s{colour}" stroke-width="2" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in at)}"/>')
        body += [
            f'<circle class="f{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{p.rows:,} rows {name}: {100 * e:.2f} %</title></circle>'
            for (x, y), p, e in zip(at, points, errors, strict=True)
        ]
        ends.append((at[-1], f"{name}: {100 * errors[-1]:.1f} %"))
    apart = ends[1][0][1] - ends[0][0][1]
    shift = max(0.0, (14 - abs(apart)) / 2) * (1 if apart >= 0 else -1)
    body.append(words_at(ends[0][0][0] + 10, ends[0][0][1] + 4 - shift, ends[0][1], strong=True))
    body.append(words_at(ends[1][0][0] + 10, ends[1][0][1] + 4 + shift, ends[1][1], strong=True))
    body += [words_at(place(p.rows, 0)[0], HEIGHT - 14, f"{p.rows:,}", "middle") for p in points]
    body += [words_at(LEFT - 8, place(points[0].rows, v)[1] + 4, f"{100 * v:.3g} %", "end") for v in (0.0, top / 2, top)]
    caption = "Share of held-out rows that a linear head gets wrong, by how many rows it learnt from, with the suspected rows and without."
    said = f"Learning curve: {ends[0][1]}, {ends[1][1]} at {points[-1].rows:,} rows"
    return Plot("learning-curve", "What the suspected rows cost", caption, framed(WIDTH, HEIGHT, said, "".join(body), "curve"))
