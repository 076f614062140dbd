"""Expectations of a data set, and the JSON file that keeps them: schema "assay.expectations/1" (docs/validate.md).

One rule about the whole file: a rule with `of` was inferred from that many trusted rows, and new data break it only where they could
hardly be drawn like those; a rule without `of` is a person's word, and every single row must keep it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from assay.dataset.atomic import whole
from assay.dataset.errors import DataError

SCHEMA = "assay.expectations/1"
Kind = Literal["truth", "whole", "number", "string", "time", "list", "any"]
KINDS = get_args(Kind)


@dataclass(frozen=True)
class Rate:
    """How many rows may lack a value: as in `rows` of `of` trusted rows, or, without `of`, a share of at most `at_most`."""

    rows: int = 0
    of: int | None = None
    at_most: float = 0.0


@dataclass(frozen=True)
class Values:
    """The values a column may take, with their counts among `of` trusted rows; without `of` no other value at all."""

    counts: Mapping[str, int]
    of: int | None = None


@dataclass(frozen=True)
class Numbers:
    """Where numbers lie. `low`, `high`: the trusted range; `middle`: their 10 % and 90 % points, which half of the new rows may not
    leave on one side (another unit or scale); `limits`: beyond these no single row is believed. None: open.
    """

    low: float | None = None
    high: float | None = None
    of: int | None = None
    middle: tuple[float, float] | None = None
    limits: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class ColumnRules:
    """What is expected of one column; a rule that is None is not asked."""

    type: Kind = "any"
    missing: Rate | None = None
    values: Values | None = None
    numbers: Numbers | None = None
    length: Numbers | None = None  # characters a value
    characters: Values | None = None  # kinds of characters (validate/characters.py), counted in rows
    unique: bool = False
    may_be_absent: bool = False


@dataclass(frozen=True)
class PictureRules:
    """What is expected of pictures: sizes as "height x width mode" with their counts, and plain measurements."""

    sizes: Values | None = None
    measures: Mapping[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True)
class Expectations:
    """All of it. `alpha`: the chance that data drawn like the trusted rows break any inferred rule is at most this."""

    columns: Mapping[str, ColumnRules]
    pictures: PictureRules | None = None
    alpha: float = 0.01
    other_columns: Literal["refused", "allowed"] = "refused"
    rows_at_least: int = 1
    unreadable: Rate = Rate()
    made_from: Mapping[str, Any] = field(default_factory=dict)


def save(expectations: Expectations, path: Path) -> None:
    """Write the file; the same expectations are the same bytes. DataError where something stands there already."""
    text = json.dumps(to_json(expectations), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with whole(path) as (new,):
        new.write_text(text, encoding="utf-8")


def load(path: Path) -> Expectations:
    """Read and check the file. DataError names the rule that cannot be understood: a rule with a typing error must not pass unseen."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("there is no such file", path=path, remedy="make it with assay validate infer TRUSTED --out FILE") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise DataError(f"is not JSON ({error})", path=path, remedy="mend the file, or infer it anew") from error
    try:
        return from_json(document)
    except _Wrong as wrong:
        raise DataError(f"{wrong.place or 'the file'}: {wrong.problem}", path=path, remedy="see docs/validate.md for the rules") from wrong


def to_json(expectations: Expectations) -> dict[str, Any]:
    """JSON types; rules that are not asked are left out."""
    e = expectations
    out: dict[str, Any] = {
        "schema": SCHEMA,
        "made_from": dict(e.made_from),
        "alpha": e.alpha,
        "rows_at_least": e.rows_at_least,
        "other_columns": e.other_columns,
        "unreadable": _rate_json(e.unreadable),
        "columns": {name: _column_json(rules) for name, rules in e.columns.items()},
    }
    if e.pictures is not None:
        p = e.pictures
        out["pictures"] = _known(
            {
                "sizes": None if p.sizes is None else _values_json(p.sizes),
                "measures": {name: _numbers_json(numbers) for name, numbers in p.measures.items()},
            }
        )
    return out


def _known(rules: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rules.items() if value is not None}


def _rate_json(rate: Rate) -> dict[str, Any]:
    return {"at_most": rate.at_most} if rate.of is None else {"rows": rate.rows, "of": rate.of}


def _values_json(values: Values) -> Any:
    return list(values.counts) if values.of is None else {"of": values.of, "counts": dict(values.counts)}


def _numbers_json(numbers: Numbers) -> dict[str, Any]:
    limits = None if numbers.limits == (None, None) else list(numbers.limits)
    middle = None if numbers.middle is None else list(numbers.middle)
    return _known({"low": numbers.low, "high": numbers.high, "of": numbers.of, "middle": middle, "limits": limits})


def _column_json(rules: ColumnRules) -> dict[str, Any]:
    return _known(
        {
            "type": rules.type,
            "missing": None if rules.missing is None else _rate_json(rules.missing),
            "values": None if rules.values is None else _values_json(rules.values),
            "numbers": None if rules.numbers is None else _numbers_json(rules.numbers),
            "length": None if rules.length is None else _numbers_json(rules.length),
            "characters": None if rules.characters is None else _values_json(rules.characters),
            "unique": True if rules.unique else None,
            "may_be_absent": True if rules.may_be_absent else None,
        }
    )


class _Wrong(Exception):
    def __init__(self, place: str, problem: str) -> None:
        super().__init__(problem)
        self.place, self.problem = place, problem


