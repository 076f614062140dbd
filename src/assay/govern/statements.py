"""What people state where no program can look: training that withstands poison, an audit made elsewhere. A statement names who said it
and when, may name a file with its SHA-256, and holds for a year.

    [[statement]]
    point = 5
    by = "ann@example.com"
    date = 2026-11-20
    text = "trained with 250 partitions; certified against 9 rows"
    file = "training.log"
    sha256 = "…"
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.dataset.removal import sha256_of

VALID = 365  # days: people, code and models change; what nobody repeats within a year nobody stands by
FIELDS = frozenset({"point", "by", "date", "text", "file", "sha256"})


@dataclass(frozen=True)
class Statement:
    """`problem` is why it does not count, "" where it does."""

    point: int
    by: str
    day: date
    text: str
    problem: str

    def __str__(self) -> str:
        return f"{self.by} stated on {self.day}: {self.text}"


def read_statements(tables: Any, origin: Path, now: datetime) -> tuple[Statement, ...]:
    """The statements of `assay.toml`. DataError names the first that is not one."""
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise DataError("statements are written as [[statement]]", path=origin, remedy="see docs/governance.md")
    return tuple(_statement(table, number, origin, now) for number, table in enumerate(tables, 1))


def _statement(table: dict[str, Any], number: int, origin: Path, now: datetime) -> Statement:
    where = f"statement {number}"
    unknown = sorted(set(table) - FIELDS)
    if unknown:
        raise DataError(f"{where} has no {unknown[0]!r}", path=origin, remedy=f"use {', '.join(sorted(FIELDS))}")
    point, by, day, text = (table.get(name) for name in ("point", "by", "date", "text"))
    if not isinstance(point, int) or not 1 <= point <= 8:
        raise DataError(f"{where}: point is a number from 1 to 8", path=origin)
    if not isinstance(by, str) or not by or not isinstance(text, str) or not text:
        raise DataError(f"{where} needs by and text", path=origin, remedy='write by = "ann@example.com"')
    if isinstance(day, datetime) or not isinstance(day, date):
        raise DataError(f"{where} needs a date", path=origin, remedy="write date = 2026-11-20")
    return Statement(point, by, day, text, _problem(table, day, origin, now))


def _problem(table: dict[str, Any], day: date, origin: Path, now: datetime) -> str:
    age = (now.date() - day).days
    if age < 0:
        return "it is dated in the future"
    if age > VALID:
        return f"it is {age} days old, and a statement holds for {VALID}"
    if "file" not in table:
        return ""
    file = origin.parent / str(table["file"])
    try:
        digest = sha256_of(file)
    except OSError as error:
        return f"its file {file} cannot be read ({error.strerror})"
    if digest != table.get("sha256"):
        return f"its file {file} has SHA-256 {digest}, and not the one it names"
    return ""
