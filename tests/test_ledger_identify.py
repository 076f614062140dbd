"""A download against known-good data sets: what was altered, added, left out, or put in another order."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run as main
from assay.dataset.data import Columns
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.ledger import identify
from assay.ledger.errors import Tampered
from assay.ledger.keys import write_key
from ledger_examples import ALICE, BOB, opened, reviews


def known(folder: Path, name: str, *, id: str | None = None, **asked: object) -> identify.Good:
    data = read(reviews(folder / f"{name}.csv", **asked), columns=Columns(("text",), ("label",), id))  # type: ignore[arg-type]
    identify.write(data, folder / f"{name}.good", name, "1.0", "https://example.com", ALICE)
    return identify.read(folder / f"{name}.good", [BOB.key, ALICE.key])


def test_unnamed_rows(tmp_path: Path) -> None:
    good = known(tmp_path, "a", stop=40)
    other = known(tmp_path, "b", word="poor")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    lines[6] = lines[6].replace("fine", "vile")  # record 5 is altered
    del lines[20]  # record 19 is missing
    lines.append('"one more film",good,w1')
    (tmp_path / "got.csv").write_text("\n".join(lines) + "\n")
    found = identify.closest(opened(tmp_path / "got.csv"), [other, good])
    assert found is not None
    assert found.good.name == "a 1.0"
    assert (found.altered, found.added, found.missing, found.other_order, found.shared) == (((5, 5),), (39,), (19,), False, 38)
    same = identify.closest(opened(tmp_path / "a.csv"), [other, good])
    assert same is not None
    assert same.same
    lines = (tmp_path / "a.csv").read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join(lines[:1] + lines[:0:-1]) + "\n")
    turned = identify.closest(opened(tmp_path / "turned.csv"), [good])
    assert turned is not None
    assert turned.other_order
    assert not turned.same
    assert identify.closest(opened(reviews(tmp_path / "c.csv", word="strange")), [good, other]) is None


def test_named_rows(tmp_path: Path) -> None:
    for name, row in (("a", "x3,was,good"), ("b", "x3,is,good")):
        (tmp_path / f"{name}.csv").write_text(f"id,text,label\nx1,one,good\nx2,two,bad\n{row}\nx4,four,bad\n")
    columns = Columns(("text",), ("label",), "id")
    (tmp_path / "c.csv").write_text("id,text,label\nx9,nine,good\nx4,four,bad\nx3,is,good\nx1,one,good\n")
    identify.write(read(tmp_path / "a.csv", columns=columns), tmp_path / "a.good", "a", "", "", ALICE)
    good = identify.read(tmp_path / "a.good", [ALICE.key])
    assert good.keys == ("x1", "x2", "x3", "x4")
    found = identify.closest(read(tmp_path / "c.csv", columns=columns), [good])
    assert found is not None
    assert (found.altered, found.added, found.missing, found.other_order) == (((2, 2),), (0,), (1,), True)


ROWS = st.lists(st.integers(0, 12), max_size=12)


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS)
def test_every_row_is_accounted_for_once(old: list[int], new: list[int]) -> None:
    before, now = ([bytes([n]) * 32 for n in rows] for rows in (old, new))
    found = identify.compare(now, [], identify.Good("x", "", tuple(before), (), "a"))
    pairs = set(found.altered)
    assert found.shared + len(pairs) + len(found.added) == len(new)
    assert found.shared + len(pairs) + len(found.missing) == len(old)
    assert len({a for a, _ in pairs} | set(found.added)) == len(pairs) + len(found.added)
    assert all(now[a] != before[b] for a, b in pairs)
    assert found.same == (old == new)


def test_nothing_of_the_file_can_be_altered(tmp_path: Path) -> None:
    known(tmp_path, "a")
    with pytest.raises(Tampered, match=r"not by a key that is trusted"):
        identify.read(tmp_path / "a.good", [BOB.key])
    table = pq.read_table(tmp_path / "a.good")
    pq.write_table(table.slice(0, 19), tmp_path / "b.good")
    with pytest.raises(Tampered, match=r"not those that were signed"):
        identify.read(tmp_path / "b.good", [ALICE.key])
    named = table.set_column(0, "key", [[f"k{i}" for i in range(20)]]).replace_schema_metadata(table.schema.metadata)
    pq.write_table(named, tmp_path / "c.good")
    with pytest.raises(Tampered, match=r"not those that were signed"):
        identify.read(tmp_path / "c.good", [ALICE.key])
    (tmp_path / "d.good").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no known data set"):
        identify.read(tmp_path / "d.good", [ALICE.key])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_key(tmp_path / "alice.key", ALICE)
    (tmp_path / "known").mkdir()
    good, bad = reviews(tmp_path / "v1.csv"), reviews(tmp_path / "v2.csv", stop=21)
    given = ["--content", "text", "--label", "label"]
    write = ["--write", str(tmp_path / "known" / "v1.good"), "--name", "films", "--as", str(tmp_path / "alice.key")]
    assert main(["identify", str(good), *given, *write]) == 0
    asked = [*given, "--known", str(tmp_path / "known"), "--trust", str(ALICE.key)]
    assert main(["identify", str(good), *asked]) == 0
    assert "is films, to the bit; alice vouches for it" in capsys.readouterr().out
    assert main(["identify", str(bad), *asked, "--out", str(tmp_path / "d.json")]) == 1
    assert "1 added: 20" in capsys.readouterr().out
    assert '"added": [\n  20\n ]' in (tmp_path / "d.json").read_text()
    assert main(["identify", str(good), *given]) == 2
