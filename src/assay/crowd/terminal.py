"""A study of a crowd on the terminal: one screen."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from assay.crowd.damage import Damage
from assay.crowd.disputes import Reading
from assay.crowd.hostile import Hostile
from assay.crowd.multilabel import Labels
from assay.crowd.save import Disputed, Study, emptied
from assay.crowd.votes import Floats, Int, Votes

SHOWN = 5  # annotators listed at each end
ACCUSED = 12  # accusations spelt out
UNSURE = 0.9  # a label less sure than this counts as open


def render(aggregate: Study, read: Votes, found: Hostile, disputed: Disputed, out: Path) -> Group:
    """What `assay crowd` prints. `read`: the votes as they were read, those of the accused among them."""
    votes = aggregate.votes
    open_rows = int(((aggregate.confidence < UNSURE) & (votes.votes_on > 0)).sum())
    why = ", ".join(f"{n:,} {reading}" for reading in get_args(Reading) if (n := disputed.reading.count(reading)))
    why = f" ({why})" if why else ""
    pairs = ", ".join(f"{votes.classes[t]!r} called {votes.classes[s]!r}" for t, s in disputed.confused[:SHOWN])
    parts: list[RenderableType] = [
        Text(f"{len(read):,} votes by {len(read.annotators):,} annotators on {len(read.rows):,} rows, {_classes(aggregate)}"),
        *(Text(note, "dim") for note in votes.notes),
        Text(f"{len(disputed):,} rows are disputed{why}; {open_rows:,} labels are less than {UNSURE:.0%} sure ({aggregate.method})."),
        *([Text(f"The guideline leaves open: {pairs}.")] if pairs else []),
        *_alpha(aggregate),
        _annotators(aggregate),
        *_accused(aggregate, found),
        *_left_out(votes, read, found),
        Text(f"Written to {out}: labels.parquet, annotators.parquet, crowd.json"),
    ]
    return Group(*parts)


def _left_out(votes: Votes, read: Votes, found: Hostile) -> list[RenderableType]:
    """How many votes do not count, and what that costs."""
    if len(votes) == len(read):
        return []
    rows = emptied(votes, read)
    cost = f"; {rows:,} {'row is' if rows == 1 else 'rows are'} left without a vote and {'has' if rows == 1 else 'have'} no label"
    return [Text(f"{len(read) - len(votes):,} votes of {len(found.accused):,} accused left out{cost if rows else ''}.")]


def _classes(study: Study) -> str:
    return f"{len(study.names)} labels" if isinstance(study, Labels) else f"{len(study.votes.classes)} classes"


def _alpha(study: Study) -> list[RenderableType]:
    """Krippendorff's alpha, the least first where there are several."""
    known = sorted((value, name) for name, value in study.reliability().items() if value == value)
    if not known:
        return []
    told = ", ".join(f"{value:.2f} ({name})" for value, name in known[:SHOWN])
    return [Text(f"Krippendorff's alpha {told}: 1 is full agreement, 0 what chance gives.")]


def _accused(aggregate: Study, found: Hostile) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for accusation in found.accusations[:ACCUSED]:
        name = aggregate.votes.annotators[accusation.annotator]
        odds = f"p {accusation.p_value:.1g}"
        parts.append(Text.assemble((f"{name}  {accusation.kind}  ", "bold red"), accusation.evidence, (f"  {odds}", "dim")))
    if len(found.accusations) > ACCUSED:
        parts.append(Text(f"and {len(found.accusations) - ACCUSED:,} more, in crowd.json"))
    if found.accusations:
        n = len(found.accused)
        parts += [_harm(aggregate, harm) for harm in found.damage[:ACCUSED]]
        parts.append(Text(f"Without the {n} accused, {found.changed:,} labels change. An accusation is no proof of intent: ask first."))
    else:
        parts.append(Text("Nobody is accused."))
    parts += [Text(f"{check.name}: not tried, {check.reason}", "dim") for check in found.checks if check.state != "ran"]
    return parts


def _harm(aggregate: Study, harm: Damage) -> Text:
    names = aggregate.votes.annotators
    who = names[harm.annotators[0]] if len(harm.annotators) == 1 else f"the group of {len(harm.annotators)}"
    return Text(
        f"{who}: about {harm.wrong:,.0f} of {harm.votes:,} votes are wrong ({harm.usual:,.0f} of an average annotator's would be); let in, "
        f"{harm.turned:,} labels change, {harm.turned_counting:,} if votes are only counted.",
        "dim",
    )


def _annotators(aggregate: Study) -> Table:
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
