"""Votes from tables: both shapes, every way to be wrong."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.crowd.read import read_votes
from assay.crowd.votes import check, from_arrays
from assay.dataset.errors import DataError

LONG = {"item": ["a", "a", "b", "b"], "worker": ["x", "y", "x", "y"], "answer": ["cat", "dog", "cat", "cat"]}


def write(path, table):
    if path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in table.to_pylist()))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_long_in_every_format(tmp_path, suffix):
    path = tmp_path / f"votes{suffix}"
    if suffix == ".tsv":
        path.write_text("\n".join("\t".join(line) for line in [tuple(LONG), *zip(*LONG.values(), strict=True)]) + "\n")
    else:
        write(path, pa.table(LONG))
    votes = read_votes(path)
    assert votes.counts.tolist() == [[1, 1], [2, 0]]
    assert (votes.rows, votes.annotators, votes.classes) == (("a", "b"), ("x", "y"), ("cat", "dog"))
    assert "one vote a record" in votes.notes[0]


def test_wide_is_the_same_votes(tmp_path):
    wide = read_votes(write(tmp_path / "wide.csv", pa.table({"item": ["a", "b"], "x": ["cat", "cat"], "y": ["dog", "cat"]})))
    long = read_votes(LONG)
    assert np.array_equal(wide.counts, long.counts)
    assert wide.annotators == long.annotators
    gap = read_votes({"item": ["a", "b"], "ann": ["cat", "dog"], "bob": ["dog", ""], "eve": [None, "dog"]})
    assert gap.votes_of.tolist() == [2, 1, 1]
    picked = read_votes({"title": ["p", "q"], "ann": [1, 2], "bob": [2, 2]}, wide=["ann", "bob"])
    assert picked.rows == ("0", "1")


def test_numbers_and_text_name_the_same_labels():
    assert read_votes({**LONG, "answer": [1.0, 2.0, 1.0, 1.0]}).classes == ("1", "2")
    assert read_votes({**LONG, "answer": [True, False, True, True]}).classes == ("false", "true")


def test_times():
    when = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z", "2026-01-01T00:01:00Z", "2026-01-02T00:00:00Z"]
    votes = read_votes({**LONG, "timestamp": when})
    assert votes.time is not None
    assert np.diff(votes.time).tolist() == [10, 50, 86340]
    with pytest.raises(DataError, match="not a time"):
        read_votes({**LONG, "timestamp": ["yesterday", "x", "y", "z"]})


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (LONG, {"label": "reply"}, "there is no column 'reply'.*item, worker, answer"),
        ({**LONG, "worker": ["x"] * 4}, {"duplicates": "first"}, "all 4 votes are by one annotator"),
        ({**LONG, "item": ["a", "b", "c", "d"]}, {}, "no row has votes of two annotators"),
        ({**LONG, "item": ["a", "b", "b", "a"], "worker": ["x", "y", "y", "x"]}, {"duplicates": "all"}, "no row has votes of two"),
        ({**LONG, "worker": ["x", "x", "x", "y"]}, {}, "'x' votes more than once on row 'a' .'cat', then 'dog'.; 1 votes.*--duplicates"),
        (LONG, {"classes": ["cat", "cow"]}, "unknown label 'dog': annotator 'y' on row 'a'.*there are cat, cow"),
        (LONG, {"classes": ["cat", "dog", "cat"]}, "named twice"),
        ({**LONG, "answer": ["cat"] * 4}, {}, "every vote says 'cat'"),
        ({**LONG, "worker": ["x", None, "x", "y"]}, {}, "row 1, column 'worker': a vote without it"),
        ({"item": ["a", "b"], "x": ["cat", "dog"]}, {}, "its values are nobody else's"),
        ({"item": ["a", "b"], "x": ["cat", "dog"]}, {"wide": ["x"]}, "one annotator, 'x'"),
        ({"worker": ["x", "y"], "what": ["a", "b"], "reply": ["c", "d"]}, {}, "cannot tell which column holds the row.*--row"),
        ({**LONG, "answer": [None] * 4}, {}, "there are no votes"),
    ],
)
def test_what_is_wrong_is_said(table, options, said):
    with pytest.raises(DataError, match=said):
        read_votes(table, **options)


def test_repeated_votes_by_choice():
    table = {**LONG, "worker": ["x", "x", "x", "y"]}
    first, last, every = (read_votes({**table, "item": ["a", "a", "b", "b"]}, duplicates=d) for d in ("first", "last", "all"))
    assert first.counts.tolist()[0] == [1, 0]
    assert last.counts.tolist()[0] == [0, 1]
    assert every.counts.tolist()[0] == [1, 1]
    assert any("the last one counts" in note for note in last.notes)


def test_strangers_are_noted():
    votes = check(from_arrays([0, 0, 1, 1], ["a", "b", "c", "d"], [0, 1, 1, 1]))
    assert any("2 groups that never label the same row" in note for note in votes.notes)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60), st.randoms())
def test_order_of_records_does_not_matter(records, random):
    rows, annotators, labels = zip(*records, strict=True)
    votes = from_arrays(rows, annotators, labels)
    shuffled = list(records)
    random.shuffle(shuffled)
    other = from_arrays(*zip(*shuffled, strict=True))
    assert np.array_equal(votes.counts, other.counts)
    assert np.array_equal(votes.votes_of, other.votes_of)


@pytest.mark.parametrize("written", ["2026-01-01T00:00:0{}", "2026-01-01 00:00:0{}", "2026-01-01T00:00:0{}Z", "2026-01-01T01:00:0{}+01:00"])
def test_times_with_and_without_a_zone(written):
    votes = read_votes(
        pa.table({"task": ["a", "a"], "worker": ["x", "y"], "label": ["c", "d"], "time": [written.format(i) for i in (1, 2)]})
    )
    assert votes.time.tolist() == [1767225601.0, 1767225602.0]
