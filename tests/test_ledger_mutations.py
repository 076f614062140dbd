"""Every single-bit change of a tile, an entry bundle, a checkpoint, a journal segment or a proof is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assay.ledger.audit import audit
from assay.ledger.errors import Tampered
from assay.ledger.log import Log
from assay.ledger.note import Signer
from assay.ledger.storage import Memory
from assay.ledger.tlog_proof import parse

SIGNER = Signer.of("example.com/ledger", bytes(range(32)))
SIZE = 600  # full and partial tiles on two levels, and older partial ones
ENTRIES = [b'{"event":%d}' % i for i in range(SIZE)]


@pytest.fixture(scope="module")
def log() -> Log:
    log = Log.create(Memory(), SIGNER)
    for start, stop in [(0, 3), (3, 520), (520, 590), (590, SIZE)]:
        log.append(ENTRIES[start:stop])
        log.publish()
    log.append([b"waiting", b"in the journal"])
    return log


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def check_stored(log: Log, path: str, bit: int) -> None:
    assert isinstance(log.storage, Memory)
    items = dict(log.storage.items)
    items[path] = flipped(items[path], bit)
    with pytest.raises(Tampered):
        audit(Log(Memory(items), SIGNER.key))


def check_proof(proof: bytes, index: int, bit: int) -> None:
    with pytest.raises(Tampered):
        parse(flipped(proof, bit)).check(ENTRIES[index], [SIGNER.key])


def check_entry(log: Log, index: int, bit: int) -> None:
    with pytest.raises(Tampered):
        log.prove(index).check(flipped(ENTRIES[index], bit), [SIGNER.key])


def run(log: Log, count: int, rng: np.random.Generator) -> None:
    assert isinstance(log.storage, Memory)
    paths = sorted(log.storage.items)
    lengths = {path: 8 * len(log.storage.items[path]) for path in paths}
    assert {path.split("/")[0] for path in paths} == {"checkpoint", "journal", "tile"}
    kinds: list[Callable[[], None]] = [
        lambda: check_stored(log, path := str(rng.choice(paths)), int(rng.integers(lengths[path]))),
        lambda: check_stored(log, "checkpoint", int(rng.integers(lengths["checkpoint"]))),
        lambda: check_proof(proof := log.prove(3).text().encode(), 3, int(rng.integers(8 * len(proof)))),
        lambda: check_entry(log, index := int(rng.integers(SIZE)), int(rng.integers(8 * len(ENTRIES[index])))),
    ]
    for number in range(count):
        kinds[number % len(kinds)]()


def test_a_sample_of_single_bits(log: Log) -> None:
    run(log, 1000, np.random.default_rng(1))


@pytest.mark.full
def test_ten_thousand_single_bits(log: Log) -> None:
    run(log, 10_000, np.random.default_rng(2))


def test_every_bit_of_one_proof_and_one_checkpoint(log: Log) -> None:
    for bit in range(8 * len(log.note())):
        changed = flipped(log.note(), bit)
        items = {"checkpoint": changed}
        with pytest.raises(Tampered):
            Log(Memory(items), SIGNER.key).checkpoint()
    proof = log.prove(599).text().encode()
    for bit in range(8 * len(proof)):
        check_proof(proof, 599, bit)


def test_what_is_missing_or_added_is_found(log: Log) -> None:
    assert isinstance(log.storage, Memory)
    needed = [place for place in log.storage.items if place.startswith("tile/") and ".p/" not in place]
    for path in [*needed, "tile/0/002.p/88", "tile/entries/002.p/88", "tile/1/000.p/2", "checkpoint"]:
        items = dict(log.storage.items)
        del items[path]
        with pytest.raises(Tampered, match=r"missing"):
            audit(Log(Memory(items), SIGNER.key))
    with pytest.raises(Tampered, match=r"no tile"):
        audit(Log(Memory(log.storage.items | {"tile/0/zzz": b""}), SIGNER.key))
