"""What is wrong with a data set is said once, with the file, the place and the remedy; what can still be read is read."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.limits import Limits
from assay.dataset.read import read


def refusal(path: object, **settings: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **settings)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert "Remedy: " in message
    return message


def lines(path: Path, *text: str) -> Path:
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def rows(n: int = 40) -> list[str]:
    return [f"message number {i} is here,{'ham' if i % 2 else 'spam'}" for i in range(n)]


def noise(path: Path, shape: tuple[int, ...] = (8, 8, 3), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)


def test_missing_path(tmp_path: Path) -> None:
    message = refusal(tmp_path / "no" / "a.csv")
    assert "no/a.csv: there is no such file or folder" in message
    assert f"{tmp_path} is there" in message


def test_empty_folder_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: the folder is empty" in refusal(tmp_path / "empty")
    for name in ("a.csv", "a.parquet", "a.jsonl", "a.npz"):
        (tmp_path / name).touch()
        assert f"{name}: the file is empty" in refusal(tmp_path / name)
    (tmp_path / "blank.csv").write_text("\n\n \n")
    assert "blank.csv" in refusal(tmp_path / "blank.csv")
    assert "there are no records" in refusal(lines(tmp_path / "head.csv", "text,label"))


def test_unknown_format_and_pickles(tmp_path: Path) -> None:
    assert "not a format that is read (found: .xlsx)" in refusal(lines(tmp_path / "a.xlsx", "x"))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1]))
    assert "a pickle can run any program" in refusal(tmp_path / "a.pkl")
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}, "b"], dtype=object))
    assert "a pickle can run any program" in refusal(tmp_path / "a.npz")


def test_one_class(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "text,label", *(f"some words of row {i},spam" for i in range(30)))
    message = refusal(path)
    assert "a.csv, column 'label': the label has only the value 'spam', and classes are compared" in message
    assert "--task none" in message
    assert read(path, task="none").task == "none"


def test_a_label_that_is_a_measurement(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "x,target", *(f"{i % 7},{i / 13}" for i in range(200)))
    message = refusal(path)
    assert "column 'target': the label is a measurement (200 different numbers in 200 rows), not a class" in message
    assert "--task regression" in message
    assert "--task regression" in refusal(path, columns=Columns(label=("target",)))
    data = read(path, columns=Columns(label=("target",)), task="regression")
    assert (data.task, data.classes) == ("regression", ())


def test_a_label_that_is_a_count(tmp_path: Path) -> None:
    hired = [i % 120 for i in range(600)] + list(range(200, 240))  # 120 numbers five times each, and forty once
    path = lines(tmp_path / "a.csv", "hour,hired", *(f"{i % 24},{n}" for i, n in enumerate(hired)))
    message = refusal(path, columns=Columns(label=("hired",)))
    assert "column 'hired': the label looks like a count (160 different whole numbers in 640 rows, many of them in one row only)" in message
    assert "--task regression for numbers, --task classification for classes" in message
    assert len(read(path, columns=Columns(label=("hired",)), task="classification").classes) == 160
    codes = lines(tmp_path / "b.csv", "hour,code", *(f"{i % 24},{n}" for i, n in enumerate(hired[:600])))
    assert len(read(codes, columns=Columns(label=("code",))).classes) == 120  # each five times: classes


def test_named_column_that_is_absent(tmp_path: Path) -> None:
    message = refusal(lines(tmp_path / "a.csv", "text,label", *rows()), columns=Columns(contributor="who"))
    assert "there is no column 'who' to be the contributor" in message
    assert "text, label" in message


def test_wrong_encoding_names_byte_and_line(tmp_path: Path) -> None:
    text = "text,label\n" + "\n".join(rows()) + "\ncafé au lait,ham\n"
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    message = refusal(path)
    assert f"a.csv, row 40: not UTF-8: byte 0xe9 at byte offset {text.index('é'):,} (line 42)" in message
    assert "iconv" in message
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"text": "ok"}\n{"text": "café"}\n'.encode("latin-1"))
    assert "a.jsonl, row 1: not UTF-8: byte 0xe9 at byte offset 28 (line 2)" in refusal(path)
    path = tmp_path / "wide.csv"
    path.write_bytes(text.encode("utf-16"))
    assert "UTF-16" in refusal(path)


def test_byte_order_mark_and_other_delimiters_are_read(tmp_path: Path) -> None:
    for name, delimiter in (("a.csv", ";"), ("b.csv", "\t"), ("c.tsv", "\t"), ("d.csv", "|")):
        body = "\n".join(row.replace(",", delimiter) for row in ["text,label", *rows()])
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + body.encode())
        data = read(tmp_path / name)
        assert data.table.column_names == ["text", "label"]
        assert data.classes == ("ham", "spam")


def test_a_line_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    limits = Limits(line=100_000, field=50_000)
    path.write_text("text,label\n" + "\n".join(rows(3)) + "\n" + "x" * 200_000 + ",ham\n")
    message = refusal(path, limits=limits)
    assert "a.csv, row 3: line 5 (from byte " in message
    assert "longer than 100,000 bytes" in message
    path.write_text("text,label\n" + "\n".join(rows(3)) + "\n" + "x" * 80_000 + ",ham\n")
    message = refusal(path, limits=limits)
    assert "a.csv, row 3, column 'text': a value of 80,000 bytes" in message
    path.write_text('text,label\nfirst words here,ham\n"never closed, ' + "words and more\n" * 20_000)
    assert "no quote is left open" in refusal(path, limits=limits)
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "' + "x" * 200_000 + '"}\n')
    assert "a.jsonl, row 0: line 1 (from byte 0) is longer than 100,000 bytes" in refusal(path, limits=limits)


def test_lines_with_other_numbers_of_fields_are_listed(tmp_path: Path) -> None:
    body = ["text,label", *rows(200)]
    body[5] = "one,two,three"
    body[150] = "alone"
    data = read(lines(tmp_path / "a.csv", *body))
    assert [(u.row, u.key) for u in data.unreadable] == [(4, "4"), (149, "149")]
    assert data.unreadable[0].reason == "3 fields where 2 are expected"
    assert (data.records, len(data)) == (200, 198)
    assert 4 not in data.row
    assert 149 not in data.row
    assert any("2 of 200 records could not be read" in note for note in data.notes)


def test_lines_that_are_not_json_are_listed_unless_most_are(tmp_path: Path) -> None:
    good = [f'{{"text": "some words here {i}", "label": {i % 2}}}' for i in range(50)]
    data = read(lines(tmp_path / "a.jsonl", *good[:20], '{"text": ', *good[20:], "[1]"))
    assert [(u.row, u.reason[:20]) for u in data.unreadable] == [(20, "line 21 is not JSON "), (51, "line 52 holds a JSON")]
    message = refusal(lines(tmp_path / "b.jsonl", *["{oops"] * 30, *good))
    assert "b.jsonl, row 0: 30 of 80 records cannot be read" in message
    (tmp_path / "c.jsonl").write_text('[\n{"text": "a"}\n]\n')
    assert "jq -c '.[]'" in refusal(tmp_path / "c.jsonl")


def test_truncated_parquet_arrow_npz_and_idx(tmp_path: Path) -> None:
    table = pa.table({"text": [f"words and words {i}" for i in range(500)], "label": [i % 2 for i in range(500)]})
    pq.write_table(table, tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    assert "a.parquet: not a whole Parquet file: it is cut short or damaged" in refusal(tmp_path / "a.parquet")
    middle = len(whole) // 3
    (tmp_path / "b.parquet").write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    assert "b.parquet, row " in refusal(tmp_path / "b.parquet")
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "a.arrow").write_bytes((tmp_path / "a.arrow").read_bytes()[:-100])
    assert "a.arrow" in refusal(tmp_path / "a.arrow")
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 8, 8), np.uint8), y=np.arange(9))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    assert "a.npz: not a whole .npz file" in refusal(tmp_path / "a.npz")
    (tmp_path / "idx").mkdir()
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 10, 8, 8)
    (tmp_path / "idx" / "train-images-idx3-ubyte").write_bytes(head + bytes(8 * 8 * 7 + 5))
    message = refusal(tmp_path / "idx")
    assert "train-images-idx3-ubyte, row 7: cut short: 10 records are promised and 7 are there" in message


def test_a_corrupt_picture_in_the_middle_is_listed(tmp_path: Path) -> None:
    for i in range(30):
        noise(tmp_path / "set" / ("cat" if i % 2 else "dog") / f"{i:02d}.png", seed=i)
    broken = tmp_path / "set" / "cat" / "15.png"
    broken.write_bytes(broken.read_bytes()[:60])
    (tmp_path / "set" / "dog" / "10.png").write_bytes(b"no picture")
    (tmp_path / "set" / "dog" / "12.png").write_bytes(b"")
    data = read(tmp_path / "set")
    assert [u.key for u in data.unreadable] == ["cat/15.png", "dog/10.png", "dog/12.png"]
    assert [u.row for u in data.unreadable] == [7, 20, 21]
    assert data.unreadable[0].reason.startswith("damaged")
    assert data.images is not None
    assert (data.records, len(data), len(data.images), len(data.digest)) == (30, 27, 27, 27)
    keys = [f"{'cat' if i % 2 else 'dog'}/{i:02d}.png" for i in (*range(1, 30, 2), *range(0, 30, 2))]
    assert [keys[row] for row in data.row] == list(data.key)


def bomb(side: int, claimed: int | None = None) -> bytes:
    """A PNG of side x side black pixels in a few kB, which may claim to be larger."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = bytes(1 + side)
    pixels = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", claimed or side, claimed or side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_pixel_bomb_is_not_decoded(tmp_path: Path) -> None:
    for i in range(20):
        noise(tmp_path / "set" / ("cat" if i % 2 else "dog") / f"{i:02d}.png", seed=i)
    (tmp_path / "set" / "cat" / "bomb.png").write_bytes(bomb(7_100))
    (tmp_path / "set" / "dog" / "huge.png").write_bytes(bomb(100, 90_000))
    data = read(tmp_path / "set")
    assert {u.key: u.reason for u in data.unreadable} == {
        "cat/bomb.png": "7,100 x 7,100 pixels are more than the limit of 50,000,000, not decoded",
        "dog/huge.png": "a picture far beyond the limit of 50,000,000 pixels, not decoded",
    }


