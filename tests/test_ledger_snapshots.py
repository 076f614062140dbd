"""Snapshots: the fingerprint anyone can compute, signed; a row's proof; what changed; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.dataset.errors import DataError
from assay.ledger import openings, snapshots, standalone
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, KEY, new_ledger, opened, register, reviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = new_ledger(tmp_path)
    register(made, "crawl", ALICE, BOB)
    add(made, opened(reviews(tmp_path / "v1.csv")), "crawl")
    return made


def test_a_snapshot_is_the_fingerprint_of_the_data(ledger: Ledger, tmp_path: Path) -> None:
    data = opened(tmp_path / "v1.csv")
    taken = snapshots.take(ledger, data, "v1")
    assert taken.root.hex() == data.fingerprint
    loaded = snapshots.load(Ledger.open(tmp_path / "ledger"), "v1")
    assert loaded.root == taken.root
    assert np.array_equal(loaded.rows, taken.rows)
    assert len(set(taken.rows.tolist())) == 20
    assert snapshots.check(ledger, "v1", data) == snapshots.Difference((), ())


def test_a_row_is_proven_to_others(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v1")
    for record in (0, 13, 19):
        proof = snapshots.prove(ledger, taken, record)
        origin = snapshots.origin(KEY.key.name, "v1")
        assert proof.check(taken.digests[record], [KEY.key], origin).root == taken.root
        file = tmp_path / "row.tlog-proof"
        file.write_text(proof.text())
        line = ["proof", str(file), "--key", str(KEY.key), "--snapshot", "v1", "--digest"]
        assert standalone.main([*line, taken.digests[record].hex()]) == 0
        assert standalone.main([*line, taken.digests[record - 1].hex()]) == 1
        assert "does not lead to the signed root" in capsys.readouterr().out
    with pytest.raises(Refused, match=r"no record 20"):
        snapshots.prove(ledger, taken, 20)


def test_only_rows_of_the_ledger_are_in_a_snapshot(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"3 rows are not in the ledger: 20, 21, 22"):
        snapshots.take(ledger, opened(reviews(tmp_path / "more.csv", 0, 23)), "more")
    taken = snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v1")
    ledger.record([("row.removed", {"row": int(taken.rows[4]), "reason": "test"})])
    with pytest.raises(Refused, match=r"1 rows are not in the ledger, 1 of them because they were removed"):
        snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v2")
    with pytest.raises(Refused, match=r"a snapshot 'v1' already"):
        snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v1")
    with pytest.raises(DataError, match=r"cannot name a snapshot"):
        snapshots.take(ledger, opened(tmp_path / "v1.csv"), "../v1")
    with pytest.raises(Refused, match=r"no snapshot 'v9'; there are: v1"):
        snapshots.load(ledger, "v9")


def test_what_changed(ledger: Ledger, tmp_path: Path) -> None:
    snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v1")
    altered = tmp_path / "altered.csv"
    altered.write_text((tmp_path / "v1.csv").read_text().replace("number 7", "number 7!"))
    found = snapshots.check(ledger, "v1", opened(altered))
    assert (len(found.added), len(found.missing)) == (1, 1)
    head, *rest = (tmp_path / "v1.csv").read_text().splitlines()
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join([head, *rest[::-1]]) + "\n")
    with pytest.raises(Tampered, match=r"in another order"):
        snapshots.check(ledger, "v1", opened(turned))


def test_altered_lists_and_heads_are_found(ledger: Ledger, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    taken = snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v1")
    head = tmp_path / "ledger" / "snapshots" / "v1"
    good = head.read_text()
    head.write_text(good.replace("/snapshot/v1", "/snapshot/v2"))
    with pytest.raises(Tampered):
        snapshots.load(ledger, "v1")
    head.unlink()
    with pytest.raises(Tampered, match=r"missing"):
        snapshots.load(Ledger.open(tmp_path / "ledger"), "v1")
    assert snapshots.load(ledger, "v1").root == taken.root  # with the key it is signed again, the same to the bit
    assert head.read_text() == good
    place = tmp_path / "ledger" / "private" / "snapshots" / "v1.parquet"
    table = pq.read_table(place)
    pq.write_table(table.set_column(0, "row", [table.column("row").to_numpy()[::-1]]), place)
    with pytest.raises(Tampered, match=r"not the one of event"):
        snapshots.load(ledger, "v1")
    pq.write_table(table.set_column(1, "digest", [table.column("digest").to_pylist()[::-1]]), place)
    with pytest.raises(Tampered, match=r"do not give the root"):
        snapshots.load(ledger, "v1")


def test_many_rows_are_matched_in_one_pass_as_few_are(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass over the whole table finds the same rows, removed ones left out, and sees an edited opening too."""
    data = opened(tmp_path / "v1.csv")
    register(ledger, "again", ALICE, BOB)
    add(ledger, data, "again")
    ledger.record([("row.removed", {"row": 7, "reason": "test"})])
    digests = snapshots.record_digests(data)
    few = snapshots.live_rows(ledger, digests)
    monkeypatch.setattr(openings, "MANY", 3)
    assert snapshots.live_rows(ledger, digests) == few
    assert sorted(len(rows) for rows in few.values()) == [1] + [2] * 19
    taken = snapshots.take(ledger, data, "v1")
    assert [few[digest][0] for digest in digests] == taken.rows.tolist()
    ledger.openings.db.execute("update openings set salt = zeroblob(16) where row = 9")
    for _ in range(2):  # the pass leaves nothing behind when it is broken off
        with pytest.raises(Tampered, match=r"row 9"):
            snapshots.live_rows(ledger, digests)
