"""One column held against its rules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assay.stats.exchangeable import more_often, unseen_values
from assay.validate.cells import NOTHING, Cells
from assay.validate.characters import KINDS, carries
from assay.validate.expectations import ColumnRules, Numbers, Rate, Values
from assay.validate.numbers import check_numbers
from assay.validate.violation import Broken

Int = NDArray[np.int64]

# Kinds of characters in no more of the trusted rows than this are judged; that more texts hold a digit is drift, and no fault.
RARE = 0.01
MOST_NAMED = 5  # values named in a line of text
AT_SOURCE = "correct them at the source, or add what is right to the expectations"
AS_TEXT = "store the column as text, as it was: as numbers, texts lose zeros before and behind"


def check_column(cells: Cells, rules: ColumnRules) -> Iterator[Broken]:
    """Every rule that is asked of the column."""
    if rules.missing is not None:
        yield _missing(cells, rules.missing)
    if cells.look.kind == "empty":
        return  # every cell is missing, and that is said above
    wrong = _wrong_type(cells, rules)
    yield wrong
    if wrong.broken and not len(wrong.rows):
        return  # another kind of column altogether: nothing else can be asked of it
    if rules.values is not None:
        codes, names = cells.named()
        yield from check_values(codes, _spelt(cells, names, rules), rules.values, "values")
    if rules.numbers is not None:
        yield from check_numbers(cells.numbers, rules.numbers)
    if rules.unique:
        yield _repeated(cells)
    if rules.length is not None:
        yield from _lengths(cells, rules.length)
    if rules.characters is not None:
        yield from _characters(cells, rules.characters)


def _spelt(cells: Cells, names: list[str], rules: ColumnRules) -> list[str]:
    """The values as the rules spell them: TRUE is true; one cell that is neither, or the last of them gone, changes the column's type."""
    if rules.type == "truth":
        return [name.lower() if name.lower() in ("true", "false") else name for name in names]
    if cells.look.kind == "bool" and rules.values is not None:
        known = {value.lower(): value for value in rules.values.counts}
        return [known.get(name, name) for name in names]
    return names


def _missing(cells: Cells, rate: Rate) -> Broken:
    rows = np.flatnonzero(cells.missing)
    found = f"{len(rows):,} of {len(cells):,} cells are empty"
    remedy = "find out why they are empty; fill them at the source, or leave the rows out"
    if rate.of is None:
        return Broken("missing", None, len(rows) > rate.at_most * len(cells), f"at most {rate.at_most:.2%}", found, remedy, rows=rows)
    p = more_often(len(rows), len(cells), rate.rows, rate.of)
    return Broken("missing", None, False, f"as in the trusted set, {rate.rows:,} of {rate.of:,}", found, remedy, p=p, rows=rows)


def _wrong_type(cells: Cells, rules: ColumnRules) -> Broken:
    """Cells of another type: their rows, or none where the whole column is of another."""
    kind, look = rules.type, cells.look
    expected = {"truth": "true or false", "whole": "whole numbers", "number": "numbers", "time": "times", "list": "lists"}.get(kind, kind)
    none = Broken("type", None, False, expected, "", "")
    if kind in ("any", "string"):
        odd = kind == "string" and look.kind in ("list", "other", "time")
        return Broken("type", None, odd, "texts", f"a column of {look.values.type}", "store the column as text, as it was")
    if kind in ("whole", "number"):
        if look.kind not in ("integer", "float", "string"):
            return Broken("type", None, True, expected, f"a column of {look.values.type}", "store the column as numbers, as it was")
        rows = np.flatnonzero(~cells.missing & ~cells.is_number)
        remedy = "write numbers with a point, without units or thousands marks"
        if len(rows) and str(look.values[int(rows[0])].as_py()).strip().lower() in NOTHING:
            remedy = "leave a cell empty where there is no number"
        if not len(rows) and kind == "whole":
            numbers = cells.numbers
            rows = np.flatnonzero(np.isfinite(numbers) & (numbers != np.floor(numbers)))
            remedy = "correct them at the source"
        if len(rows) == (~cells.missing).sum():
            whole = f"none of {len(rows):,} cells holds one (the first: {cells.text(int(rows[0]))})" if len(rows) else ""
            return Broken("type", None, bool(len(rows)), expected, whole, remedy)
        return Broken("type", None, bool(len(rows)), expected, _quoted(cells, rows), remedy, rows=rows)
    if kind == "truth":
        codes, names = cells.named()
        odd_names = [i for i, name in enumerate(names) if name.lower() not in ("true", "false", "0", "1")]
        rows = np.flatnonzero(np.isin(codes, odd_names))
        return Broken("type", None, bool(len(rows)), expected, _quoted(cells, rows), "write true or false", rows=rows)
    same = look.kind == kind or (kind == "time" and look.moments)
    found = f"a column of {look.values.type}"
    return none if same else Broken("type", None, True, expected, found, f"store the column as {expected}, as it was")


