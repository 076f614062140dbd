"""Tables of the benchmark page: Markdown, shares, means, and the order in which defences stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from assay.bench.peers.registry import defences

Line = dict[str, Any]


def by_defence(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    """Records of each defence, ours first."""
    found: dict[str, list[Line]] = defaultdict(list)
    for x in lines:
        found[x["defence"]].append(x)
    order = {d.name: i for i, d in enumerate(defences())}
    return sorted(found.items(), key=lambda item: order.get(item[0], len(order)))


def attack_named(line: Line) -> str:
    """The attack with the settings that were given.

    >>> attack_named({"attack": "phrase", "params": {"text": "cf"}})
    'phrase text cf'
    """
    return f"{line['attack']} {', '.join(f'{k} {v}' for k, v in sorted(line['params'].items()))}".strip()


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    if not rows:
        return "No run yet."
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def percent(values: Iterable[float | None], digits: int = 1) -> str:
    """The mean of those that are known."""
    known = [v for v in values if v is not None]
    return f"{np.mean(known):.{digits}%}" if known else "–"


def plain(values: Iterable[float | None], digits: int = 2) -> str:
    """The mean of those that are known."""
    known = [v for v in values if v is not None]
    return f"{np.mean(known):.{digits}f}" if known else "–"


def points(lines: Iterable[Line]) -> str:
    """How far accuracy after clean-and-retrain lies from the never-poisoned victim's, in points."""
    known = [100 * (x["accuracy_after"] - x["accuracy_clean"]) for x in lines if x.get("accuracy_after") is not None]
    return f"{np.mean(known):+.1f}" if known else "–"
