"""A new key for the log: everything stands, readers of the old key follow, and a thief of it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.cli import run
from assay.ledger import pack, snapshots, statement, succession
from assay.ledger.approval import consent_to_key
from assay.ledger.audit import audit
from assay.ledger.beside import check_beside
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger, memo_of
from assay.ledger.log import Memo
from assay.ledger.note import Signer
from assay.ledger.rotation import rotate
from assay.ledger.witness import Cosigner, witness
from ledger_examples import ALICE, BOB, CAROL, KEY, MALLORY, new_ledger, opened, register, reviews

NEW, NEWER = (Signer.of(KEY.key.name, bytes([n]) * 32) for n in (7, 8))
WITNESS = Cosigner.of(Signer.of("witness.example/1", bytes([1]) * 32))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = new_ledger(tmp_path)
    register(made, "crawl", ALICE, BOB)
    add(made, opened(reviews(tmp_path / "v1.csv")), "crawl")
    snapshots.take(made, opened(tmp_path / "v1.csv"), "v1")
    statement.log(made, {"x": "00" * 32}, statement.TRACE, {"a": 1})
    for name, signer in (("ledger", KEY), ("new", NEW), ("newer", NEWER)):
        write_key(tmp_path / f"{name}.key", signer)
    return made


def notes(ledger: Ledger, old: Signer, new: Signer, *approvers: Signer) -> list[str]:
    return [consent_to_key(ledger.index.policy(), str(old.key), str(new.key), approver) for approver in approvers]


def reopened(tmp_path: Path, name: str) -> Ledger:
    return Ledger.open(tmp_path / "ledger", key_file=tmp_path / f"{name}.key")


def test_everything_stands_under_the_new_key(ledger: Ledger, tmp_path: Path) -> None:
    seen, memory = Memo(tmp_path / "seen"), tmp_path / "memory"
    seen.write(ledger.log.note().decode())
    witness(ledger.log, memory, WITNESS, 1)
    proof, first = ledger.log.prove(0), ledger.log.entry(0)
    rotate(ledger, NEW, memo_of(tmp_path / "new.key"), notes(ledger, KEY, NEW, ALICE, BOB))
    with pytest.raises(Refused, match=r"the ledger's is"):
        reopened(tmp_path, "ledger")
    fresh = reopened(tmp_path, "new")
    add(fresh, opened(reviews(tmp_path / "v2.csv", 30, 40)), "crawl")
    rotate(fresh, NEWER, memo_of(tmp_path / "newer.key"), notes(fresh, NEW, NEWER, CAROL, BOB))
    fresh = reopened(tmp_path, "newer")
    add(fresh, opened(reviews(tmp_path / "v3.csv", 50, 60)), "crawl")
    for trust in (None, KEY.key, NEW.key, NEWER.key):
        reader = Ledger.open(tmp_path / "ledger", trust=trust)
        assert reader.key == NEWER.key
        assert reader.former == (KEY.key, NEW.key)
        audit(reader.log, seen.read(reader.key, *reader.former))
        assert check_beside(reader).snapshots == 1
        assert check_beside(reader).statements == 1
        assert reader.index.violations() == []
        witness(reader.log, memory, WITNESS, 2)
    assert proof.check(first, [KEY.key]).size == 26
    pack.pack(fresh, "v1", tmp_path / "v1.zip")
    assert pack.receive(tmp_path / "v1.zip", KEY.key).size == 20
    with pytest.raises(Tampered, match=r"not by a key that is trusted"):
        pack.receive(tmp_path / "v1.zip", MALLORY.key)
    with pytest.raises(Tampered, match=r"not by a key that is trusted"):
        Ledger.open(tmp_path / "ledger", trust=MALLORY.key)


def test_consent_is_needed(ledger: Ledger, tmp_path: Path) -> None:
    memo = memo_of(tmp_path / "new.key")
    with pytest.raises(Refused, match=r"2 of the present approvers must agree to another key of the log; 1 have: alice"):
        rotate(ledger, NEW, memo, notes(ledger, KEY, NEW, ALICE, ALICE))
    with pytest.raises(Refused, match=r"not an approver"):
        notes(ledger, KEY, NEW, MALLORY)
    with pytest.raises(Refused, match=r"no consent to another key"):
        rotate(ledger, NEWER, memo, notes(ledger, KEY, NEW, ALICE, BOB))
    with pytest.raises(Refused, match=r"of the same name"):
        rotate(ledger, MALLORY, memo, [])
    rotate(ledger, NEW, memo, notes(ledger, KEY, NEW, ALICE, BOB))
    assert Ledger.open(tmp_path / "ledger").key == NEW.key


def test_a_thief_of_the_old_key_is_seen(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He can hand over to his own key, but not make the approvers agree."""
    monkeypatch.setattr("assay.ledger.ledger.preview", lambda *_: "")
    rotate(ledger, NEW, memo_of(tmp_path / "new.key"), [])
    ((_, problem),) = Ledger.open(tmp_path / "ledger", trust=KEY.key).index.violations()
    assert "2 of the present approvers must agree to another key of the log; 0 have" in problem


