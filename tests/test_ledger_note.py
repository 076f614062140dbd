"""Signed notes, checkpoints and key files, by the test vectors of golang.org/x/mod/sumdb/note (note_test.go, BSD-3)."""

from __future__ import annotations

import pytest

from assay.dataset.errors import DataError
from assay.ledger.checkpoint import Checkpoint, open_checkpoint
from assay.ledger.errors import Tampered
from assay.ledger.note import Key, Signer, open_note, sign_note
from assay.ledger.tlog_proof import Proof, parse

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCH_LINE = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"


def test_the_published_note() -> None:
    assert sign_note(TEXT, [Signer.parse(PETER_SECRET)]) == f"{TEXT}\n{PETER_LINE}"
    both = f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}"
    peter, enoch = Key.parse(PETER), Key.parse(ENOCH)
    assert open_note(both, [peter]).keys == (peter,)
    assert open_note(both.encode(), [enoch, peter]).keys == (peter, enoch)
    assert open_note(both, [enoch]).text == TEXT


def test_keys_are_written_as_they_are_read() -> None:
    assert str(Key.parse(PETER)) == PETER
    assert Signer.parse(PETER_SECRET).secret() == PETER_SECRET
    assert Signer.parse(PETER_SECRET).key == Key.parse(PETER)
    fresh = Signer.generate("example.com/ledger")
    assert Signer.parse(fresh.secret() + "\n").key == Key.parse(str(fresh.key))
    assert PETER_SECRET.rsplit("+", 1)[1] not in repr(Signer.parse(PETER_SECRET))


@pytest.mark.parametrize("key", [PETER, PETER_SECRET])
def test_a_key_with_a_slip_is_refused(key: str) -> None:
    """Every cut and every changed character (note_test.go, TestNewVerifier and TestNewSigner)."""
    read = Signer.parse if key is PETER_SECRET else Key.parse
    for stop in range(len(key)):
        with pytest.raises(DataError):
            read(key[:stop])
    for place in range(len(key)):
        with pytest.raises(DataError):
            read(key[:place] + chr(ord(key[place]) + 1) + key[place + 1 :])


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}{PETER_LINE}",
        f"{TEXT}\n{PETER_LINE[:-1]}",
        f"{TEXT}\n{PETER_LINE.replace('— ', '- ')}",
        f"{TEXT}\n{PETER_LINE.replace('AM=', 'AN=')}",  # the same bytes in other base64
        f"{TEXT}\n{PETER_LINE}{PETER_LINE.replace('ZJku', 'ZJkv')}",  # one good line does not save a bad one
        f"{TEXT}\n{ENOCH_LINE}",
        f"{TEXT}\x07\n{PETER_LINE}",
        f"\n{TEXT}\n{PETER_LINE}",
    ],
)
def test_what_is_not_a_note_by_peter(note: str) -> None:
    with pytest.raises(Tampered):
        open_note(note, [Key.parse(PETER)])


def test_checkpoints_and_whose_they_are() -> None:
    signer, other = Signer.generate("example.com/a"), Signer.generate("example.com/b")
    head = Checkpoint("example.com/a", 7, bytes(range(32)))
    assert open_checkpoint(head.sign([signer]), [signer.key]) == head
    with pytest.raises(Tampered, match=r"not by a key that is trusted"):
        open_checkpoint(head.sign([other]), [signer.key])
    with pytest.raises(Tampered, match=r"checkpoint of the log 'example.com/a'"):
        open_checkpoint(head.sign([other]), [other.key])
    for text in ("a\n07\nAAAA\n", "example.com/a\n-1\nAA==\n", "example.com/a\n1\n", "example.com/a\n1\n\nx\n"):
        with pytest.raises(Tampered):
            open_checkpoint(sign_note(text, [signer]), [signer.key])


def test_a_proof_file_is_read_as_it_is_written() -> None:
    signer = Signer.generate("example.com/a")
    note = Checkpoint("example.com/a", 1, bytes(32)).sign([signer])
    proof = Proof(0, (bytes(32), b"\x01" * 32), note)
    assert parse(proof.text()) == proof
    with_extra = proof.text().replace("index", "extra AAAA\nindex", 1)
    assert parse(with_extra) == proof
    for bad in ("", "c2sp.org/tlog-proof@v2\nindex 0\n\n" + note, proof.text().replace("index 0", "index 00"), proof.text()[:30]):
        with pytest.raises(Tampered):
            parse(bad)
