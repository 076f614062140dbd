"""Held in place of a bare refusal; admitted by the same rules later, or rejected; all of it in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.ledger import quarantine, snapshots
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, KEY, agree, new_ledger, opened, register, reviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = new_ledger(tmp_path)
    register(made, "crawl", ALICE)
    return made


def offer(ledger: Ledger, path: Path) -> int:
    data = opened(path)
    with pytest.raises(Refused) as refused:
        add(ledger, data, "crawl")
    return quarantine.hold(ledger, data, "crawl", refused.value)


def test_held_then_admitted(ledger: Ledger, tmp_path: Path) -> None:
    event = offer(ledger, reviews(tmp_path / "v1.csv"))
    assert offer(ledger, tmp_path / "v1.csv") == event  # not twice
    (one,) = quarantine.held(ledger)
    assert (one.source, one.records, one.event) == ("crawl", 20, event)
    assert "has 1 of the 2 approvals" in one.reason
    with pytest.raises(Refused, match=r"20 rows are not in the ledger"):
        snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v1")
    with pytest.raises(Refused, match=r"1 of the 2 approvals"):
        quarantine.admit(ledger, one.fingerprint)
    agree(ledger, "crawl", BOB)
    (tmp_path / "v1.csv").unlink()  # the copy is what counts
    assert len(quarantine.admit(ledger, one.fingerprint[:8]).rows) == 20
    assert quarantine.held(ledger) == []
    assert list((ledger.private / "quarantine").iterdir()) == []
    again = Ledger.open(ledger.folder)
    again.index.clear()
    again.refresh()
    assert again.index.violations() == []
    assert quarantine.held(again) == []


def test_rejected(ledger: Ledger, tmp_path: Path) -> None:
    offer(ledger, reviews(tmp_path / "v1.csv"))
    offer(ledger, reviews(tmp_path / "v2.csv", word="poor"))
    first, second = quarantine.held(ledger)
    with pytest.raises(Refused, match=r"names 2 of what is held|names 0 of what is held"):
        quarantine.reject(ledger, "", "x")
    with pytest.raises(DataError, match=r"needs a reason"):
        quarantine.reject(ledger, first.fingerprint, " ")
    quarantine.reject(ledger, first.fingerprint, "spam")
    assert quarantine.held(ledger) == [second]
    with pytest.raises(Refused, match=r"names 0"):
        quarantine.admit(ledger, first.fingerprint)
    agree(ledger, "crawl", BOB)
    kept = ledger.private / "quarantine" / second.fingerprint / "v2.csv"
    kept.write_text(kept.read_text().replace("poor", "rich"))
    with pytest.raises(Tampered, match=r"not what was offered"):
        quarantine.admit(ledger, second.fingerprint)


def test_the_commands(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_key(tmp_path / "ledger.key", KEY)
    where, data = str(ledger.folder), str(reviews(tmp_path / "v1.csv"))
    bring = ["ledger", "add", where, data, "--source", "nobody"]
    assert run(bring) == 2
    assert run([*bring, "--quarantine"]) == 1
    start = quarantine.held(Ledger.open(ledger.folder))[0].fingerprint[:12]
    assert run(["ledger", "quarantine", "list", where]) == 0
    assert "20 records of 'nobody'" in capsys.readouterr().out
    assert run(["ledger", "quarantine", "admit", where, start]) == 2
    assert run(["ledger", "quarantine", "reject", where, start, "--reason", "who is that?"]) == 0
    assert run(["ledger", "verify", where]) == 0