def test_a_thief_who_logs_nothing_is_seen_too(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers follow the note that he signs with both keys; no approver's consent is in the log."""
    from assay.ledger import rotation

    monkeypatch.setattr(rotation, "_event", lambda *_: 0)
    rotate(ledger, NEW, memo_of(tmp_path / "new.key"), [])
    reader = Ledger.open(tmp_path / "ledger", trust=KEY.key)
    assert (reader.key, reader.index.violations()) == (NEW.key, [])
    with pytest.raises(Tampered, match=r"the approvers' consent to it is not in the log"):
        check_beside(reader)
    pack.pack(reopened(tmp_path, "new"), "v1", tmp_path / "v1.zip")
    with pytest.raises(Tampered, match=r"the approvers' consent to it is not in the log"):
        pack.receive(tmp_path / "v1.zip", KEY.key)
    assert run(["ledger", "verify", str(tmp_path / "ledger"), "--trust", str(KEY.key)]) == 1


@pytest.mark.parametrize("after", range(4))
def test_a_process_that_dies_is_finished(ledger: Ledger, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.ledger import rotation

    left, real = [after], rotation.replace

    def dies(*given: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(rotation, "replace", dies)
    consents = notes(ledger, KEY, NEW, ALICE, BOB)
    for attempt in range(2):
        try:
            rotate(ledger, NEW, memo_of(tmp_path / "new.key"), consents)
        except KeyboardInterrupt:
            assert attempt == 0
            left[0] = 100
            ledger.close()
            if Ledger.open(tmp_path / "ledger").key == NEW.key:
                break  # readers follow already
            ledger = reopened(tmp_path, "ledger")
    fresh = reopened(tmp_path, "new")
    audit(fresh.log)
    assert check_beside(fresh).statements == 1
    assert fresh.index.violations() == []
    assert fresh.former == (KEY.key,)
    add(fresh, opened(reviews(tmp_path / "v2.csv", 30, 40)), "crawl")


def test_notes_that_were_altered(ledger: Ledger, tmp_path: Path) -> None:
    rotate(ledger, NEW, memo_of(tmp_path / "new.key"), notes(ledger, KEY, NEW, ALICE, BOB))
    note = (tmp_path / "ledger" / "keys" / "1").read_text()
    assert succession.follow(KEY.key, [note]) == (NEW.key, (KEY.key,))
    lines = note.splitlines(keepends=True)
    for bad in (note.replace("number 1", "number 2"), "".join(lines[:-1]), note.replace("size", "sise")):
        with pytest.raises(Tampered):
            succession.follow(KEY.key, [bad])
    with pytest.raises(Tampered, match=r"did not hand over"):
        succession.follow(KEY.key, [note, note])


def test_the_command(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for approver in (ALICE, BOB):
        write_key(tmp_path / f"{approver.key.name}.key", approver)
    where, made = str(tmp_path / "ledger"), str(tmp_path / "made.key")
    assert run(["ledger", "verify", where, "--seen", str(tmp_path / "seen")]) == 0
    assert run(["ledger", "rotate", where, "--new", made, "--as", str(tmp_path / "alice.key")]) == 2
    capsys.readouterr()
    assert run(["ledger", "rotate", where, "--new", made, "--as", str(tmp_path / "alice.key"), "--sign-only"]) == 0
    (tmp_path / "consent").write_text(capsys.readouterr().out)
    asked = ["--as", str(tmp_path / "bob.key"), "--note", str(tmp_path / "consent")]
    assert run(["ledger", "rotate", where, "--new", made, *asked]) == 0
    assert run(["ledger", "verify", where, "--trust", str(KEY.key), "--seen", str(tmp_path / "seen")]) == 0
    assert run(["ledger", "label", where, "5", "bad", "--by", "x", "--key", made]) == 0
