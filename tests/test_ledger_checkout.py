"""A snapshot comes back to the bit: from what was kept, or out of data that holds its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.write import write_as
from assay.ledger import content, snapshots
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger
from assay.ledger.purge import purge
from ledger_examples import ALICE, BOB, KEY, new_ledger, opened, register, reviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """v1 has rows 0 to 9, v2 all 20."""
    made = new_ledger(tmp_path)
    register(made, "crawl", ALICE, BOB)
    add(made, opened(reviews(tmp_path / "v2.csv")), "crawl")
    for name, stop in (("v1", 10), ("v2", 20)):
        snapshots.take(made, opened(reviews(tmp_path / f"{name}.csv", stop=stop)), name)
    return made


def test_kept_and_checked_out(ledger: Ledger, tmp_path: Path) -> None:
    assert content.keep(ledger, opened(tmp_path / "v1.csv"), "v1") == 1
    assert content.keep(ledger, opened(tmp_path / "v1.csv"), "v1") == 0
    content.keep(ledger, opened(tmp_path / "v2.csv"), "v2")
    assert content.kept(ledger) == ["v1", "v2"]
    content.checkout(ledger, "v1", tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "v1.csv").read_bytes()
    with pytest.raises(Refused, match=r"not the data of the snapshot 'v1'"):
        content.keep(ledger, opened(tmp_path / "v2.csv"), "v1")
    (kept,) = [p for p in (ledger.private / "content" / "objects").glob("*/*") if p.read_bytes() == (tmp_path / "v1.csv").read_bytes()]
    kept.write_bytes(kept.read_bytes().replace(b"number 3", b"number 4"))
    with pytest.raises(Tampered, match=rf"{kept}: the file of the snapshot 'v1', kept here, is not what was kept.*Remedy: .*--from FILE"):
        content.checkout(ledger, "v1", tmp_path / "bad.csv")
    kept.unlink()
    with pytest.raises(Tampered, match=rf"{kept}: the file of the snapshot 'v1', kept here, is missing"):
        content.checkout(ledger, "v1", tmp_path / "bad.csv")
    assert not (tmp_path / "bad.csv").exists()


def test_a_folder(ledger: Ledger, tmp_path: Path) -> None:
    for label in ("good", "bad"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(3):
            from PIL import Image

            Image.fromarray(np.full((8, 8, 3), 40 * i + len(label), np.uint8)).save(tmp_path / "pictures" / label / f"{i}.png")
    data = read(tmp_path / "pictures")
    register(ledger, "camera", ALICE, BOB)
    add(ledger, data, "camera")
    snapshots.take(ledger, data, "p1")
    content.keep(ledger, data, "p1")
    assert content.checkout(ledger, "p1", tmp_path / "again").fingerprint == data.fingerprint


def test_out_of_a_larger_version(ledger: Ledger, tmp_path: Path) -> None:
    content.checkout_from(ledger, "v1", opened(tmp_path / "v2.csv"), tmp_path / "back.csv")
    assert opened(tmp_path / "back.csv").fingerprint == opened(tmp_path / "v1.csv").fingerprint
    assert not (tmp_path / "back.csv.removed").exists()
    with pytest.raises(Refused, match=r"10 rows of the snapshot 'v2' are not in it"):
        content.checkout_from(ledger, "v2", opened(tmp_path / "v1.csv"), tmp_path / "no.csv")


def test_out_of_a_version_in_which_a_column_reads_otherwise(ledger: Ledger, tmp_path: Path) -> None:
    """The rows are those of the snapshot while they stand beside a word; alone they are numbers."""
    lines = ["text,label,who,code", *(f"film {i},{'good' if i % 2 else 'bad'},w{i % 4},{'X9' if i == 9 else i}" for i in range(10))]
    (tmp_path / "larger.csv").write_text("\n".join(lines) + "\n")
    larger = opened(tmp_path / "larger.csv")
    add(ledger, larger, "crawl")
    write_as(larger.subset(np.arange(9)), tmp_path / "v3.parquet", "parquet")
    snapshots.take(ledger, opened(tmp_path / "v3.parquet"), "v3")
    with pytest.raises(DataError, match=r"larger.csv: column 'code' was text and is whole numbers"):
        content.checkout_from(ledger, "v3", larger, tmp_path / "back.csv")
    assert not list(tmp_path.glob("back*"))


def test_erased_rows_are_in_no_kept_content(ledger: Ledger, tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        content.keep(ledger, opened(tmp_path / f"{name}.csv"), name)
    last = snapshots.rows_of(ledger, "v2")[-1:]
    purge(ledger, last, "asked for", erase=True)
    assert content.kept(ledger) == ["v1"]
    assert len(list((ledger.private / "content" / "objects").glob("*/*"))) == 1
    with pytest.raises(Refused, match=r"was not kept; kept are: v1"):
        content.checkout(ledger, "v2", tmp_path / "back.csv")


def test_the_command(ledger: Ledger, tmp_path: Path) -> None:
    write_key(tmp_path / "ledger.key", KEY)
    where = str(ledger.folder)
    assert run(["ledger", "checkout", where, "v1", "--out", str(tmp_path / "a.csv")]) == 2
    from_ = ["--from", str(tmp_path / "v2.csv")]
    assert run(["ledger", "checkout", where, "v1", "--out", str(tmp_path / "a.csv"), *from_]) == 0
    assert run(["ledger", "snapshot", where, str(tmp_path / "a.csv"), "--name", "v3", "--keep"]) == 0
    assert run(["ledger", "checkout", where, "v3", "--out", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
