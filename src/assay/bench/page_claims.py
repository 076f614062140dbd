"""Two tables of the benchmark page: what was claimed, beside what came true."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from assay.bench.page_table import attack_named, by_defence, percent, table
from assay.stats.interval import clopper_pearson

Line = dict[str, Any]

DISCOVERIES_SAID = (
    "The false discovery rate is the mean, over scans, of the share of confirmed artefacts that are false (none confirmed: 0); false is "
    "one of whose rows fewer than half are the attacker's. Clean scans count: whatever is confirmed there is false. Peers claim "
    "nothing; for all, the last column is the share of clean rows among the removed ones, mean over the scans that removed any."
)
CANARIES_SAID = (
    "Before the truth is opened, ours plants canaries of the like kind in a copy and says how many it caught (at the largest number of "
    "carriers that is no larger than the attack's). Beside it: in how many cells the attack itself was confirmed, with at least half of "
    "its rows."
)


def discoveries(lines: list[Line]) -> str:
    """A line a defence."""
    rows = []
    for name, xs in by_defence(lines):
        ours = [x for x in xs if x.get("claimed") is not None]
        shares = [x["false_confirmed"] / max(x["confirmed"], 1) for x in ours]
        rows.append(
            [
                name,
                percent([x["claimed"] for x in ours], 0),
                str(len(xs)),
                str(sum(x["confirmed"] for x in ours)) if ours else "–",
                str(sum(x["false_confirmed"] for x in ours)) if ours else "–",
                percent(shares, 2),
                percent([_false_share(x) for x in xs]),
            ]
        )
    head = ["defence", "claimed FDR", "scans", "confirmed artefacts", "of them false", "realised FDR", "clean among removed rows"]
    return table(head, rows)


def _false_share(line: Line) -> float | None:
    """Of the removed rows. Cover rows are counted as the attacker's only where artefacts are; here they are clean."""
    if not line["removed"]:
        return None
    return 1 - (line["tpr"] or 0.0) * line["poisoned"] / line["removed"]


def predictions(lines: list[Line]) -> str:
    """A line a set, attack and budget; nothing where no canary was planted."""
    cells: dict[tuple[str, str, str, int], list[Line]] = defaultdict(list)
    for x in lines:
        if x.get("canary_planted"):
            cells[x["set"], attack_named(x), x["budget"], x["canary_carriers"]].append(x)
    rows = []
    for (name, attack, budget, carriers), xs in sorted(cells.items()):
        rows.append([name, attack, budget, str(carriers), *_of(xs)])
    if not rows:
        return ""
    everything = [x for xs in cells.values() for x in xs]
    rows.append(["all", "", "", "", *_of(everything)])
    return table(
        ["set", "attack", "budget", "canaries' carriers", "canaries caught", "95 % interval", "attacks caught", "95 % interval"], rows
    )


def _of(lines: list[Line]) -> list[str]:
    predicted = sum(x["canary_caught"] for x in lines), sum(x["canary_planted"] for x in lines)
    real = sum(bool(x["caught"]) for x in lines), len(lines)
    said = []
    for caught, planted in (predicted, real):
        low, high = clopper_pearson(caught, planted)
        said += [f"{caught} of {planted} ({caught / planted:.0%})", f"{low:.0%} to {high:.0%}"]
    return said
