"""A study of a crowd on the terminal: one screen."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.crowd.aggregate import Aggregate
from assay.crowd.disputes import Disputes, Reading
from assay.crowd.hostile import Hostile
from assay.crowd.votes import Floats, Int

SHOWN = 5  # annotators listed at each end
ACCUSED = 12  # accusations spelt out
UNSURE = 0.9  # a label less sure than this counts as open


def render(aggregate: Aggregate, found: Hostile, disputed: Disputes, out: Path) -> Group:
    """What `assay crowd` prints."""
    votes = aggregate.votes
    labelled = int((votes.votes_on > 0).sum())
    open_rows = int(((aggregate.confidence < UNSURE) & (votes.votes_on > 0)).sum())
    why = ", ".join(f"{n:,} {reading}" for reading in get_args(Reading) if (n := disputed.reading.count(reading)))
    why = f" ({why})" if why else ""
    pairs = ", ".join(f"{votes.classes[t]!r} called {votes.classes[s]!r}" for t, s in disputed.confused[:SHOWN])
    parts: list[RenderableType] = [
        Text(f"{len(votes):,} votes by {len(votes.annotators):,} annotators on {labelled:,} rows, {len(votes.classes)} classes"),
        *(Text(note, "dim") for note in votes.notes),
        Text(f"{len(disputed):,} rows are disputed{why}; {open_rows:,} labels are less than {UNSURE:.0%} sure ({aggregate.method})."),
        *([Text(f"The guideline leaves open: {pairs}.")] if pairs else []),
        _annotators(aggregate),
        *_accused(aggregate, found),
        Text(f"Written to {out}: labels.parquet, annotators.parquet, crowd.json"),
    ]
    return Group(*parts)


def _accused(aggregate: Aggregate, found: Hostile) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for accusation in found.accusations[:ACCUSED]:
        name = aggregate.votes.annotators[accusation.annotator]
        odds = f"p {accusation.p_value:.1g}"
        parts.append(Text.assemble((f"{name}  {accusation.kind}  ", "bold red"), accusation.evidence, (f"  {odds}", "dim")))
    if len(found.accusations) > ACCUSED:
        parts.append(Text(f"and {len(found.accusations) - ACCUSED:,} more, in crowd.json"))
    if found.accusations:
        n = len(found.accused)
        parts.append(Text(f"Without the {n} accused, {found.damage:,} labels change. An accusation is no proof of intent: ask first."))
    else:
        parts.append(Text("Nobody is accused."))
    parts += [Text(f"{check.name}: not tried, {check.reason}", "dim") for check in found.checks if check.state != "ran"]
    return parts


def _annotators(aggregate: Aggregate) -> Table:
    votes, skill = aggregate.votes, aggregate.skill
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("annotator", "votes", "right"):
        table.add_column(column, justify="left" if column == "annotator" else "right")
    for place in _ends(skill):
        if place < 0:
            table.add_row("…", "", "")
        else:
            table.add_row(Text(votes.annotators[place]), f"{votes.votes_of[place]:,}", f"{skill[place]:.0%}")
    return table


def _ends(skill: Floats) -> list[int]:
    """Best and worst, -1 where some are left out."""
    order: Int = np.argsort(-skill, kind="stable")
    order = order[np.isfinite(skill[order])]
    if len(order) <= 2 * SHOWN + 1:
        return [int(i) for i in order]
    return [*map(int, order[:SHOWN]), -1, *map(int, order[-SHOWN:])]
