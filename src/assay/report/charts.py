"""Small charts as inline SVG: no script, no network, readable in print and by screen readers."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

BINS = 40
WIDTH, HEIGHT, FOOT = 720, 170, 22  # of the histogram, in SVG units
ACTIONS = ("quarantine", "review", "keep")  # drawn from the bottom


def histogram(score: NDArray[np.float64], action: tuple[str, ...]) -> Markup:
    """Rows by score, stacked by action; heights are logarithmic, or 40 quarantined rows in a million could not be seen."""
    known = np.isfinite(score)
    score, kinds = score[known], np.array(action, object)[known]
    low, high = (float(score.min()), float(score.max())) if len(score) else (0.0, 1.0)
    low, high = min(low, 0.0), max(high, 1.0, low + 1e-9)
    edges = np.linspace(low, high, BINS + 1)
    counts = {a: np.histogram(score[kinds == a], edges)[0] for a in ACTIONS}
    total = np.sum(list(counts.values()), axis=0)
    top = math.log1p(max(int(total.max()), 1))
    plot = HEIGHT - FOOT
    step = WIDTH / BINS
    parts = []
    for i in range(BINS):
        whole = plot * math.log1p(int(total[i])) / top
        y = float(plot)
        for a in ACTIONS:
            if not counts[a][i]:
                continue
            part = whole * int(counts[a][i]) / int(total[i])
            if a != "keep":
                part = min(whole, max(part, 2.0))  # one row is still a line
            y -= part
            parts.append(f'<rect class="bar {a}" x="{i * step + 0.5:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{part:.1f}"/>')
    rule = f'<line class="axis" x1="0" y1="{plot}" x2="{WIDTH}" y2="{plot}"/>'
    marks = [(0.0, "start", f"{low:g}"), (WIDTH / 2, "middle", f"{(low + high) / 2:.2g}"), (float(WIDTH), "end", f"{high:g}")]
    texts = [f'<text x="{x:.0f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{label}</text>' for x, anchor, label in marks]
    said = ", ".join(f"{int(counts[a].sum()):,} {a}" for a in ACTIONS)
    return _svg(WIDTH, HEIGHT, f"Rows by score: {said}", "".join([*parts, rule, *texts]), "histogram")


def interval_bar(rate: float, low: float, high: float, baseline: float | None = None) -> Markup:
    """A share with its interval on a line from 0 to 100 %, and a tick where natural artefacts stand."""
    x = [round(200 * min(1.0, max(0.0, v)), 1) for v in (rate, low, high)]
    tick = ""
    if baseline is not None and math.isfinite(baseline):
        tick = f'<line class="tick" x1="{200 * baseline:.1f}" y1="1" x2="{200 * baseline:.1f}" y2="15"/>'
    body = (
        '<line class="track" x1="0" y1="8" x2="200" y2="8"/>'
        f'<line class="range" x1="{x[1]}" y1="8" x2="{x[2]}" y2="8"/>{tick}<circle class="dot" cx="{x[0]}" cy="8" r="4.5"/>'
    )
    said = f"{100 * rate:.0f} %, interval {100 * low:.0f} to {100 * high:.0f} %"
    return _svg(200, 16, said, body, "interval", margin=6)


def _svg(width: int, height: int, said: str, body: str, name: str, margin: int = 0) -> Markup:
    """`body` is ours alone: numbers and class names, no content."""
    box = f"{-margin} 0 {width + 2 * margin} {height}"
    return Markup(f'<svg class="{name}" viewBox="{box}" role="img" aria-label="{escape(said)}">{body}</svg>')
