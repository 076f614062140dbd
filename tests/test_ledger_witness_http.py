"""The tlog-witness protocol: every status of c2sp.org/tlog-witness, and a log that asks.

aics-witness 0.1.0 (PyPI, Apache-2.0, Python >= 3.12) shares no code with this. It cosigned a log of 700 entries that asked it through
`ask`, and again after the log had grown by 33; its client asked this witness for the same, and accepted both signatures.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.ledger.checkpoint import Checkpoint
from assay.ledger.errors import Refused, Tampered
from assay.ledger.keys import write_key
from assay.ledger.log import Log
from assay.ledger.note import Signer
from assay.ledger.paths import CHECKPOINT
from assay.ledger.storage import Memory
from assay.ledger.witness import Cosigner, cosigned
from assay.ledger.witness_http import SIZE, Watcher, ask, serve, server
from ledger_examples import KEY, new_ledger

OTHER = Signer.of("example.com/other", bytes(range(32)))
WITNESS = Cosigner.of(Signer.of("witness.example/1", bytes([1]) * 32))
QUANTUM = Cosigner("witness.example/q", b"\x06", bytes(32))


def grown(log: Log, count: int) -> Log:
    log.append([b"%d" % i for i in range(count)])
    log.publish()
    return log


@pytest.fixture
def log() -> Log:
    return grown(Log.create(Memory(), KEY), 300)


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path / "state", [KEY.key], WITNESS, lambda: 1_800_000_000.0)


def body(log: Log, old: int, proof: list[bytes] | None = None, note: str = "") -> bytes:
    proof = (log.prove_consistency(old) if old else []) if proof is None else proof
    return f"old {old}\n{''.join(b64encode(one).decode() + chr(10) for one in proof)}\n{note or log.note().decode()}".encode()


def test_every_answer(log: Log, watcher: Watcher) -> None:
    status, _, said = watcher.add_checkpoint(body(log, 0))
    assert status == 200
    assert cosigned(log.note().decode() + said, [WITNESS.witness]) == {"witness.example/1": 1_800_000_000}
    assert watcher.add_checkpoint(body(log, 0)) == (409, SIZE, "300\n")
    assert watcher.add_checkpoint(body(log, 300))[0] == 200
    first = log.note().decode()
    grown(log, 77)
    assert watcher.add_checkpoint(body(log, 300, []))[0] == 422
    assert watcher.add_checkpoint(body(log, 300, [bytes(32)] * 64))[0] == 400
    assert watcher.add_checkpoint(body(log, 300))[0] == 200
    assert watcher.add_checkpoint(body(log, 377, [], first))[0] == 400  # older than what was signed
    assert watcher.add_checkpoint(body(log, 300, [], first))[:2] == (409, SIZE)
    forged = Checkpoint(KEY.key.name, 377, bytes(32)).sign([KEY])
    assert watcher.add_checkpoint(body(log, 377, [], forged))[0] == 409
    stranger = Checkpoint(KEY.key.name, 400, bytes(32)).sign([Signer.of(KEY.key.name, bytes(32))])
    assert watcher.add_checkpoint(body(log, 377, [], stranger))[0] == 403
    assert watcher.add_checkpoint(body(log, 0, [], Checkpoint("x", 1, bytes(32)).sign([OTHER])))[0] == 404
    for bad in (b"", b"old 01\n\nx", b"old 0\nAAA\n\nx", b"\xff\n\n", b"old 0\n" + b64encode(b"short") + b"\n\n" + log.note()):
        assert watcher.add_checkpoint(bad)[0] == 400


def test_of_two_at_once_one_is_late(log: Log, watcher: Watcher) -> None:
    other = Log(Memory(dict(log.storage.items)), KEY.key, KEY)  # type: ignore[attr-defined]
    assert watcher.add_checkpoint(body(log, 0))[0] == 200
    requests = [body(grown(log, 5), 300), body(grown(other, 9), 300)]
    answers: list[int] = []
    threads = [threading.Thread(target=lambda one=one: answers.append(watcher.add_checkpoint(one)[0])) for one in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409]


@pytest.fixture(params=[WITNESS, QUANTUM], ids=["ed25519", "ml-dsa-44"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Cosigner]]:
    made = server(Watcher(tmp_path / "state", [KEY.key], request.param), "127.0.0.1", 0)
    serve(made)
    yield f"http://127.0.0.1:{made.server_address[1]}/", request.param
    made.shutdown()
    made.server_close()


def test_a_log_asks(log: Log, served: tuple[str, Cosigner]) -> None:
    address, signer = served
    old = dict(log.storage.items)  # type: ignore[attr-defined]
    for _ in range(3):
        note = ask(log, address, signer.witness)
        assert list(cosigned(note, [signer.witness])) == [signer.name]
        assert note.count(f"— {signer.name} ") == 1
        log.storage.swap(CHECKPOINT, log.note(), note.encode())
        grown(log, 10)
    with pytest.raises(Refused, match=r"it was rolled back"):
        ask(Log(Memory(old), KEY.key), address, signer.witness)
    fork = grown(Log.create(Memory(), KEY), 400)
    with pytest.raises(Refused, match=r"does not sign \(422\)"):
        ask(fork, address, signer.witness)
    with pytest.raises(Tampered, match=r"no signature of someone"):
        ask(log, address, Cosigner.of(Signer.of("someone", bytes(32))).witness)
    with pytest.raises(Refused, match=r"does not watch"):
        ask(grown(Log.create(Memory(), OTHER), 1), address, signer.witness)
    with pytest.raises(DataError, match=r"does not answer"):
        ask(log, "http://127.0.0.1:1", signer.witness)


def test_the_command(tmp_path: Path, served: tuple[str, Cosigner]) -> None:
    address, signer = served
    ledger = new_ledger(tmp_path)
    write_key(tmp_path / "ledger.key", KEY)
    where = str(ledger.folder)
    assert run(["ledger", "verify", where, "--witness", str(signer.witness)]) == 1
    assert run(["ledger", "witness", where]) == 2
    assert run(["ledger", "witness", where, "--url", address, "--witness", str(signer.witness)]) == 0
    assert run(["ledger", "verify", where, "--witness", str(signer.witness)]) == 0
