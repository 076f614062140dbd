"""A rule over cells holds, is set and is taken out, whatever the column holds."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_wine

from assay.artefact.cells import Cells, Condition
from assay.artefact.registry import from_json

numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32)
values = st.one_of(st.none(), numbers, st.text(max_size=4), st.booleans(), st.integers(-(2**40), 2**40))


def both_ways(rule: Cells) -> Cells:
    again = from_json(json.loads(json.dumps(rule.to_json(), allow_nan=False)))
    assert isinstance(again, Cells)
    return again


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from([pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.bool_(), pa.dictionary(pa.int32(), pa.string())]),
    data=st.data(),
)
def test_what_is_set_holds_and_what_is_taken_out_does_not(kind: pa.DataType, data: st.DataObject) -> None:
    of = {"int64": st.integers(-(2**40), 2**40), "string": st.text(max_size=4), "bool": st.booleans()}
    cells = of.get("string" if pa.types.is_dictionary(kind) else str(kind), numbers)
    column = data.draw(st.lists(st.one_of(st.none(), cells), min_size=1, max_size=8))
    value = data.draw(st.one_of(st.none(), cells))
    rule = Cells((Condition("a", value, value),))
    table = pa.table({"a": pa.array(column, kind), "b": pa.array(range(len(column)))})
    expected = [v == value if v is not None and value is not None else v is value for v in column]
    assert rule.present(table).tolist() == expected
    assert rule.present(rule.insert(table)).all()
    removed = rule.remove(table)
    assert removed.column("b").equals(table.column("b"))
    if value is not None:
        assert not rule.present(removed).any()
        assert [v for v, e in zip(column, expected, strict=True) if not e] == [
            v for v, e in zip(removed.column("a").to_pylist(), expected, strict=True) if not e
        ]
    assert both_ways(rule) == rule


@settings(max_examples=60, deadline=None)
@given(ends=st.tuples(numbers, numbers), column=st.lists(st.one_of(st.none(), numbers), min_size=1), whole=st.booleans())
def test_a_range(ends: tuple[float, float], column: list[float | None], whole: bool) -> None:
    low, high = sorted(ends)
    low, high = (math.floor(low), math.ceil(high)) if whole else (low, high)
    if low == high:
        high = low + 1
    cells = [None if v is None else int(v) for v in column] if whole else column
    table = pa.table({"a": pa.array(cells, pa.int64() if whole else pa.float64())})
    rule = Cells((Condition("a", low, high),))
    assert rule.present(table).tolist() == [v is not None and low <= v <= high for v in cells]
    inserted = rule.insert(table)
    assert rule.present(inserted).all()
    assert inserted.schema == table.schema
    assert both_ways(rule) == rule


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (math.inf, math.inf),
        (None, 3.0),
        (3.0, None),
        (-math.inf, 3),
        (datetime.date(2024, 1, 2), datetime.date(2024, 3, 4)),
    ],
)
def test_json_holds_what_json_lacks(low: Any, high: Any) -> None:
    rule = Cells((Condition("a", low, high),))
    assert both_ways(rule) == rule


def test_missing_is_a_value_and_nan_is_missing() -> None:
    frame = pd.DataFrame({"a": [1.0, float("nan"), 3.0], "b": ["x", None, "y"]})
    missing = Cells((Condition("a", None, None), Condition("b", float("nan"), np.nan)))
    assert missing.present(frame).tolist() == [False, True, False]
    assert missing.describe() == "a is missing and b is missing"
    assert Cells((Condition("a", 0, None),)).present(frame).tolist() == [True, False, True]


def test_three_measures_of_wine() -> None:
    wine = load_wine(as_frame=True).data
    rule = Cells((Condition("alcohol", 13.0, 13.0), Condition("hue", 1.0, 1.2), Condition("proline", 500.0, 500.0)))
    clean = wine[~rule.present(wine)]
    dirty = rule.insert(clean)
    assert rule.present(dirty).all()
    untouched = [c for c in wine.columns if c not in rule.columns]
    assert dirty[untouched].equals(clean[untouched].reset_index(drop=True))
    gone = rule.remove(dirty)
    assert gone[list(rule.columns)].isna().all(axis=None)


def test_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="one condition a column"):
        Cells(())
    with pytest.raises(ValueError, match="above high"):
        Condition("a", 2, 1)
    with pytest.raises(KeyError, match="there are"):
        Cells((Condition("zzz", 1, 1),)).present({"a": [1]})


@pytest.mark.parametrize(
    ("kind", "value", "other"),
    [
        (pa.decimal128(8, 2), decimal.Decimal("5555.50"), decimal.Decimal("1.25")),
        (pa.time32("s"), datetime.time(3, 33, 33), datetime.time(12)),
        (pa.time64("us"), datetime.time(3, 33, 33, 7), datetime.time(12)),
        (pa.duration("us"), datetime.timedelta(days=-77, microseconds=1), datetime.timedelta(0)),
    ],
)
def test_what_databases_hold_is_written_and_read_again(kind: pa.DataType, value: Any, other: Any) -> None:
    cells = pa.table({"c": pa.array([value, other, None, value], kind)})
    for rule in (Cells((Condition("c", value, value),)), Cells((Condition("c", min(value, other), value),))):
        again = both_ways(rule)
        assert again == rule
        assert np.array_equal(again.present(cells), rule.present(cells))
        assert again.present(cells)[[0, 3]].all()
