"""Witnesses sign only what continues what they signed; two histories are caught."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from assay.dataset.errors import DataError
from assay.ledger.checkpoint import open_checkpoint
from assay.ledger.errors import Refused, Tampered
from assay.ledger.log import Log
from assay.ledger.note import Key, Signer
from assay.ledger.storage import Memory
from assay.ledger.witness import Cosigner, Witness, cosigned, require, same_log, witness

SIGNER = Signer.of("example.com/ledger", bytes(range(32)))
FIRST, SECOND = (Cosigner.of(Signer.of(f"witness.example/{i}", bytes([i]) * 32)) for i in (1, 2))
QUANTUM = Cosigner("witness.example/q", b"\x06", bytes(32))
NOW = 1_800_000_000

# Made by this code and accepted by aics-tlog 0.2.1 (PyPI, Apache-2.0, Python >= 3.12), which shares none of it: verify_checkpoint with
# the two keys below and a quorum of 1; its audit_tiles read a log of 66,000 entries that this code wrote.
ACCEPTED = """example.com/ledger
300
m5orU+hKSy7Q8zemYW9mt3nGRDRqCANA4HF58mIsmPY=

— example.com/ledger k3J95gSJSaw2wBiZE/ITM8syTBsM+4ZixJPih25/alYcY9TbMFqe4JROb/ekH9JCZ/xzIb9dcFCthTsxSS8ddpn3/gQ=
— witness.example/1 9AMTSAAAAABpUkfAoAgM9bZyP4wiYrb5RoBjAuT6AuxwsPwnh/Ef6QOwijna91nwHjNC0oVq1XB7OmvPP99IHu/eMG2kYDpnitwkAw==
"""
LOG_KEY = "example.com/ledger+93727de6+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
WITNESS_KEY = "witness.example/1+f4031348+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"


def log_of(*batches: bytes) -> Log:
    log = Log.create(Memory(), SIGNER)
    for batch in batches:
        log.append([batch + b"%d" % i for i in range(300)])
        log.publish()
    return log


def test_a_witnessed_checkpoint_is_a_checkpoint_still(tmp_path: Path) -> None:
    log = log_of(b"a")
    note = witness(log, tmp_path / "w1", FIRST, NOW)
    keys = [FIRST.witness, SECOND.witness]
    assert open_checkpoint(note, [SIGNER.key]).size == 300
    assert cosigned(note, keys) == {"witness.example/1": NOW}
    require(note, keys, 1)
    with pytest.raises(Tampered, match=r"2 witnesses must have signed"):
        require(note, keys, 2)
    lines = note.split("\n")
    for place, by in ((1, "301"), (-2, lines[-2].replace("A", "B", 1))):
        changed = [*lines]
        changed[place] = by
        with pytest.raises(Tampered):
            require("\n".join(changed), keys, 1)


def test_a_note_that_another_implementation_accepted(tmp_path: Path) -> None:
    assert witness(log_of(b"a"), tmp_path / "w", FIRST, 1_767_000_000) == ACCEPTED
    assert open_checkpoint(ACCEPTED, [Key.parse(LOG_KEY)]).size == 300
    assert cosigned(ACCEPTED, [Witness.parse(WITNESS_KEY)]) == {"witness.example/1": 1_767_000_000}


def test_post_quantum_cosignatures(tmp_path: Path) -> None:
    log = log_of(b"a")
    note = witness(log, tmp_path / "w", QUANTUM, NOW)
    assert cosigned(note, [QUANTUM.witness, FIRST.witness]) == {"witness.example/q": NOW}
    line = note.split("\n")[-2].split(" ")[2]
    assert len(b64decode(line)) == 4 + 8 + 2420
    assert Witness.parse(str(QUANTUM.witness)) == QUANTUM.witness
    assert Cosigner.parse(QUANTUM.secret()) == QUANTUM
    renamed = Cosigner("witness.example/other", b"\x06", bytes(32))  # unlike Ed25519 the signature is bound to the name
    forged = note.replace(f"{QUANTUM.name} {line}", f"{renamed.name} {b64encode(renamed.witness.id + b64decode(line)[4:]).decode()}")
    with pytest.raises(Tampered, match=r"does not fit the checkpoint"):
        cosigned(forged, [renamed.witness])
    with pytest.raises(DataError, match=r"damaged"):
        Cosigner.parse(QUANTUM.secret().replace("+witness", "+witless"))


def test_keys_of_witnesses() -> None:
    """The key id is over the type 0x04: the same key as a log's has another id."""
    key = FIRST.witness
    assert Witness.parse(str(key)) == key
    assert key.id != Signer.of(FIRST.name, FIRST.seed).key.id
    for text in (str(Signer.of(FIRST.name, FIRST.seed).key), str(key)[:-4], str(key).replace("+", "-"), ""):
        with pytest.raises(DataError, match=r"not a witness's key"):
            Witness.parse(text)


def test_a_witness_does_not_sign_two_histories(tmp_path: Path) -> None:
    honest, forked = log_of(b"a", b"b"), log_of(b"a", b"c")
    witness(log_of(b"a"), tmp_path / "w", FIRST, NOW)
    witness(honest, tmp_path / "w", FIRST, NOW)
    assert len(cosigned(witness(honest, tmp_path / "w", FIRST, NOW + 1), [FIRST.witness])) == 1
    for other, says in ((forked, "two roots for one size"), (log_of(b"a"), "rolled back"), (log_of(b"x", b"b", b"c"), "no longer")):
        with pytest.raises(Tampered, match=says):
            witness(other, tmp_path / "w", FIRST, NOW)


def test_two_readers_find_a_split_view() -> None:
    honest, forked, short = log_of(b"a", b"b"), log_of(b"a", b"c"), log_of(b"a")
    mine, yours, old = (log.note().decode() for log in (honest, forked, short))
    same_log(old, mine, SIGNER.key, honest)
    same_log(yours, old, SIGNER.key, forked)
    with pytest.raises(Tampered, match=r"a split view"):
        same_log(mine, yours, SIGNER.key, honest)
    with pytest.raises(Refused, match=r"fetch a newer copy"):
        same_log(old, mine, SIGNER.key, short)
