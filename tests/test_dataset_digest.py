"""The canonical encoding "assay.row/1": an encoder written from docs/formats.md agrees, and old digests stay what they were."""

from __future__ import annotations

import datetime
import json
import struct
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.dataset.digest import content_digests, picture_hash, row_digests

GOLDEN = Path(__file__).parent / "golden" / "digests.json"


def plain_value(v: Any) -> bytes:
    """One value, as the specification has it: the oracle."""
    if v is None:
        return b"z" + bytes(8)
    if isinstance(v, bool):
        return b"b" + struct.pack(">q", v)
    if isinstance(v, float) and v != v:
        return b"n" + bytes(8)
    if isinstance(v, int | float) and v == v and abs(v) != float("inf") and v == int(v) and -(2**63) <= v < 2**63:
        return b"i" + struct.pack(">q", int(v))
    if isinstance(v, int):
        return b"I" + struct.pack(">q", len(str(v))) + str(v).encode()
    if isinstance(v, float):
        return b"f" + struct.pack(">d", v)
    if isinstance(v, str):
        return b"s" + struct.pack(">q", len(v.encode())) + v.encode()
    if isinstance(v, bytes):
        return b"y" + struct.pack(">q", len(v)) + v
    if isinstance(v, list):
        return b"l" + struct.pack(">q", len(v)) + b"".join(map(plain_value, v))
    if isinstance(v, dict):
        return b"m" + plain_fields(v)
    raise TypeError(v)


def plain_fields(record: dict[str, Any]) -> bytes:
    named = sorted((name.encode(), v) for name, v in record.items() if v is not None)
    fields = b"".join(struct.pack(">I", len(name)) + name + plain_value(v) for name, v in named)
    return struct.pack(">q", len(named)) + fields


def plain_digest(record: dict[str, Any]) -> bytes:
    return sha256(b"assay.row/1\0" + plain_fields(record)).digest()


integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(max_size=12)
kinds: list[tuple[st.SearchStrategy[Any], pa.DataType]] = [
    (integers, pa.int64()),
    (st.integers(0, 2**64 - 1), pa.uint64()),
    (floats, pa.float64()),
    (st.booleans(), pa.bool_()),
    (texts, pa.string()),
    (texts, pa.large_string()),
    (texts, pa.dictionary(pa.int32(), pa.string())),
    (st.binary(max_size=9), pa.binary()),
    (st.lists(st.none() | floats, max_size=4), pa.list_(pa.float64())),
    (st.lists(st.none() | texts, max_size=4), pa.list_(pa.string())),
    (st.lists(st.lists(integers, max_size=2), max_size=3), pa.list_(pa.list_(pa.int64()))),
    (
        st.fixed_dictionaries({"a": st.none() | integers, "b": st.none() | texts}),
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
    ),
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_vectorised_encoder_follows_the_specification(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 6))
    names = data.draw(st.lists(texts, min_size=1, max_size=5, unique=True))
    columns = {}
    for name in names:
        values, kind = data.draw(st.sampled_from(kinds))
        columns[name] = pa.array(data.draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
    table = pa.table(columns)
    skip = data.draw(st.integers(0, rows - 1))  # a slice has offsets into its buffers
    got = row_digests(table.slice(skip))
    want = [plain_digest(dict(record)) for record in table.slice(skip).to_pylist()]
    assert [d.tobytes() for d in got] == want


@given(st.lists(st.none() | integers.filter(lambda v: abs(v) <= 2**53), min_size=1, max_size=9))
def test_whole_numbers_are_the_same_as_floats_and_of_any_width(values: list[int | None]) -> None:
    as_int = row_digests(pa.table({"a": pa.array(values, pa.int64())}))
    as_float = row_digests(pa.table({"a": pa.array([None if v is None else float(v) for v in values], pa.float64())}))
    assert np.array_equal(as_int, as_float)


def test_null_is_absent_and_not_nan_nor_empty() -> None:
    absent = row_digests(pa.table({"a": [1]}))
    null = row_digests(pa.table({"a": [1], "b": pa.array([None], pa.string())}))
    nan = row_digests(pa.table({"a": [1], "b": [float("nan")]}))
    empty = row_digests(pa.table({"a": [1], "b": [""]}))
    assert np.array_equal(absent, null)
    assert len({d.tobytes() for d in (absent, nan, empty)}) == 3


def test_columns_may_stand_in_any_order_and_names_count() -> None:
    one = row_digests(pa.table({"a": [1], "b": ["x"]}))
    assert np.array_equal(one, row_digests(pa.table({"b": ["x"], "a": [1]})))
    assert not np.array_equal(one, row_digests(pa.table({"a": [1], "c": ["x"]})))
    assert not np.array_equal(row_digests(pa.table({"a": ["1"]})), row_digests(pa.table({"a": [1]})))


def test_moments_are_told_in_one_way() -> None:
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9, 500_000)
    want = None
    for unit in ("ms", "us", "ns"):
        got = row_digests(pa.table({"t": pa.array([moment], pa.timestamp(unit))}))[0].tobytes()
        want = want or got
        assert got == want
    text = b"2024-05-06T07:08:09.5"
    head = struct.pack(">q", 1) + struct.pack(">I", 1) + b"t"
    assert want == sha256(b"assay.row/1\0" + head + b"t" + struct.pack(">q", len(text)) + text).digest()
    zones = [pa.array([moment], pa.timestamp("us", zone)) for zone in ("UTC", "Europe/Vienna")]
    assert len({row_digests(pa.table({"t": zone})).tobytes() for zone in zones}) == 1


def test_decimals_are_exact() -> None:
    table = pa.table({"d": pa.array([Decimal("1.10"), Decimal("2.00"), None], pa.decimal128(10, 2))})
    assert row_digests(table)[1].tobytes() == plain_digest({"d": 2})
    assert row_digests(table)[2].tobytes() == plain_digest({})
    finer = pa.table({"d": pa.array([Decimal("1.1000")], pa.decimal128(12, 4))})
    assert row_digests(table)[0].tobytes() == row_digests(finer)[0].tobytes()


def test_a_picture_is_its_shape_and_its_pixels() -> None:
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (4, 5, 1), np.uint8)
    assert picture_hash(grey) == picture_hash(np.repeat(grey, 3, axis=2))
    assert picture_hash(grey) != picture_hash(grey.reshape(5, 4, 1))
    colour = rng.integers(0, 256, (4, 5, 3), np.uint8)
    assert picture_hash(colour) == sha256(struct.pack(">III", 4, 5, 3) + colour.tobytes()).digest()


def test_content_leaves_labels_and_sources_out() -> None:
    table = pa.table({"text": ["a", "a"], "label": [0, 1]})
    assert len(np.unique(row_digests(table), axis=0)) == 2
    assert len(np.unique(content_digests(table, ["text"]), axis=0)) == 1


def test_types_without_an_encoding_are_refused() -> None:
    with pytest.raises(TypeError, match="no canonical encoding"):
        row_digests(pa.table({"u": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])}))


def test_golden_digests() -> None:
    """Digests live in reports and ledgers for years: if this fails, the encoding needs a new version, not a new file."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for case in golden:
        table = pa.Table.from_pylist([case["record"]])
        assert row_digests(table)[0].tobytes().hex() == case["digest"], case
        assert plain_digest(case["record"]).hex() == case["digest"], case
