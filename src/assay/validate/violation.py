"""What breaks a rule, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]

MOST_SHOWN = 5  # row numbers in a line of text
MOST_LISTED = 1_000  # row numbers in JSON


@dataclass(frozen=True)
class Broken:
    """A rule that was asked: `broken` where it is absolute, or with `p` to be judged together with all others.

    `rows` (m,) positions of the rows it speaks of; `records` (m,) record numbers where they are no readable rows.
    """

    rule: str
    column: str | None
    broken: bool
    expected: str
    found: str
    remedy: str
    p: float | None = None
    rows: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    records: Int | None = None

    def of_column(self, name: str) -> Broken:
        return replace(self, column=name)


@dataclass(frozen=True)
class Violation:
    """One rule that the data break. `p` is None for absolute rules; `rows`: record numbers, none where the whole column is meant."""

    path: str
    column: str | None
    rule: str
    expected: str
    found: str
    remedy: str
    p: float | None
    rows: tuple[int, ...]

    def __str__(self) -> str:
        """One line: file, row, column, what was found, what was expected, remedy."""
        place = [self.path]
        if self.rows:
            shown = ", ".join(map(str, self.rows[:MOST_SHOWN]))
            more = len(self.rows) - MOST_SHOWN
            place.append(f"row {shown}" + (f" and {more:,} more" if more > 0 else ""))
        if self.column is not None:
            place.append(f"column {self.column!r}")
        chance = "" if self.p is None else f" (p = {self.p:.1g})"
        return f"{', '.join(place)}: {self.found}; expected {self.expected}{chance}. Remedy: {self.remedy}"

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "column": self.column,
            "found": self.found,
            "expected": self.expected,
            "remedy": self.remedy,
            "p_value": self.p,
            "rows": list(self.rows[:MOST_LISTED]),
            "row_count": len(self.rows),
        }