def from_json(document: Any) -> Expectations:
    """The expectations of a JSON document. Raises DataError (through `load`) with the place of what is wrong."""
    top = _object(document, "", {"schema", "made_from", "alpha", "rows_at_least", "other_columns", "unreadable", "columns", "pictures"})
    if top.get("schema") != SCHEMA:
        raise _Wrong("schema", f"expected {SCHEMA!r}, found {top.get('schema')!r}")
    other = top.get("other_columns", "refused")
    if other not in ("refused", "allowed"):
        raise _Wrong("other_columns", f"expected 'refused' or 'allowed', found {other!r}")
    alpha = _number(top.get("alpha", 0.01), "alpha")
    if not 0 < alpha < 1:
        raise _Wrong("alpha", f"expected a chance between 0 and 1, found {alpha}")
    columns = _object(top.get("columns", {}), "columns", None)
    pictures = None
    if "pictures" in top:
        body = _object(top["pictures"], "pictures", {"sizes", "measures"})
        measures = _object(body.get("measures", {}), "pictures.measures", None)
        pictures = PictureRules(
            _values(body["sizes"], "pictures.sizes") if "sizes" in body else None,
            {name: _numbers(value, f"pictures.measures.{name}") for name, value in measures.items()},
        )
    return Expectations(
        {name: _column(value, f"columns.{name}") for name, value in columns.items()},
        pictures,
        alpha,
        other,
        _count(top.get("rows_at_least", 1), "rows_at_least"),
        _rate(top.get("unreadable", {"at_most": 0.0}), "unreadable"),
        _object(top.get("made_from", {}), "made_from", None),
    )


def _column(value: Any, place: str) -> ColumnRules:
    rules = _object(value, place, {"type", "missing", "values", "numbers", "length", "characters", "unique", "may_be_absent"})
    kind = rules.get("type", "any")
    if kind not in KINDS:
        raise _Wrong(f"{place}.type", f"expected one of {', '.join(KINDS)}, found {kind!r}")
    for flag in ("unique", "may_be_absent"):
        if not isinstance(rules.get(flag, False), bool):
            raise _Wrong(f"{place}.{flag}", f"expected true or false, found {rules[flag]!r}")
    return ColumnRules(
        kind,
        _rate(rules["missing"], f"{place}.missing") if "missing" in rules else None,
        _values(rules["values"], f"{place}.values") if "values" in rules else None,
        _numbers(rules["numbers"], f"{place}.numbers") if "numbers" in rules else None,
        _numbers(rules["length"], f"{place}.length") if "length" in rules else None,
        _values(rules["characters"], f"{place}.characters") if "characters" in rules else None,
        rules.get("unique", False),
        rules.get("may_be_absent", False),
    )


def _rate(value: Any, place: str) -> Rate:
    body = _object(value, place, {"rows", "of", "at_most"})
    if ("at_most" in body) == ("of" in body):
        raise _Wrong(place, "expected either at_most, or rows and of")
    if "of" in body:
        rows, of = _count(body.get("rows", 0), f"{place}.rows"), _count(body["of"], f"{place}.of")
        if rows > of:
            raise _Wrong(place, f"{rows} rows of {of}")
        return Rate(rows, of)
    share = _number(body["at_most"], f"{place}.at_most")
    if not 0 <= share <= 1:
        raise _Wrong(f"{place}.at_most", f"expected a share between 0 and 1, found {share}")
    return Rate(at_most=share)


def _values(value: Any, place: str) -> Values:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Values({str(v): 0 for v in value})
    body = _object(value, place, {"of", "counts"})
    if "of" not in body:
        raise _Wrong(place, "expected a list of values, or of and counts")
    counts = _object(body.get("counts", {}), f"{place}.counts", None)
    return Values({name: _count(n, f"{place}.counts.{name}") for name, n in counts.items()}, _count(body["of"], f"{place}.of"))


def _numbers(value: Any, place: str) -> Numbers:
    body = _object(value, place, {"low", "high", "of", "middle", "limits"})
    of = _count(body["of"], f"{place}.of") if "of" in body else None
    middle = body.get("middle")
    if middle is not None:
        if of is None:
            raise _Wrong(f"{place}.middle", "is read only with of, the number of trusted rows")
        low, high = _pair(middle, f"{place}.middle")
        middle = (_number(low, f"{place}.middle"), _number(high, f"{place}.middle"))
    least, most = _pair(body.get("limits", [None, None]), f"{place}.limits")
    return Numbers(
        _open(body.get("low"), f"{place}.low"),
        _open(body.get("high"), f"{place}.high"),
        of,
        middle,
        (_open(least, f"{place}.limits"), _open(most, f"{place}.limits")),
    )


def _object(value: Any, place: str, allowed: set[str] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(place, f"expected an object, found {value!r:.60}")
    unknown = sorted(set(value) - allowed) if allowed is not None else []
    if unknown:
        raise _Wrong(f"{place}.{unknown[0]}" if place else unknown[0], f"no such rule; there are {', '.join(sorted(allowed or ()))}")
    return value


def _pair(value: Any, place: str) -> tuple[Any, Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise _Wrong(place, f"expected two numbers, found {value!r:.60}")
    return value[0], value[1]


def _open(value: Any, place: str) -> float | None:
    return None if value is None else _number(value, place)


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Wrong(place, f"expected a number, found {value!r:.60}")
    return value


def _count(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Wrong(place, f"expected a whole number of rows, found {value!r:.60}")
    return value
