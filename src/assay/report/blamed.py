"""Which rows caused a decision, for a terminal and as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from assay.dataset.data import Dataset
from assay.report.exhibits import label_of
from assay.report.words import count
from assay.trial.blame import DRAWS, NEIGHBOURS, Blame


def render(data: Dataset, answer: Blame) -> Group:
    """What `assay blame` prints."""
    decision, rival = data.classes[answer.decision], data.classes[answer.rival]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for name in ("Row", "Share", "Alone", "Near", "Alike"):
        table.add_column(name, justify="right")
    table.add_column("Label")
    table.add_column("Key", overflow="fold")
    at = {int(r): i for i, r in enumerate(data.row)}
    for line in answer.rows:
        position = at[line.row]
        key, label = data.key[position], label_of(data, position) or ""
        table.add_row(
            f"{line.row}",
            f"{line.share:+.4f}",
            f"{line.influence:+.4f}",
            f"{line.near + 1:,}.",
            f"{100 * line.agreeing:.0f} %",
            Text(label),
            Text(key),
        )
    said = [f"\n  {line}" for line in sentences(data, answer)]
    return Group(
        Text.assemble((f"Taken for {decision}", "bold"), f" rather than {rival}", *said),
        Text(),
        table,
        Text(
            f"Share: what the row's label adds to the lead of {decision} over {rival} in a linear head. Alone: by how much that lead "
            "falls if the row alone is left out. Near: its rank by distance. "
            f"Alike: the share of its {NEIGHBOURS} nearest rows that have its label.",
            "dim",
        ),
    )


def sentences(data: Dataset, answer: Blame) -> list[str]:
    """The answer in words."""
    decision = data.classes[answer.decision]
    said = []
    if answer.margin < 0:
        said.append(
            f"a linear head on {count(answer.learnt_from, 'row')} does not decide so: what follows is what pulls towards {decision}"
        )
    elif answer.fewest is None:
        said.append("no small set of rows makes this decision: no twentieth of them, left out, changes it")
    else:
        said.append(f"left out, the first {count(answer.fewest, 'row')} of {answer.learnt_from:,} change the head's decision")
    said.append(
        f"the {answer.tested} strongest left out, the head's margin goes from {answer.margin:+.3f} to {answer.head_margin:+.3f}; "
        f"{answer.as_low} of {DRAWS} random sets with the same labels bring it as low (p = {answer.p_value:.2g})"
    )
    random = "" if not answer.at_random else f"; without as many random rows {min(answer.at_random):.2f} to {max(answer.at_random):.2f}"
    said.append(
        f"a model of another kind, trained again: {answer.before:.2f} for {decision} with all rows, {answer.after:.2f} without them{random}"
    )
    said.append(
        ("without them it decides otherwise" if answer.changed else "without them it decides as before, or did not decide so before")
        + f"; without random rows {answer.changed_at_random} of {len(answer.at_random)} times"
    )
    said.append(f"{100 * answer.neighbours:.0f} % of its {NEIGHBOURS} nearest rows are labelled {decision}")
    return said


def blame_json(data: Dataset, answer: Blame) -> dict[str, Any]:
    """The answer as JSON types, schema "assay.blame/1"."""
    at = {int(r): i for i, r in enumerate(data.row)}
    return {
        "schema": "assay.blame/1",
        "decision": data.classes[answer.decision],
        "rival": data.classes[answer.rival],
        "margin": answer.margin,
        "fewest": answer.fewest,
        "rows": [
            {
                "row": r.row,
                "key": data.key[at[r.row]],
                "label": label_of(data, at[r.row]),
                "share": r.share,
                "influence": r.influence,
                "near": r.near,
                "agreeing": r.agreeing,
            }
            for r in answer.rows
        ],
        "test": {
            "rows": answer.tested,
            "head_margin": answer.head_margin,
            "p_value": answer.p_value,
            "probability": answer.before,
            "probability_without": answer.after,
            "probability_without_random": list(map(float, np.asarray(answer.at_random))),
            "changed": answer.changed,
            "changed_at_random": answer.changed_at_random,
        },
        "neighbours": answer.neighbours,
        "learnt_from": answer.learnt_from,
    }