def test_mixed_sizes_and_modes_are_said(tmp_path: Path) -> None:
    for i in range(20):
        noise(tmp_path / "set" / ("cat" if i % 2 else "dog") / f"{i:02d}.png", seed=i)
    noise(tmp_path / "set" / "cat" / "large.png", (20, 16, 3))
    noise(tmp_path / "set" / "cat" / "grey.png", (8, 8))
    noise(tmp_path / "set" / "cat" / "clear.png", (8, 8, 4))
    data = read(tmp_path / "set")
    assert data.images is not None
    assert data.images.shape == (23, 8, 8, 3)
    assert "1 of 23 pictures have another size than 8 x 8 (the commonest size) and are resized to it." in data.notes
    assert "1 of 23 pictures are grey and are held in three equal channels." in data.notes
    assert "1 pictures have a transparency channel; it is dropped." in data.notes


@pytest.mark.parametrize(("name", "why"), [("../evil.png", "leads out"), ("/etc/evil.png", "leads out"), ("a/../../b.png", "leads out")])
def test_a_tar_that_leads_out_is_refused(tmp_path: Path, name: str, why: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        for member_name in ("0.png", name):
            member = tarfile.TarInfo(member_name)
            member.size = 3
            shard.addfile(member, io.BytesIO(b"abc"))
    message = refusal(tmp_path / "a.tar")
    assert f"a.tar, row 0: the member {name!r} {why}" in message
    assert list(tmp_path.iterdir()) == [tmp_path / "a.tar"]


def test_a_tar_with_a_link_or_cut_short_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as shard:
        member = tarfile.TarInfo("0.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        shard.addfile(member)
    assert "is a link or a device" in refusal(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "b.tar", "w") as shard:
        member = tarfile.TarInfo("0.txt")
        member.size = 5000
        shard.addfile(member, io.BytesIO(bytes(5000)))
    (tmp_path / "b.tar").write_bytes((tmp_path / "b.tar").read_bytes()[:3000])
    assert "b.tar, row 0: cut short or damaged" in refusal(tmp_path / "b.tar")


def test_nan_and_infinity_are_missing_values_not_faults(tmp_path: Path) -> None:
    body = [f"{i % 5},{'nan' if i % 3 == 0 else 'inf' if i % 3 == 1 else i},{i % 2}" for i in range(60)]
    data = read(lines(tmp_path / "a.csv", "a,b,label", *body))
    assert data.modality == "table"
    assert data.table.schema.field("b").type == pa.float64()
    assert np.isnan(data.table.column("b").to_numpy()).sum() == 20
    assert np.isinf(data.table.column("b").to_numpy()).sum() == 20


def test_duplicate_ids_get_keys_of_their_own(tmp_path: Path) -> None:
    body = [f"r{i // 2 if i < 4 else i},some words of row {i},{i % 2}" for i in range(60)]
    data = read(lines(tmp_path / "a.csv", "id,text,label", *body))
    assert data.columns.id == "id"
    assert data.key[:5] == ("r0#0", "r0#1", "r1#2", "r1#3", "r4")
    assert any("2 ids occur more than once ('r0', 'r1')" in note for note in data.notes)
    assert data.columns.content == ("text",)


def test_a_title_above_a_table_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    body = "text;label\n" + "".join(f"a film, and number {i};{i % 2}\n" for i in range(30))
    path.write_text("# exported on Monday\n# by the office\n" + body)
    assert "the first 2 lines have one field, and those below have 2 with ';' between them: the names" in refusal(path)
    path.write_text("#mood\n" + "so happy today\nnot so good today\n" * 20 + "hello, world\nbye, moon\n")
    assert len(read(path)) == 42
    path.write_bytes(b"\xef\xbb\xbf")
    assert "only empty lines" in refusal(path)
    path.write_text("Our customers\n" + body)
    assert any("the first line has one field" in note and "take the title out" in note for note in read(path).notes)
    path.write_text("text\n" + "".join("a text" + ", and more" * (i % 4) + "\n" for i in range(40)))
    assert not any("title" in note for note in read(path).notes)
