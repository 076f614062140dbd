"""Which rows a person should look at, and in which order: by the expected value of a look.

A look is worth the chance that it changes something, times the rows that it decides. Of a disputed row that is the chance that the
label is wrong. Of a finding that a scan suspects, its first rows decide for all of it: they come early, and after a few looks the next
one teaches little. Rows that a screen flagged have the chance that the screen's score says, at most a half: a screen never confirms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.dataset.errors import DataError
from assay.dataset.parquet_table import parquet_table

REMEDY = "give a folder that assay crowd or assay scan wrote"
FIRST_LOOKS = 5  # of a finding: by then it is clear what it is
SCREENED = 0.5  # a screen's score, which is a rank and no chance, counts at most this
ATTACKED = 2.0  # times the value of a row whose dispute is an attack: somebody wants it wrong


@dataclass(frozen=True)
class Item:
    """A row to look at. `key` names it for people; `reason` in words; `suspected` the label it has now, hidden by default; `source`
    what it is suspected by, so that reviews teach what that is worth."""

    key: str
    value: float
    reason: str
    suspected: str | None = None
    source: str = ""


def from_crowd(folder: str | Path) -> list[Item]:
    """The disputed rows of a study that `assay crowd` wrote. DataError if it is none."""
    table = _table(Path(folder) / "labels.parquet", ("row", "label", "confidence", "dispute", "evidence"))
    made = []
    for line in table:
        if line["dispute"] is not None:
            value = (1 - line["confidence"]) * (ATTACKED if line["dispute"] == "attack" else 1.0)
            made.append(
                Item(line["row"], value, f"{line['dispute']}: {line['evidence']}", line["label"], line["dispute"].replace(" ", "-"))
            )
    return ranked(made)


def from_scan(folder: str | Path) -> list[Item]:
    """The rows that `assay scan` puts up for review. DataError if it is no report."""
    table = _table(Path(folder) / "rows.parquet", ("key", "score", "finding", "action"))
    sizes: dict[str, int] = {}
    for line in table:
        if line["finding"] is not None:
            sizes[line["finding"]] = sizes.get(line["finding"], 0) + 1
    seen: dict[str, int] = {}
    made = []
    for line in sorted(table, key=lambda x: -(x["score"] or 0.0)):
        if line["action"] != "review":
            continue
        finding = line["finding"]
        if finding is None:
            made.append(Item(line["key"], SCREENED * float(line["score"] or 0.0), "flagged by a screen", source="screen"))
            continue
        number = seen[finding] = seen.get(finding, 0) + 1
        share = sizes[finding] / FIRST_LOOKS if number <= FIRST_LOOKS else 1.0
        made.append(Item(line["key"], 0.5 * share, f"finding {finding}, {sizes[finding]:,} rows", source=f"finding {finding}"))
    return ranked(made)


def ranked(items: Sequence[Item]) -> list[Item]:
    """Highest value first; a row named more than once keeps its highest value and all its reasons."""
    best: dict[str, Item] = {}
    for item in items:
        before = best.get(item.key)
        if before is None:
            best[item.key] = item
        else:
            top = max(before, item, key=lambda x: x.value)
            best[item.key] = Item(item.key, top.value, f"{before.reason}; {item.reason}", before.suspected or item.suspected, top.source)
    return sorted(best.values(), key=lambda item: (-item.value, item.key))


def assign(count: int, reviewers: Sequence[str], each: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """For each of `count` rows, `each` different reviewers, chosen at random among those with the fewest rows so far.

    DataError for fewer reviewers than `each`, or the same one twice.
    """
    if len(set(reviewers)) < len(reviewers):
        raise DataError("a reviewer is named twice", remedy="name each once")
    if not 1 <= each <= len(reviewers):
        raise DataError(f"{each} looks a row by {len(reviewers)} reviewers", remedy="name as many reviewers as there are looks a row")
    load = np.zeros(len(reviewers), int)
    chosen = []
    for _ in range(count):
        order = np.lexsort((rng.random(len(reviewers)), load))[:each]
        load[order] += 1
        chosen.append(tuple(reviewers[i] for i in sorted(order.tolist())))
    return chosen


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy=REMEDY)
    rows: list[dict[str, Any]] = parquet_table(path, columns, remedy=REMEDY).to_pylist()
    return rows
