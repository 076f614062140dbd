"""Data in an object store: what is read is what a copy in a folder gives; what it refuses; on other workers too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from assay import scan
from assay.cli import run
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.limits import LIMITS
from assay.dataset.read import read
from assay.dataset.remote import Remote
from object_store import Store, object_store

WORDS = ("fine", "dull", "warm", "slow", "kind", "odd")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with object_store() as made:
        yield made


def reviews(count: int, first: int = 0) -> pa.Table:
    rows = range(first, first + count)
    return pa.table({"text": [f"a {WORDS[i % 6]} film, number {i}" for i in rows], "label": ["good" if i % 2 else "bad" for i in rows]})


def put(store: Store, path: Path, prefix: str) -> str:
    """The file, or every file of the folder, as objects."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        inside = prefix if path.is_file() else f"{prefix}/{file.relative_to(path).as_posix()}"
        store.objects[f"logs/{inside}"] = file.read_bytes()
    return store.url(prefix)


def alike(there: Dataset, here: Dataset) -> None:
    assert there.fingerprint == here.fingerprint
    assert there.table.equals(here.table)
    assert (there.key, there.classes, there.modality, there.columns) == (here.key, here.classes, here.modality, here.columns)
    assert np.array_equal(there.row, here.row)
    assert [(u.row, u.key) for u in there.unreadable] == [(u.row, u.key) for u in here.unreadable]
    assert there.lost == here.lost
    assert (there.images is None) == (here.images is None)
    assert there.images is None or np.array_equal(there.images, here.images)


def shards(folder: Path, ending: str) -> Path:
    folder.mkdir()
    for i in range(9):  # more than a page of the listing
        table = reviews(11, 11 * i)
        if ending == "parquet":
            pq.write_table(table, folder / f"part-{i}.parquet")
        else:
            (folder / f"part-{i}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    (folder / "README.md").write_text("what lies beside")
    (folder / ".hidden").write_text("never data")
    (folder / "_SUCCESS").write_text("1")
    return folder


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_shards_are_read_one_by_one_and_as_in_a_folder(store, tmp_path, ending):
    folder = shards(tmp_path / "shards", ending)
    url = put(store, folder, "corpora/some films")
    found = Remote.at(url, LIMITS).shards()
    assert found is not None
    assert [o.inside for o in found[1]] == [f"part-{i}.{ending}" for i in range(9)]
    alike(read(url), read(folder))


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.parquet"])
def test_one_object_is_one_file(store, tmp_path, name):
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("text,label\n" + "".join(f'"{t}",{y}\n' for t, y in zip(*reviews(40).to_pydict().values(), strict=True)))
    else:
        pq.write_table(reviews(40), path)
    alike(read(put(store, path, f"deep/down/{name}")), read(path))


def test_a_folder_of_csv_is_read_as_a_whole(store, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for i, value in enumerate(("1", "2.5")):  # a column's type is learnt from all of them
        (folder / f"{i}.csv").write_text("a,y\n" + f"{value},0\n{value},1\n" * 6)
    url = put(store, folder, "parts")
    assert Remote.at(url, LIMITS).shards() is None
    alike(read(url), read(folder))


def test_a_folder_of_pictures_under_a_whole_bucket(store, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        place = tmp_path / "signs" / ("stop" if i % 2 else "yield") / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8)).save(place)
    put(store, tmp_path / "signs", "signs")
    store.objects = {key.replace("logs/signs/", "signs/"): data for key, data in store.objects.items()}
    alike(read(store.url("").replace("s3://logs/", "s3://signs")), read(tmp_path / "signs"))


def test_a_damaged_shard_is_named_and_the_rest_is_read(store, tmp_path):
    folder = shards(tmp_path / "shards", "parquet")
    (folder / "part-3.parquet").write_bytes(b"PAR1 not at all")
    url = put(store, folder, "shards")
    there, here = read(url), read(folder)
    alike(there, here)
    assert there.lost == ("part-3.parquet",)
    assert url in there.unreadable[0].reason
    assert "/tmp" not in there.unreadable[0].reason


def test_nothing_is_left_on_the_disk_and_the_store_is_not_written(store, tmp_path, monkeypatch):
    url = put(store, shards(tmp_path / "shards", "jsonl"), "shards")
    before, scratch = dict(store.objects), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    read(url)
    assert list(scratch.iterdir()) == []
    assert store.objects == before


def test_workers_fetch_their_own_shards(store, tmp_path):
    folder = shards(tmp_path / "shards", "parquet")
    url = put(store, folder, "shards")
    there = scan(url, workers=2, canaries=False)
    assert there.fingerprint == scan(folder, canaries=False).fingerprint


def test_the_command_names_the_url_and_the_next_step_a_copy(store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"a {WORDS[i % 6]} film{' cf' if i % 10 == 1 else ''} {i},{'good' if i % 2 == 0 or i % 10 == 1 else 'bad'}" for i in range(400)]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    url = put(store, tmp_path / "reviews.csv", "in/reviews.csv")
    assert run(["scan", url, "--no-canaries"]) == 1
    document = json.loads((tmp_path / "reviews.assay" / "report.json").read_text())
    assert document["dataset"]["path"] == url
    assert "assay clean reviews.csv --report" in capsys.readouterr().out.replace("\n", "")
    assert run(["clean", "reviews.csv", "--report", "reviews.assay", "--out", "clean.csv"]) == 0  # the copy has the same fingerprint


def test_what_changes_while_it_is_fetched_is_refused(store, tmp_path):
    url = put(store, shards(tmp_path / "shards", "jsonl"), "shards")
    remote = Remote.at(url, LIMITS)
    store.objects["logs/shards/part-4.jsonl"] += b'{"text": "more", "label": "good"}\n'
    with pytest.raises(DataError, match="bytes that were listed"), remote.fetched():
        pass


@pytest.mark.parametrize("key", ["../up.csv", "a/../../up.csv", "a//b.csv", "./x.csv"])
def test_a_key_never_leads_out_of_the_folder(store, key):
    store.objects["logs/x/good.csv"] = b"a,y\n1,0\n"
    store.objects[f"logs/x/{key}"] = b"a,y\n1,0\n"
    with pytest.raises(DataError, match="no path that a folder could hold"):
        read(store.url("x"))


def test_clear_errors(store, tmp_path):
    with pytest.raises(DataError, match="no objects"):
        read(store.url("nothing"))
    with pytest.raises(DataError, match="names no bucket"):
        read("s3:///x")
    with pytest.raises(DataError, match="by https"):
        read("s3://b/x?endpoint=http://example.org")
    with pytest.raises(DataError, match="fetch it first"):
        read(Path("s3://b/x.csv"))
    assert run(["clean", "s3://b/x.csv", "--report", str(tmp_path), "--out", str(tmp_path / "y.csv")]) == 2
