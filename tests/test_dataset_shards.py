"""A folder of shards: read by workers as by one process, cleaned in parallel, and a damaged shard said, never left out in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from assay.api import scan
from assay.cli import run
from assay.dataset.compressed import create_plain
from assay.dataset.digest import row_digests
from assay.dataset.errors import DataError
from assay.dataset.formats.parquet import Parquet
from assay.dataset.limits import Limits
from assay.dataset.merkle import joined, subtree_hash, tree_hash
from assay.dataset.read import read
from assay.dataset.removal import copy_without, restore
from assay.engine.base import using
from assay.engine.cores import Cores
from assay.ledger import ingest
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, KEY, new_ledger, register
from test_stages import reviews


def shards(folder: Path, form: str = "parquet", count: int = 4, rows: int = 120) -> Path:
    folder.mkdir()
    table = pa.table(reviews(rows))
    size = rows // count
    for i in range(count):
        part = table.slice(i * size, size)
        if form == "parquet":
            pq.write_table(part, folder / f"part-{i}.parquet")
        elif form.startswith("csv"):
            with create_plain(folder / f"part-{i}.{form}") as file:
                csv.write_csv(part, file)
        else:
            with create_plain(folder / f"part-{i}.{form}") as file:
                file.write("".join(json.dumps(r) + "\n" for r in part.to_pylist()).encode())
    return folder


def damage(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_workers_read_what_one_process_reads(tmp_path: Path, form: str) -> None:
    folder = shards(tmp_path / "data", form)
    here = read(folder)
    with Cores(2) as cores, using(cores):
        there = read(folder)
    assert there.fingerprint == here.fingerprint
    assert np.array_equal(there.digest, here.digest)
    assert there.table.equals(here.table)
    assert there.key == here.key
    assert np.array_equal(here.digest, row_digests(here.table))  # though they were made shard by shard


def test_shards_that_type_a_column_otherwise_have_the_digests_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, values in (("a", [1, 2]), ("b", ["x", "1"]), ("c", [2.5, None])):
        pq.write_table(pa.table({"v": values, "label": ["p", "q"]}), tmp_path / "data" / f"{name}.parquet")
    data = read(tmp_path / "data")
    assert data.table["v"].to_pylist() == ["1", "2", "x", "1", "2.5", None]
    assert np.array_equal(data.digest, row_digests(data.table))


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40), st.integers(0, 4))
@settings(deadline=None)
def test_the_root_over_blocks_is_the_root_over_all(entries: list[bytes], power: int) -> None:
    size = 1 << power
    blocks = [b"".join(entries[i : i + size]) for i in range(0, len(entries), size)]
    assert joined([subtree_hash(block) for block in blocks]) == tree_hash(entries)


def test_a_damaged_shard_is_listed_and_the_scan_is_incomplete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shards(tmp_path / "data")
    damage(folder / "part-2.parquet")
    data = read(folder)
    assert data.lost == ("part-2.parquet",)
    assert data.records == 91
    (gone,) = data.unreadable
    assert gone.row == 60
    assert "part-2.parquet: not a whole Parquet file" in gone.reason
    assert data.row.tolist() == [*range(60), *range(61, 91)]
    report = scan(folder, canaries=False)
    (check,) = [c for c in report.checks if c.name == "reading"]
    assert check.state == "failed"
    assert "1 shards could not be read, and their rows are missing: part-2.parquet" in check.reason
    assert report.exit_code("never") == 3
    assert run(["scan", str(folder), "--no-canaries", "--fail-on", "never", "--out", str(tmp_path / "out")]) == 3
    assert "part-2.parquet" in capsys.readouterr().out


def test_nothing_but_damaged_shards_is_refused(tmp_path: Path) -> None:
    folder = shards(tmp_path / "data", count=2)
    for file in folder.iterdir():
        damage(file)
    with pytest.raises(DataError, match="2 of 2 records cannot be read; the first: a shard that cannot be read"):
        read(folder)


def test_a_shard_beyond_the_limits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more than 50 records"):
        read(shards(tmp_path / "data"), limits=Limits(records=50))


@pytest.mark.parametrize("form", ["parquet", "jsonl", "jsonl.gz", "csv", "csv.gz"])
def test_shards_are_cleaned_by_workers_and_come_back(tmp_path: Path, form: str) -> None:
    folder = shards(tmp_path / "data", form)
    drop = [0, 3, 31, 119]
    copy_without(folder, tmp_path / "here", drop)
    with Cores(2) as cores, using(cores):
        copy_without(folder, tmp_path / "there", drop)
    for file in sorted((tmp_path / "here").iterdir()):
        assert (tmp_path / "there" / file.name).read_bytes() == file.read_bytes()
    manifests = [json.loads((tmp_path / f"{name}.removed" / "manifest.json").read_text()) for name in ("here", "there")]
    assert manifests[0] == manifests[1]
    restore(tmp_path / "there")
    for file in folder.iterdir():
        assert (tmp_path / "there" / file.name).read_bytes() == file.read_bytes()


def book_of(home: Path, folder: Path) -> Ledger:
    """A ledger that the rows of the folder were brought into."""
    home.mkdir()
    book = new_ledger(home)
    register(book, "crawl", ALICE, BOB)
    ingest.add(book, read(folder), "crawl")
    return book


def test_a_snapshot_of_shards_is_made_by_workers_as_by_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, private = shards(tmp_path / "data", "jsonl", rows=400), "ledger/private/content"
    (folder / "part-4.jsonl").write_bytes((folder / "part-0.jsonl").read_bytes())  # kept once
    for name in ("one", "two"):
        write_key(book_of(tmp_path / name, folder).folder.parent / "ledger.key", KEY)
    said, roots = ["snapshot", str(folder), "--name", "v1", "--keep"], []
    for name, more in (("one", []), ("two", ["--workers", "2"])):
        assert run(["ledger", said[0], str(tmp_path / name / "ledger"), *said[1:], *more]) == 0
        roots.append(capsys.readouterr().out.split("root ")[1].split(",")[0])
    assert roots[0] == roots[1] == read(folder).fingerprint
    for path in (tmp_path / "one" / private).rglob("*"):
        assert (tmp_path / "two" / path.relative_to(tmp_path / "one")).exists()
    assert len(list((tmp_path / "one" / private / "objects").glob("*/*"))) == 4


def test_what_is_taken_out_of_a_file_is_work_that_travels(tmp_path: Path) -> None:
    import pickle

    folder = shards(tmp_path / "data")
    edits, _ = Parquet().without(folder, np.array([5]), Limits())
    assert pickle.loads(pickle.dumps(edits))[0].path == edits[0].path
