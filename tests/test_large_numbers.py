"""Whole numbers beyond 2^53, such as the identifiers of messages or nanoseconds since 1970, are numbers like others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.crowd.boxes import _edges
from assay.crowd.read import _seconds
from assay.dataset.columns import Column
from assay.watch.events import numbers


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_a_table_with_64_bit_identifiers_is_scanned(text: bool, kind: pa.DataType) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["the", "of", "a", "film", "plot", "was", "dull", "bright", "slow", "long", "short", "good", "bad", "fine", "poor"])
    table = {"posted": pa.array((2**60 + rng.integers(0, 2**58, 400)).tolist(), kind), "x": rng.normal(size=400)}
    if text:
        table["text"] = [" ".join(rng.choice(words, 12)) for _ in range(400)]
    found = assay.scan(pa.table({**table, "label": rng.choice(["yes", "no"], 400)}), label="label", canaries=False)
    assert [check for check in found.checks if check.state == "failed"] == []


def test_times_and_values_beyond_2_to_the_53rd_are_read() -> None:
    moments = pa.array([1_700_000_000_123_456_789, 1_700_000_000_123_456_790])
    assert _seconds(pa.table({"t": moments}), "t", "votes.csv").tolist() == [1.7000000001234568e18] * 2
    assert numbers(moments, "t").tolist() == [1.7000000001234568e18] * 2


def test_a_column_of_doubles_without_fractions_is_whole_however_large() -> None:
    assert Column("id", pa.chunked_array([pa.array([2.0**60, 1.0, None])])).whole


def test_edges_of_boxes_beyond_2_to_the_53rd_are_read() -> None:
    table = pa.table({"x1": [0], "y1": [0], "x2": [2**53 + 1], "y2": [1]})
    assert _edges(table, "boxes.csv").tolist() == [[0.0, 0.0, 2.0**53, 1.0]]
