"""What each format means by a record, a key and a label."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from assay.dataset.cells import typed
from assay.dataset.data import Columns
from assay.dataset.read import read
from assay.dataset.removal import copy_without, restore
from test_dataset_removal import TABLES, as_idx, as_labelled, as_pictures, as_tar, table


@pytest.mark.parametrize("make", TABLES)
def test_every_table_format_holds_the_same_records(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    pq.write_table(table(), tmp_path / "want.parquet")
    want, data = read(tmp_path / "want.parquet"), read(make(tmp_path))
    assert (data.columns, data.task, data.classes) == (want.columns, want.task, want.classes)
    if "split" not in data.table.column_names:
        assert data.fingerprint == want.fingerprint


def test_the_fingerprint_does_not_depend_on_what_a_column_is_for(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    path = tmp_path / "a.parquet"
    other = read(path, columns=Columns(content=("label", "score"), id="text"), task="none")
    assert other.fingerprint == read(path).fingerprint


def test_an_unreadable_record_keeps_its_place_in_the_fingerprint(tmp_path: Path) -> None:
    data = read(as_pictures(tmp_path))
    broken = tmp_path / "pictures" / data.key[20]
    broken.unlink()
    fewer = read(tmp_path / "pictures").fingerprint
    broken.symlink_to(tmp_path / "gone.png")
    listed = read(tmp_path / "pictures")
    assert [(u.row, u.reason) for u in listed.unreadable] == [(20, "cannot be opened (No such file or directory)")]
    assert len({data.fingerprint, fewer, listed.fingerprint}) == 3


def test_splits_and_nested_folders(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            for i in range(3):
                place = tmp_path / "archive" / "pets" / part / name / "more"
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((6, 6), 40 * i, np.uint8)).save(place / f"{i}.png")
    data = read(tmp_path / "archive")
    assert data.classes == ("cat", "dog")
    assert data.table.column("split").to_pylist() == ["test"] * 6 + ["train"] * 6
    assert data.key[0] == "pets/test/cat/more/0.png"


def test_pictures_beside_a_table(tmp_path: Path) -> None:
    path = as_labelled(tmp_path)
    (path / "images" / "p3.png").unlink()
    noise = (path / "labels.csv").read_text().replace("p5,", "../../p5,")
    (path / "labels.csv").write_text(noise)
    data = read(path)
    assert (data.format, data.modality, data.columns.contributor) == ("labelled_images", "image", "contributor")
    assert {u.row: u.reason for u in data.unreadable} == {
        3: "cannot be opened (No such file or directory)",
        5: "'images/../../p5.png' leads out of the folder",
    }
    assert data.key[3] == "images/p4.png"
    assert "1 picture in the folder not named in labels.csv: passed over." in data.notes


def test_a_list_of_files_beside_class_folders_takes_no_class_away(tmp_path: Path) -> None:
    path = as_labelled(tmp_path)
    (path / "labels.csv").unlink()
    files = sorted((path / "images").iterdir())
    for i, file in enumerate(files):
        (path / "images" / "ab"[i % 2]).mkdir(exist_ok=True)
        file.rename(path / "images" / "ab"[i % 2] / file.name)
    rows = [{"file_name": f"{'ab'[i % 2]}/{file.name}", "bytes": 100 + i} for i, file in enumerate(files)]
    (path / "manifest.json").write_text(json.dumps(rows))
    assert read(path).classes == ("a", "b")
    assert any("passed over (manifest.json)" in note for note in read(path).notes)
    (path / "manifest.json").write_text(json.dumps([{**row, "label": "xyz"[i % 3]} for i, row in enumerate(rows)]))
    assert read(path).classes == ("x", "y", "z")
    for i, file in enumerate(files):
        (path / "images" / "ab"[i % 2] / file.name).rename(file)
    (path / "manifest.json").write_text(json.dumps([{"file_name": file.name, "text": f"it shows {file.name}"} for file in files]))
    assert "text" in read(path, task="none").table.column_names


@pytest.mark.parametrize("kind", ["metadata.jsonl", "labels.json", "metadata.parquet"])
def test_pictures_beside_a_table_of_another_format(tmp_path: Path, kind: str) -> None:
    path = as_labelled(tmp_path)
    want = read(path)
    sheet = want.table.append_column("file_name", pa.array([key.removeprefix("images/") for key in want.key]))
    (path / "labels.csv").unlink()
    rows = sheet.to_pylist()
    if kind.endswith("parquet"):
        pq.write_table(sheet, path / kind)
    elif kind.endswith("jsonl"):
        (path / kind).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        (path / kind).write_text(json.dumps(rows))
    data = read(path)
    assert (data.format, data.key, data.columns, data.classes) == ("labelled_images", want.key, want.columns, want.classes)
    assert data.fingerprint == want.fingerprint
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    copy_without(path, tmp_path / "clean", np.array([1, 4]))
    kept = np.delete(np.arange(len(want)), [1, 4])
    assert np.array_equal(read(tmp_path / "clean").digest, want.digest[kept])
    assert not (tmp_path / "clean" / want.key[4]).exists()
    restore(tmp_path / "clean")
    assert {file: (tmp_path / "clean" / file.relative_to(path)).read_bytes() for file in before} == before


def test_splits_of_pictures_without_classes_are_no_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / "set" / part).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((6, 6), 40 * i, np.uint8)).save(tmp_path / "set" / part / f"{i}.png")
    (tmp_path / "set" / "train" / "metadata.xml").write_text("x")
    data = read(tmp_path / "set")
    assert (data.classes, data.task) == ((), "none")
    assert data.table.column("split").to_pylist() == ["test"] * 3 + ["train"] * 3
    assert "1 file in the folder is no picture by its name and is passed over (train/metadata.xml)." in data.notes


def test_links_to_folders_are_said(tmp_path: Path) -> None:
    path = as_pictures(tmp_path)
    (path / "elsewhere").symlink_to(tmp_path)
    (path / ".hidden").symlink_to(tmp_path)
    assert any("1 link to folders, which are not followed: elsewhere;" in note for note in read(path).notes)


def test_idx_splits_by_name(tmp_path: Path) -> None:
    path = as_idx(tmp_path)
    one = read(path)
    assert one.table.column_names == ["label"]
    for file in list(path.iterdir()):
        (path / file.name.replace("train", "t10k")).write_bytes(file.read_bytes())
    both = read(path)
    assert both.table.column("split").to_pylist() == ["t10k"] * len(one) + ["train"] * len(one)


def test_shards_are_read_in_order_and_never_unpacked(tmp_path: Path) -> None:
    place = tmp_path / "shards"
    place.mkdir()
    as_tar(place).rename(place / "b.tar")
    as_tar(place).rename(place / "a.tar")
    before = sorted(tmp_path.rglob("*"))
    data = read(place)
    assert sorted(tmp_path.rglob("*")) == before
    assert (data.format, data.columns.contributor, len(data)) == ("webdataset", "contributor", 80)
    assert data.key[1] == "0001"
    assert data.key[12] == "long/" * 30 + "0012"
    with tarfile.open(place / "a.tar") as shard:
        assert len(shard.getnames()) == 120


def test_one_column_of_text_with_commas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "".join(f"one, two, three, and {i}\n" for i in range(40)))
    data = read(tmp_path / "a.csv")
    assert data.table.column_names == ["text"]
    assert data.table.column("text")[3].as_py() == "one, two, three, and 3"


def test_numbers_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("".join(f"{i / 7},{i % 2}\n" for i in range(60)))
    data = read(tmp_path / "a.csv")
    assert (len(data), data.columns.label) == (60, ("column_1",))
    assert any("the first line holds values" in note for note in data.notes)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "30", None], pa.int64()),
        (["1", "2.5", "1e3", "nan", "-inf"], pa.float64()),
        (["1", "NA", "?", ""], pa.int64()),
        (["True", "false", None], pa.bool_()),
        (["007", "8"], pa.string()),
        (["0x10", "1"], pa.string()),
        (["None", "Smith"], pa.string()),
        (["12345678901234567890123", "1"], pa.string()),
        (["9007199254740993", "0.5"], pa.string()),
        (["true", "1"], pa.string()),
    ],
)
def test_types_of_written_values(values: list[str | None], kind: pa.DataType) -> None:
    array = typed(values)
    assert array.type == kind
    if kind == pa.string():
        assert array.to_pylist() == values


def test_columns_of_one_name_are_told_apart(tmp_path):
    table = pa.Table.from_arrays(
        [pa.array([f"words {i}" for i in range(9)]), pa.array([0, 1, 1] * 3), pa.array([2] * 9)], names=["text", "label", "text"]
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").table.column_names == ["text", "label", "text_2"]
