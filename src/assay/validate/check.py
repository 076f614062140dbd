"""New data held against expectations: `check_expectations(data, expectations)`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.dataset.columns import Column
from assay.dataset.data import Dataset
from assay.screen.statistics import row_statistics
from assay.stats.exchangeable import more_often
from assay.stats.multiple import holm
from assay.validate.cells import Cells
from assay.validate.column import check_column, check_values
from assay.validate.expectations import Expectations, PictureRules, Rate
from assay.validate.infer import pictures_alone
from assay.validate.numbers import check_numbers
from assay.validate.sizes import picture_sizes
from assay.validate.violation import Broken, Violation

__all__ = ["Checked", "Violation", "check_expectations"]

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Checked:
    """`violations`, and how many rules were asked; a rule that could not be asked is a violation, never a pass."""

    path: str
    rows: int
    rules: int
    violations: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        return not self.violations


def check_expectations(data: Dataset, expectations: Expectations) -> Checked:
    """Every rule that these data break, each with its rows and what to do.

    Guarantee: data exchangeable with the trusted rows break any inferred rule with probability at most `expectations.alpha`, limits
    aside. Rules of a person's word (without `of`) are absolute. Copies and tracks in the data count as independent rows.
    """
    asked = list(_ask(data, expectations))
    p = np.array([np.nan if b.p is None else b.p for b in asked])
    tested = np.isfinite(p)
    broken = ~tested & np.array([b.broken for b in asked], bool)
    broken[tested] = holm(p[tested], expectations.alpha)
    found = tuple(_violation(b, data) for b, out in zip(asked, broken, strict=True) if out)
    return Checked(data.path, len(data), len(asked), found)


def _ask(data: Dataset, expectations: Expectations) -> Iterator[Broken]:
    e = expectations
    yield Broken(
        "rows_at_least",
        None,
        len(data) < e.rows_at_least,
        f"at least {e.rows_at_least:,} rows",
        f"{len(data):,}",
        "find out what is missing",
    )
    yield _unreadable(data, e.unreadable)
    there = set(data.table.column_names)
    for name, rules in e.columns.items():
        absent = name not in there
        yield Broken(
            "present",
            name,
            absent and not rules.may_be_absent,
            "a column of this name",
            "none",
            f"there are: {_listed(data.table.column_names)}",
        )
        if not absent:
            for broken in check_column(Cells(Column(name, data.table.column(name))), rules):
                yield broken.of_column(name)
    if e.other_columns == "refused":
        for name in data.table.column_names:
            if name not in e.columns:
                yield Broken(
                    "other_columns", name, True, "no such column", "one", 'drop it, or set "other_columns" to "allowed" in the expectations'
                )
    if e.pictures is not None:
        yield from _pictures(data, e.pictures)


def _unreadable(data: Dataset, rate: Rate) -> Broken:
    lost = len(data.unreadable)
    rows = np.array([u.row for u in data.unreadable], np.int64)
    remedy = f"mend them (the first: {data.unreadable[0].reason})" if lost else ""
    found = f"{lost:,} of {data.records:,} records cannot be read"
    if rate.of is None:
        allowed = f"at most {rate.at_most:.2%}"
        return Broken("unreadable", None, lost > rate.at_most * data.records, allowed, found, remedy, records=rows)
    p = more_often(lost, data.records, rate.rows, rate.of)
    return Broken("unreadable", None, False, f"as in the trusted set, {rate.rows:,} of {rate.of:,}", found, remedy, p=p, records=rows)


def _pictures(data: Dataset, rules: PictureRules) -> Iterator[Broken]:
    if data.images is None:
        yield Broken("pictures", None, True, "pictures", f"a {data.modality} data set without any", "give the data of the expectations")
        return
    if rules.sizes is not None:
        sizes = picture_sizes(data)
        names = sorted({s for s in sizes if s is not None})
        codes = np.array([-1 if s is None else names.index(s) for s in sizes], np.int64)
        for broken in check_values(codes, names, rules.sizes, "sizes"):
            yield broken.of_column("picture")
    read = row_statistics(pictures_alone(data))
    for name, numbers in rules.measures.items():
        if name in read.names:
            values = read.values[:, read.names.index(name)]
        else:  # the same in every picture, and left out as such
            values = np.full(len(data), np.nan)
        for broken in check_numbers(values, numbers):
            yield broken.of_column(f"picture {name}")


def _violation(broken: Broken, data: Dataset) -> Violation:
    rows = broken.records if broken.records is not None else data.row[broken.rows]
    return Violation(data.path, broken.column, broken.rule, broken.expected, broken.found, broken.remedy, broken.p, tuple(rows.tolist()))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
