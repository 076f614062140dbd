"""The plot of the benchmark page: what each defence catches, above what it wrongly removes."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.bench.measures import IMPLANTED
from assay.bench.page_table import by_defence
from assay.report.plots.svg import Plot, cut, framed, standalone, words_at

Line = dict[str, Any]

WIDTH, LEFT, RIGHT, STEP, TOP, FOOT = 720, 210, 90, 26, 8, 26
CAUGHT, WRONGED, ON_CLEAN = "f0", "f1", "f5"  # colours of the palette


def caught_and_wronged(lines: list[Line], suite: str) -> str | None:
    """An SVG file: for each defence, poisoned rows removed where the attack implanted, clean rows removed there, and rows removed from
    clean data; None where no attack implanted."""
    found = []
    for name, xs in by_defence(x for x in lines if x["failed"] is None):
        hit = [x for x in xs if x["success"] is not None and x["success"] >= IMPLANTED]
        clean = [x["fpr"] for x in xs if not x["attack"]]
        if hit:
            means = (np.mean([x["tpr"] for x in hit]), np.mean([x["fpr"] for x in hit]), np.mean(clean) if clean else None)
            found.append((name, len(hit), tuple(None if s is None else float(s) for s in means)))
    if not found:
        return None
    height = TOP + STEP * len(found) + FOOT
    body, across = [], WIDTH - LEFT - RIGHT
    for number, (name, runs, shares) in enumerate(found):
        y = TOP + STEP * number
        body.append(words_at(LEFT - 8, y + 15, cut(name, 34), "end", strong=number == 0))
        for place, (share, colour) in enumerate(zip(shares, (CAUGHT, WRONGED, ON_CLEAN), strict=True)):
            if share is not None:
                wide = max(across * share, 1.0)
                said = f"{name}: {share:.2%}"
                body.append(
                    f'<rect class="{colour}" x="{LEFT}" y="{y + 3 + 6 * place}" width="{wide:.1f}" height="5"><title>{said}</title></rect>'
                )
        body.append(words_at(WIDTH - RIGHT + 8, y + 15, f"{runs} runs"))
    body += [words_at(LEFT + across * v, height - 8, f"{v:.0%}", "middle") for v in (0, 0.5, 1)]
    body.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{height - FOOT}"/>')
    title, caption = (
        f"The {suite} suite: caught, and wrongly removed",
        "Means over the runs in which the attack implanted, and over clean controls.",
    )
    legend = ((CAUGHT, "poisoned rows removed"), (WRONGED, "clean rows removed beside them"), (ON_CLEAN, "rows removed from clean data"))
    first = found[0]
    drawing = framed(WIDTH, height, f"{title}; {first[0]}: {first[2][0]:.0%} of poisoned rows", "".join(body), "bench")
    return standalone(Plot("bench", title, caption, drawing, legend=legend))
