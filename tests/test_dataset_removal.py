"""Copies without some records: what stays is untouched, what is taken out comes back to the last byte."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import copy_without, kept_in, restore

N = 40


def table() -> pa.Table:
    words = ["plain", 'with "quotes"', "two\nlines", "comma, and more", ""]
    return pa.table(
        {
            "text": [f"{words[i % 5]} number {i}" for i in range(N)],
            "score": [i / 7 for i in range(N)],
            "label": [i % 2 for i in range(N)],
        }
    )


def as_csv(folder: Path) -> Path:
    pa_csv.write_csv(table(), folder / "a.csv")
    return folder / "a.csv"


def as_csv_gz(folder: Path) -> Path:
    plain = as_csv(folder)
    (folder / "a.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return folder / "a.csv.gz"


def as_csv_folder(folder: Path) -> Path:
    (folder / "many").mkdir()
    for part in range(4):
        pa_csv.write_csv(table().slice(part * 10, 10), folder / "many" / f"{part}.csv")
    (folder / "many" / "README.md").write_text("about\n")
    return folder / "many"


def as_jsonl(folder: Path) -> Path:
    lines = [json.dumps(row) + "\n" for row in table().to_pylist()]
    lines.insert(3, "\n")
    (folder / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode().rstrip(b"\n"))
    return folder / "a.jsonl"


def as_json(folder: Path) -> Path:
    (folder / "a.json").write_text("\ufeff" + json.dumps(table().to_pylist(), ensure_ascii=False, indent=2), encoding="utf-8")
    return folder / "a.json"


def as_parquet(folder: Path) -> Path:
    pq.write_table(table(), folder / "a.parquet", row_group_size=7, compression="zstd")
    return folder / "a.parquet"


def as_npz(folder: Path) -> Path:
    digits = load_digits()
    who = np.array(["ann", "bob"] * (N // 2))
    np.savez(folder / "a.npz", x=digits.images[:N].astype(np.uint8), y=digits.target[:N], contributor=who, about=np.arange(3))
    return folder / "a.npz"


def as_pictures(folder: Path) -> Path:
    digits = load_digits()
    for i in range(N):
        place = folder / "pictures" / str(digits.target[i])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * 15).astype(np.uint8)).save(place / f"{i}.png")
    (folder / "pictures" / "notes.txt").write_text("kept\n")
    return folder / "pictures"


def as_feather(folder: Path) -> Path:
    pa_feather.write_feather(table(), str(folder / "a.feather"), chunksize=9)
    return folder / "a.feather"


def as_arrow_stream(folder: Path) -> Path:
    with pa.OSFile(str(folder / "a.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table().schema) as writer:
        writer.write_table(table(), max_chunksize=11)
    return folder / "a.arrow"


def as_hugging_face(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    parts = {"test": datasets.Dataset(table().slice(0, 15)), "train": datasets.Dataset(table().slice(15))}
    datasets.DatasetDict(parts).save_to_disk(folder / "saved", num_shards={"test": 1, "train": 3})
    return folder / "saved"


def as_idx(folder: Path) -> Path:
    digits = load_digits()
    place = folder / "idx"
    place.mkdir()
    for name, array in (("images-idx3", digits.images[:N].astype(np.uint8)), ("labels-idx1", digits.target[:N].astype(np.uint8))):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (place / f"train-{name}-ubyte").write_bytes(head + array.tobytes())
    return place


def as_idx_gz(folder: Path) -> Path:
    place = as_idx(folder)
    for file in list(place.iterdir()):
        (place / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    return place


def as_labelled(folder: Path) -> Path:
    digits = load_digits()
    place = folder / "labelled"
    (place / "images").mkdir(parents=True)
    lines = ["name,label,contributor"]
    for i in range(N):
        Image.fromarray((digits.images[i] * 15).astype(np.uint8)).save(place / "images" / f"p{i}.png")
        lines.append(f"p{i},{digits.target[i]},{'ann' if i % 3 else 'bob'}")
    (place / "labels.csv").write_text("\n".join(lines) + "\n")
    return place


def as_tar(folder: Path) -> Path:
    digits = load_digits()
    with tarfile.open(folder / "shard-0.tar", "w") as shard:
        for i in range(N):
            picture = io.BytesIO()
            Image.fromarray((digits.images[i] * 15).astype(np.uint8)).save(picture, "PNG")
            long = "long/" * 30 if i == 12 else ""  # a name that needs an extended header
            extra = json.dumps({"contributor": "ann" if i % 3 else "bob"}).encode()
            for ending, data in (("png", picture.getvalue()), ("cls", str(digits.target[i]).encode()), ("json", extra)):
                member = tarfile.TarInfo(f"{long}{i:04d}.{ending}")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))
    return folder / "shard-0.tar"


def as_zip(folder: Path) -> Path:
    pictures = as_pictures(folder)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(pictures.rglob("*"), reverse=True):
            archive.write(file, f"pictures/{file.relative_to(pictures)}")
    shutil.rmtree(pictures)
    return folder / "a.zip"


TABLES: list[Callable[[Path], Path]] = [as_csv, as_csv_gz, as_csv_folder, as_jsonl, as_json, as_parquet, as_feather, as_arrow_stream]
TABLES.append(as_hugging_face)
PICTURES: list[Callable[[Path], Path]] = [as_npz, as_pictures, as_idx, as_idx_gz, as_labelled, as_tar, as_zip]
FORMATS = TABLES + PICTURES


def content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("make", FORMATS)
def test_the_rest_stays_and_the_removed_comes_back(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    before, was = read(path), content(path)
    drop = np.array([0, 1, 12, 13, 25, N - 1])
    out = tmp_path / f"clean{''.join(path.suffixes)}"
    removal = copy_without(path, out, drop, records=before.records, fingerprint=before.fingerprint)
    after = read(out)
    assert content(path) == was
    assert after.records == N - len(drop)
    assert np.array_equal(after.digest, np.delete(before.digest, drop, axis=0))
    assert removal.kept_in == kept_in(out)
    assert json.loads((kept_in(out) / "manifest.json").read_text())["removed"] == drop.tolist()
    restore(out)
    assert content(out) == was
    assert not kept_in(out).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({path.name, out.name})


@pytest.mark.parametrize("make", [as_csv, as_jsonl])
def test_untouched_records_keep_their_bytes(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    out = tmp_path / f"clean{''.join(path.suffixes)}"
    copy_without(path, out, [N - 1])
    assert path.read_bytes().startswith(out.read_bytes())


cells = st.text(alphabet='ab,;"\n\r\té ', max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=2, max_size=12), st.data())
def test_any_csv_can_be_cut_and_mended(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    text = io.StringIO()
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    bare = any("\r" in cell for row in rows for cell in row)  # Python's writer leaves a lone CR without quotes
    style = csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=ending, quoting=style).writerows([("a", "b"), *rows])
    drop = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=len(rows) - 1)))
    with tempfile.TemporaryDirectory() as name:
        path, out = Path(name, "a.csv"), Path(name, "b.csv")
        path.write_bytes(text.getvalue().encode())
        copy_without(path, out, drop, records=len(rows))
        with out.open(newline="", encoding="utf-8") as file:
            left = [tuple(row) for row in csv.reader(file) if row]
        assert left == [("a", "b"), *(row for i, row in enumerate(rows) if i not in drop)]
        restore(out)
        assert out.read_bytes() == path.read_bytes()


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_csv(tmp_path)
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(DataError, match=r"out\.csv: is there already.*Remedy: give another name"):
        copy_without(path, tmp_path / "out.csv", [1])
    assert (tmp_path / "out.csv").read_text() == "mine"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("assay.dataset.removal.shutil.copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        copy_without(path, tmp_path / "new.csv", [1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "out.csv"]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = as_csv(tmp_path)
    with pytest.raises(DataError, match="40 records, where there were 41: it has changed"):
        copy_without(path, tmp_path / "b.csv", [1], records=41)
    with pytest.raises(DataError, match="no record 40: they are numbered 0 to 39"):
        copy_without(path, tmp_path / "b.csv", [40])
    with pytest.raises(DataError, match="all 40 records would be removed"):
        copy_without(path, tmp_path / "b.csv", range(40))
    with pytest.raises(DataError, match="nothing is kept of it"):
        restore(path)


def test_a_changed_copy_is_not_restored(tmp_path: Path) -> None:
    path, out = as_csv(tmp_path), tmp_path / "b.csv"
    copy_without(path, out, [1, 5])
    out.write_bytes(out.read_bytes() + b"x,1,1\n")
    with pytest.raises(DataError, match="has been changed since records were removed"):
        restore(out)
    assert kept_in(out).is_dir()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_for_a_spreadsheet_is_no_record(tmp_path: Path, mark: str, end: str) -> None:
    path = tmp_path / "a.csv"
    lines = ["sep=;", "text;label", *(f"a film, and number {i};{i % 2}" for i in range(30))]
    path.write_text(mark + end.join(lines) + end, encoding="utf-8", newline="")
    data = read(path)
    assert (data.table.column_names, len(data)) == (["text", "label"], 30)
    copy_without(path, tmp_path / "b.csv", [0, 29])
    assert (tmp_path / "b.csv").read_bytes() == (mark + end.join(lines[:2] + lines[3:-1]) + end).encode()
    restore(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()
