"""Receiving: an evidence pack holds, or says what does not."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.dataset.errors import DataError
from assay.ledger import attest, pack, snapshots, standalone, statement
from assay.ledger.approval import revoke
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, CAROL, KEY, new_ledger, opened, register, reviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = new_ledger(tmp_path)
    register(made, "other", ALICE, BOB)
    register(made, "crawl", ALICE, BOB)
    add(made, opened(reviews(tmp_path / "v1.csv")), "crawl")
    taken = snapshots.take(made, opened(tmp_path / "v1.csv"), "v1")
    made.record([("scan.verdict", {"fingerprint": taken.root.hex(), "verdict": "clean", "report": "00" * 32, "findings": 0})])
    return made


def test_what_a_receiver_learns(ledger: Ledger, tmp_path: Path) -> None:
    assert pack.pack(ledger, "v1", tmp_path / "v1.zip") == 1 + 3 + 1 + 1  # created; registered, approved twice; snapshot; scan
    found = pack.receive(tmp_path / "v1.zip", KEY.key)
    assert found.sources == (("crawl", "approved until 2027-01-01T00:00:00Z"),)
    assert found.verdicts == (("clean", 0),)
    assert (found.size, found.violations) == (20, ())
    assert pack.compare(found, opened(tmp_path / "v1.csv")) == {}

    text = (tmp_path / "v1.csv").read_text()
    (tmp_path / "altered.csv").write_text(text.replace("number 7", "number 7!"))
    assert pack.compare(found, opened(tmp_path / "altered.csv")) == {"altered": [7]}
    (tmp_path / "longer.csv").write_text(text.replace('"a fine film, number 3","good","w3"\n', "x,good,w1\ny,bad,w1\n"))
    assert pack.compare(found, opened(tmp_path / "longer.csv")) == {"added": [3, 4], "missing": 1}
    pack.pack(ledger, "v1", tmp_path / "bare.zip", digests=False)
    bare = pack.receive(tmp_path / "bare.zip", KEY.key)
    assert pack.compare(bare, opened(tmp_path / "longer.csv")) == {"differs": True}
    assert (tmp_path / "v1.zip").read_bytes() == _again(ledger, tmp_path)


def _again(ledger: Ledger, tmp_path: Path) -> bytes:
    pack.pack(ledger, "v1", tmp_path / "again.zip")
    return (tmp_path / "again.zip").read_bytes()


def test_a_source_revoked_before_the_snapshot_is_named(ledger: Ledger, tmp_path: Path) -> None:
    ledger.revoke("crawl", revoke(ledger.index.policy(), ledger.index.source("crawl"), "poison", CAROL))
    snapshots.take(ledger, opened(tmp_path / "v1.csv"), "v2")
    pack.pack(ledger, "v2", tmp_path / "v2.zip")
    assert pack.receive(tmp_path / "v2.zip", KEY.key).sources == (("crawl", "the source 'crawl' was revoked: poison"),)


def test_the_verifier_inside_reads_the_proofs_inside(ledger: Ledger, tmp_path: Path) -> None:
    pack.pack(ledger, "v1", tmp_path / "v1.zip")
    with zipfile.ZipFile(tmp_path / "v1.zip") as archive:
        archive.extractall(tmp_path / "v1")
    entry, proof = tmp_path / "v1" / "events" / "0.json", tmp_path / "v1" / "events" / "0.tlog-proof"
    assert (tmp_path / "v1" / "verify.py").read_bytes() == Path(standalone.__file__).read_bytes()
    assert standalone.main(["proof", str(proof), "--key", str(KEY.key), "--entry", str(entry)]) == 0


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("snapshot", lambda data: data.replace(b"20", b"21")),
        ("digests.txt", lambda data: data.replace(data[:2], b"00" if data[:2] != b"00" else b"11", 1)),
        ("digests.txt", lambda data: data + b"zz\n"),
        ("events/0.json", lambda data: data.replace(b"alice", b"mallo")),
        ("events/0.tlog-proof", lambda data: data.replace(b"index 0", b"index 1")),
        ("pack.json", lambda data: data.replace(b'"v1"', b'"v2"')),
    ],
)
def test_what_was_altered_is_found(ledger: Ledger, tmp_path: Path, member: str, change: Callable[[bytes], bytes]) -> None:
    pack.pack(ledger, "v1", tmp_path / "v1.zip")
    with zipfile.ZipFile(tmp_path / "v1.zip") as good, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, change(data) if name == member else data)
    with pytest.raises(Tampered):
        pack.receive(tmp_path / "bad.zip", KEY.key)


def test_what_is_no_pack(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not an evidence pack"):
        pack.receive(tmp_path / "v1.csv", KEY.key)
    pack.pack(ledger, "v1", tmp_path / "v1.zip")
    with pytest.raises(Tampered, match=r"not by a key that is trusted"):
        pack.receive(tmp_path / "v1.zip", ALICE.key)


def test_attestations_in_a_pack(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    register(ledger, "crawl", ALICE, BOB)
    data = opened(reviews(tmp_path / "v1.csv"))
    add(ledger, data, "crawl")
    snapshots.take(ledger, data, "v1")
    said = {"schema": attest.SCHEMA, "verdict": "clean", "findings": [], "checks": [], "settings": {}, "data": {}, "versions": {}}
    for name, root, signer in (("good", data.fingerprint, CAROL), ("other", "00" * 32, CAROL)):
        (tmp_path / name).write_text(statement.sign({"v1.csv": root}, attest.SCAN, said, signer))
    with pytest.raises(Refused, match=r"no attestation of a scan of the snapshot"):
        pack.pack(ledger, "v1", tmp_path / "no.zip", attestations=[tmp_path / "other"])
    pack.pack(ledger, "v1", tmp_path / "v1.zip", attestations=[tmp_path / "good"])
    found = pack.receive(tmp_path / "v1.zip", KEY.key, [CAROL.key])
    assert [(one.by, one.verdict) for one in found.attestations] == [("carol", "clean")]
    assert pack.receive(tmp_path / "v1.zip", KEY.key).strange == 1