def _quoted(cells: Cells, rows: Int) -> str:
    shown = list(dict.fromkeys(cells.text(int(row)) for row in rows[:100]))
    return ", ".join(shown[:MOST_NAMED]) + (", ..." if len(shown) > MOST_NAMED else "")


def check_values(codes: Int, names: list[str], rules: Values, rule: str) -> Iterator[Broken]:
    """Values that the trusted rows do not have. `codes` (n,) into `names`, -1 where missing."""
    odd = np.array([name not in rules.counts for name in names], bool)
    rows = np.flatnonzero((codes >= 0) & odd[np.maximum(codes, 0)]) if len(names) else np.zeros(0, np.int64)
    count = np.bincount(codes[rows], minlength=len(names)) if len(rows) else np.zeros(len(names), np.int64)
    order = [int(i) for i in np.argsort(-count, kind="stable") if count[i]]
    found = ", ".join(f"{names[i]!r:.60} ({count[i]:,})" for i in order[:MOST_NAMED]) + (
        f" and {len(order) - MOST_NAMED:,} other values" if len(order) > MOST_NAMED else ""
    )
    known = list(rules.counts)
    expected = "one of " + ", ".join(f"{v!r:.60}" for v in known[:MOST_NAMED]) + (", ..." if len(known) > MOST_NAMED else "")
    if rules.of is None:
        yield Broken(rule, None, bool(len(rows)), expected, found, AT_SOURCE, rows=rows)
        return
    every = list(dict.fromkeys([*rules.counts, *names]))
    place = {name: i for i, name in enumerate(every)}
    new = np.zeros(len(every), np.int64)
    np.add.at(new, [place[name] for name in names], np.bincount(codes[codes >= 0], minlength=len(names)))
    old = np.array([rules.counts.get(name, 0) for name in every], np.int64)
    yield Broken(rule, None, False, f"{expected} as in {rules.of:,} trusted rows", found, AT_SOURCE, p=unseen_values(old, new), rows=rows)


def _lengths(cells: Cells, rules: Numbers) -> Iterator[Broken]:
    """Of texts, and of numbers and booleans as they were written: 1777 has lost the zeros of 001777."""
    if not cells.written:
        yield _unasked(cells, "length")
        return
    remedy = AT_SOURCE if cells.stringy else AS_TEXT
    for forms in zip(*(check_numbers(lengths, rules) for lengths in cells.lengths()), strict=True):
        broken = max(forms, key=lambda form: float(not form.broken) if form.p is None else form.p)  # broken in every form, or not at all
        expected, found = f"{broken.expected}, counted in characters", broken.found.replace("numbers", "lengths")
        yield Broken("length", None, broken.broken, expected, found, remedy, broken.p, broken.rows)


def _unasked(cells: Cells, rule: str) -> Broken:
    """A rule on texts that a column of lists or times cannot be asked: never a pass."""
    return Broken(rule, None, True, "texts", f"a column of {cells.look.values.type}", "store the column as text, or drop the rule")


def _characters(cells: Cells, rules: Values) -> Iterator[Broken]:
    if not cells.written:
        yield _unasked(cells, "characters")
        return
    texts = cells.written[0]
    for kind in KINDS:
        if rules.of is None and kind in rules.counts:
            continue
        rows = np.flatnonzero(carries(texts, kind))
        found = f"{kind} in {len(rows):,} texts"
        if rules.of is None:
            yield Broken("characters", None, bool(len(rows)), "none of that kind", found, AT_SOURCE, rows=rows)
            continue
        seen = rules.counts.get(kind, 0)
        p = more_often(len(rows), len(cells), seen, rules.of) if seen <= RARE * rules.of else 1.0
        usual = f"{seen:,} in {rules.of:,} trusted rows" if seen else f"none, as in {rules.of:,} trusted rows"
        yield Broken("characters", None, False, usual, found, AT_SOURCE, p=p, rows=rows)


def _repeated(cells: Cells) -> Broken:
    codes, names = cells.named()
    count = np.bincount(codes[codes >= 0], minlength=len(names)) if len(names) else np.zeros(0, np.int64)
    rows = np.flatnonzero((codes >= 0) & (count[np.maximum(codes, 0)] > 1)) if len(names) else np.zeros(0, np.int64)
    return Broken(
        "unique", None, bool(len(rows)), "a different value in every row", _quoted(cells, rows), "keep one row of each", rows=rows
    )
