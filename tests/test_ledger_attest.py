"""A signed scan: whose it is, of which data, and whether a second scan comes to the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.api import scan
from assay.cli import run as main
from assay.ledger import attest, statement
from assay.ledger.errors import Tampered
from assay.ledger.keys import write_key
from ledger_examples import ALICE, BOB, reviews


@pytest.fixture
def scanned(tmp_path: Path) -> Path:
    report = scan(reviews(tmp_path / "v1.csv", stop=60), label="label", canaries=False)
    report.write(tmp_path / "v1.assay")
    write_key(tmp_path / "alice.key", ALICE)
    sign = ["attest", "sign", str(tmp_path / "v1.assay"), "--as", str(tmp_path / "alice.key"), "--out", str(tmp_path / "v1.json")]
    assert main(sign) == 0
    return tmp_path


def check(folder: Path, data: str, *more: str, key: object = ALICE.key) -> int:
    return main(["attest", "check", str(folder / "v1.json"), str(folder / data), "--trust", str(key), *more])


def test_signed_and_scanned_again(scanned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(scanned, "v1.csv", "--again") == 0
    said = capsys.readouterr().out
    assert "alice scanned exactly this data: " in said
    assert "the same verdict, the same findings, the same checks" in said
    assert check(scanned, "v1.csv", key=BOB.key) == 1
    reviews(scanned / "v2.csv", stop=59)
    assert check(scanned, "v2.csv") == 1
    assert "NOT the data that was scanned" in capsys.readouterr().out
    assert "fine film" not in json.dumps(attest.check((scanned / "v1.json").read_text(), ALICE.key).predicate)


def test_a_scanner_who_lies_is_found_out(scanned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = attest.check((scanned / "v1.json").read_text(), ALICE.key)
    lie = {**said.predicate, "verdict": "poisoned", "checks": said.predicate["checks"][1:]}
    (scanned / "v1.json").write_text(statement.sign({"v1.csv": said.fingerprint}, attest.SCAN, lie, ALICE))
    assert check(scanned, "v1.csv") == 0
    assert check(scanned, "v1.csv", "--again") == 1
    out = capsys.readouterr().out
    assert "attested was 'poisoned'" in out
    assert "is found, and was not attested" in out


def test_other_statements_are_none(scanned: Path) -> None:
    for kind, body in ((statement.TRACE, {"schema": attest.SCHEMA}), (attest.SCAN, {"schema": attest.SCHEMA})):
        envelope = statement.sign({"v1.csv": "00" * 32}, kind, body, ALICE)
        with pytest.raises(Tampered, match=r"no attestation of a scan"):
            attest.check(envelope, ALICE.key)
