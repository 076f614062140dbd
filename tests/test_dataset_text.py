"""Plain text and packed files: read by document, cut and put back, written, and refused when damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.dataset.compressed import create_plain, open_plain, unpacked
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import copy_without, restore
from assay.dataset.write import write_as

TEXTS = [f"document number {i} says something, naïvely" for i in range(12)]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.json.gz"])
def test_a_packed_file_reads_like_a_plain_one_and_comes_back_to_the_byte(tmp_path: Path, name: str) -> None:
    lines = TEXTS if ".txt" in name else [f'{{"text": "{t}"}}' for t in TEXTS]
    path = tmp_path / name
    text = (
        "[" + ",\n".join(lines) + "]" if ".json" in name and ".jsonl" not in name else "\n".join(lines[:5]) + "\n\n" + "\n".join(lines[5:])
    )
    with create_plain(path) as file:
        file.write(text.encode())
    data = read(path)
    assert data.table.column("text").to_pylist() == TEXTS
    assert data.task == "none"
    before = path.read_bytes()
    (tmp_path / "out").mkdir()
    copy_without(path, tmp_path / "out" / name, np.array([2, 11]), records=12, fingerprint=data.fingerprint)
    assert read(tmp_path / "out" / name).table.column("text").to_pylist() == [t for i, t in enumerate(TEXTS) if i not in (2, 11)]
    restore(tmp_path / "out" / name)
    assert (tmp_path / "out" / name).read_bytes() == before
    again = tmp_path / f"again-{name}"
    write_as(data, again)
    assert read(again).table.column("text").to_pylist() == TEXTS


def test_a_folder_of_short_files_is_a_document_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "passages"
    for i, text in enumerate(TEXTS):
        (folder / str(i % 2)).mkdir(parents=True, exist_ok=True)
        (folder / str(i % 2) / f"{i:02d}.txt").write_text(f"{text}\nsecond line")
    data = read(folder)
    assert len(data) == 12
    assert data.key[0] == "0/00.txt"
    assert data.table.column("text").to_pylist()[0].endswith("\nsecond line")
    copy_without(folder, tmp_path / "clean", np.array([0]), records=12, fingerprint=data.fingerprint)
    assert not (tmp_path / "clean" / "0" / "00.txt").exists()
    restore(tmp_path / "clean")
    assert read(tmp_path / "clean").fingerprint == data.fingerprint


def test_a_folder_of_shards_is_a_document_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for part in range(2):
        with create_plain(folder / f"{part}.txt.zst") as file:
            file.write("\n".join(TEXTS[part * 6 : part * 6 + 6]).encode())
    (folder / "README.md").write_text("about")
    assert read(folder).table.column("text").to_pylist() == TEXTS


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.zst"])
def test_packed_records_with_delimiters_are_named_by_the_packed_file(tmp_path: Path, name: str) -> None:
    tab = "\t" if ".tsv" in name else ","
    path = tmp_path / name
    with create_plain(path) as file:
        rows = [("text", "label"), *((text.replace(",", ""), "xy"[i % 2]) for i, text in enumerate(TEXTS))]
        file.write("".join(f"{a}{tab}{b}\n" for a, b in rows).encode())
    data = read(path)
    assert data.table.column("text").to_pylist() == [text.replace(",", "") for text in TEXTS]
    write_as(data, tmp_path / f"again-{name}")
    assert read(tmp_path / f"again-{name}").fingerprint == data.fingerprint
    with pytest.raises(DataError, match="unpacks to more than 10 bytes"), unpacked(path, 10):
        pass
    with create_plain(path) as file:
        file.write(b"text,label\nna\xefve,x\n")
    with pytest.raises(DataError, match="not UTF-8") as refused:
        read(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz", "a.csv.gz"])
def test_a_packed_file_that_ends_too_soon_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    packed = gzip.compress(b'{"text": "some words"}\n' * 5000)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="unpacked"):
        read(path)


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(DataError, match="row 1: not UTF-8: byte 0xef"):
        read(tmp_path / "a.txt")


def test_lines_stream(tmp_path: Path) -> None:
    with create_plain(tmp_path / "a.txt.gz") as file:
        file.write(b"x" * 100)
    with open_plain(tmp_path / "a.txt.gz") as file:
        assert file.readline() == b"x" * 100
    assert pa.types.is_string(read({"text": TEXTS}).table.column("text").type)
