"""Where flagged rows come from: the share of them for each contributor, source and day, with its interval."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from markupsafe import escape

from assay.dataset.data import Dataset
from assay.finding import Conclusion
from assay.report.plots.svg import Plot, cut, framed, round_top, words_at
from assay.stats.interval import clopper_pearson

WIDTH, LEFT, LINE, FOOT = 720, 170, 20, 24
MOST_NAMES = 25
FEWEST_ROWS = 10  # of a name, for its interval to set the scale
LEAST_SCALE = 0.02
MOST_DAYS = 60
DAYS_HIGH, DAYS_FOOT = 170, 34
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def rates(data: Dataset, conclusion: Conclusion) -> list[Plot]:
    """A plot for each of the contributor, source and time columns that there are."""
    flagged = np.array([a != "keep" for a in conclusion.action], bool)
    plots = []
    for column in dict.fromkeys((data.columns.contributor, data.columns.source)):
        values = data.values(column)
        if column is not None and values is not None:
            plots.append(_by_name(column, values, flagged))
    times = data.values(data.columns.time)
    if data.columns.time is not None and times is not None:
        plots.append(_by_day(data.columns.time, times, flagged))
    return [p for p in plots if p is not None]


def _by_name(column: str, values: list[Any], flagged: np.ndarray[Any, np.dtype[np.bool_]]) -> Plot | None:
    name = np.array(["" if v is None else str(v) for v in values])
    there, inverse, count = np.unique(name, return_inverse=True, return_counts=True)
    hits = np.bincount(inverse, flagged, minlength=len(there)).astype(int)
    bounds = [clopper_pearson(int(h), int(n)) for h, n in zip(hits, count, strict=True)]
    if len(there) < 2:
        return None
    order = sorted(range(len(there)), key=lambda i: -bounds[i][0])[:MOST_NAMES]
    many = [bounds[i][1] for i in order if count[i] >= FEWEST_ROWS]
    top = min(1.0, round_top(max(LEAST_SCALE, max(many, default=1.0))))
    whole = float(flagged.mean())

    def across(v: float) -> float:
        return LEFT + (WIDTH - LEFT - 120) * min(v / top, 1.0)

    body = [f'<line class="axis" x1="{across(whole):.1f}" x2="{across(whole):.1f}" y1="4" y2="{len(order) * LINE}"/>']
    for line, i in enumerate(order):
        y = line * LINE + LINE / 2 + 2
        low, high = bounds[i]
        body.append(words_at(LEFT - 8, y + 4, cut(there[i] or "(none)", 24), "end", strong=True))
        body.append(f'<line class="range" stroke-width="3" x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{y}" y2="{y}"/>')
        body.append(f'<circle class="dot" cx="{across(hits[i] / count[i]):.1f}" cy="{y}" r="4"/>')
        body.append(words_at(WIDTH - 4, y + 4, f"{hits[i]:,} of {count[i]:,}", "end"))
    height = len(order) * LINE + FOOT
    body += [words_at(across(v), height - 6, f"{100 * v:.3g} %", "middle") for v in (0.0, top / 2, top)]
    said = (
        f"Share of flagged rows by {column}: highest {there[order[0]]}, {hits[order[0]]} of {count[order[0]]}; overall {100 * whole:.1f} %"
    )
    shown = f" The {len(order)} of {len(there):,} with the highest lower bounds." if len(there) > len(order) else ""
    caption = f"Rows to quarantine or review, of all rows of each {column}, with a 95 % interval; the line is the share of all rows.{shown}"
    return Plot(f"rates-{_plain(column)}", f"Flagged rows by {column}", caption, framed(WIDTH, height, said, "".join(body), "rates"))


def _by_day(column: str, values: list[Any], flagged: np.ndarray[Any, np.dtype[np.bool_]]) -> Plot | None:
    names = periods(values)
    there = sorted({n for n in names if n is not None})
    if len(there) < 2:
        return None
    at = {n: i for i, n in enumerate(there)}
    inverse = np.array([-1 if n is None else at[n] for n in names])
    known = inverse >= 0
    count = np.bincount(inverse[known], minlength=len(there))
    hits = np.bincount(inverse[known], flagged[known], minlength=len(there)).astype(int)
    bounds = [clopper_pearson(int(h), int(n)) for h, n in zip(hits, count, strict=True)]
    top = min(1.0, round_top(max(LEAST_SCALE, 1.5 * max(h / n for h, n in zip(hits, count, strict=True)))))
    step = (WIDTH - 60) / len(there)

    def up(v: float) -> float:
        return DAYS_HIGH - (DAYS_HIGH - 12) * min(v / top, 1.0)

    body = [f'<line class="axis" x1="44" x2="{WIDTH}" y1="{up(v):.1f}" y2="{up(v):.1f}"/>' for v in (0.0, float(flagged.mean()))]
    for i, (low, high) in enumerate(bounds):
        x = 52 + (i + 0.5) * step
        told = f"{there[i]}: {hits[i]:,} of {count[i]:,}"
        body.append(f'<line class="range" stroke-width="2" x1="{x:.1f}" x2="{x:.1f}" y1="{up(low):.1f}" y2="{up(high):.1f}"/>')
        body.append(f'<circle class="dot" cx="{x:.1f}" cy="{up(hits[i] / count[i]):.1f}" r="3.5"><title>{escape(told)}</title></circle>')
    body += [words_at(38, up(v) + 4, f"{100 * v:.3g} %", "end") for v in (0.0, top / 2, top)]
    body += [
        words_at(52, DAYS_HIGH + 20, there[0]),
        words_at(WIDTH - 4, DAYS_HIGH + 20, there[-1], "end"),
    ]
    worst = int(np.argmax([low for low, _ in bounds]))
    said = f"Share of flagged rows over {column}: highest at {there[worst]}, {hits[worst]} of {count[worst]}"
    caption = f"Rows to quarantine or review by {column}, with 95 % intervals; the upper line is the share of all rows."
    return Plot(
        f"rates-{_plain(column)}",
        f"Flagged rows over {column}",
        caption,
        framed(WIDTH, DAYS_HIGH + DAYS_FOOT, said, "".join(body), "rates"),
    )


def periods(values: list[Any]) -> list[str | None]:
    """The day of each value where values begin with one, months where days are too many, years where months are; else the value's text.

    >>> periods(["2024-01-02 10:00", None, "2024-01-03"])
    ['2024-01-02', None, '2024-01-03']
    """
    texts = [None if v is None else v.isoformat() if hasattr(v, "isoformat") else str(v) for v in values]
    if not all(t is None or DAY.match(t) for t in texts):
        numbers = sorted({t for t in texts if t is not None})
        return texts if len(numbers) <= MOST_DAYS else _ranges(values)
    for length in (10, 7, 4):
        cut_off = [None if t is None else t[:length] for t in texts]
        if len(set(cut_off)) <= MOST_DAYS:
            break
    return cut_off


def _ranges(values: list[Any]) -> list[str | None]:
    """Equal numbers of rows in each of `MOST_DAYS` // 2 stretches, numbered in order."""
    at = [i for i, v in enumerate(values) if v is not None]
    order = sorted(at, key=lambda i: values[i])
    named: list[str | None] = [None] * len(values)
    for number, part in enumerate(np.array_split(np.array(order), MOST_DAYS // 2)):
        for i in part:
            named[i] = f"{number + 1:02d}: from {values[part[0]]}"
    return named


def _plain(column: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", column)
