"""The log: what is appended is read and proven, in any batches, by several writers, after any crash."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.dataset.errors import DataError
from assay.dataset.merkle import tree_hash
from assay.ledger.audit import audit
from assay.ledger.errors import Refused, Tampered
from assay.ledger.log import Log, Memo
from assay.ledger.note import Signer
from assay.ledger.paths import Place, parse, places
from assay.ledger.proofs import check_consistency
from assay.ledger.storage import Folder, Memory, Storage
from ledger_writers import write_log

SIGNER = Signer.of("example.com/ledger", bytes(range(32)))


def events(start: int, stop: int) -> list[bytes]:
    return [b'{"n":%d}' % i for i in range(start, stop)]


def test_paths_are_those_of_the_specification() -> None:
    """c2sp.org/tlog-tiles: the examples of the text."""
    assert Place(0, 1_234_067).path == "tile/0/x001/x234/067"
    by_level: dict[object, list[int]] = {}
    for place in places(70_000):
        by_level.setdefault(place.level, []).append(place.width)
    assert by_level[0] == by_level[None] == [256] * 273 + [112]
    assert by_level[1] == [256, 17]
    assert by_level[2] == [1]
    assert [p.width for p in places(256)] == [256, 256, 1]
    for bad in ("tile/64/000", "tile/0/00", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/00/000", "tile/0/000/"):
        assert parse(bad) is None
    assert all(parse(place.path) == place for place in places(70_000))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.data())
def test_any_batches_make_the_same_tree(batches: list[int], data: st.DataObject) -> None:
    storage = Memory()
    log = Log.create(storage, SIGNER)
    heads, size = [], 0
    for batch in batches:
        assert log.append(events(size, size + batch)) == size
        size += batch
        if data.draw(st.booleans()):
            heads.append(log.publish())
    head = log.publish()
    assert (head.size, head.root) == (size, tree_hash(events(0, size)))
    reader = Log(storage, SIGNER.key)
    assert list(reader.entries()) == events(0, size)
    assert audit(reader).acknowledged == 0
    for old in heads:
        check_consistency(old.size, old.root, head.size, head.root, reader.prove_consistency(old.size))
    if size:
        index = data.draw(st.integers(0, size - 1))
        assert reader.prove(index).check(events(index, index + 1)[0], [SIGNER.key]) == head
        assert reader.entry(index) == events(index, index + 1)[0]


@pytest.mark.parametrize("make", [lambda folder: Memory(), lambda folder: Folder(folder / "ledger")])
def test_back_ends_keep_the_same_promises(make: object, tmp_path: Path) -> None:
    storage: Storage = make(tmp_path)  # type: ignore[operator]
    with storage.lock():
        storage.put_new({"tile/0/000.p/1": b"a", "journal/1": b"b"})
        storage.put_new({"tile/0/000.p/1": b"a"})
        with pytest.raises(Tampered, match=r"two histories"):
            storage.put_new({"tile/0/000.p/1": b"x"})
        storage.swap("checkpoint", None, b"1")
        for old in (None, b"0"):
            with pytest.raises(Refused, match=r"someone else"):
                storage.swap("checkpoint", old, b"2")
        storage.swap("checkpoint", b"1", b"2")
    assert storage.get("checkpoint") == b"2"
    assert storage.get("nothing") is None
    assert storage.list("tile/") == ["tile/0/000.p/1"]
    storage.remove(["journal/1", "journal/2"])
    assert storage.list("journal/") == []


def test_acknowledged_before_it_is_published(tmp_path: Path) -> None:
    log = Log.create(Folder(tmp_path / "l"), SIGNER)
    log.append(events(0, 10))
    assert log.checkpoint().size == 0
    again = Log(Folder(tmp_path / "l"), SIGNER.key, SIGNER)  # the first process died here
    assert audit(again).acknowledged == 10
    assert again.append(events(10, 11)) == 10
    assert again.publish().size == 11
    assert list(again.entries()) == events(0, 11)


class Dies(Memory):
    """Stops at the n-th write, as a process does that is killed."""

    def __init__(self, items: dict[str, bytes], after: int) -> None:
        super().__init__(items)
        self.left = after

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def put_new(self, items: object) -> None:
        for path, data in items.items():  # type: ignore[attr-defined]
            self._step()
            super().put_new({path: data})

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        self._step()
        super().swap(path, old, new)

    def remove(self, paths: object) -> None:
        paths = sorted(paths)  # type: ignore[call-overload]
        super().remove(paths[: len(paths) // 2])
        self._step()
        super().remove(paths)


@pytest.mark.parametrize("start", [0, 255])
def test_killed_at_every_single_write(start: int, tmp_path: Path) -> None:
    """Wherever a publishing process stops, readers see a whole log, and the next publisher makes the same tree."""
    whole = Memory()
    log = Log.create(whole, SIGNER)
    log.append(events(0, start))
    log.publish()
    done = False
    for after in range(2000):
        memo = Memo(tmp_path / f"{after}.memo")
        storage = Dies(dict(whole.items), after)
        writer = Log(storage, SIGNER.key, SIGNER, memo)
        try:
            writer.append(events(start, start + 260))
            writer.publish()
            done = True
        except KeyboardInterrupt:
            pass
        left = Memory(storage.items)
        audit(Log(left, SIGNER.key))
        healed = Log(left, SIGNER.key, SIGNER, memo)
        head = healed.publish()
        if storage.list("journal/") or head.size > start:  # it had been acknowledged
            assert (head.size, head.root) == (start + 260, tree_hash(events(0, start + 260)))
        audit(Log(left, SIGNER.key))
        if done:
            break
    assert done


def test_four_writers_at_once(tmp_path: Path) -> None:
    Log.create(Folder(tmp_path / "l"), SIGNER)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_log, args=(tmp_path / "l", name, 6)) for name in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    log = Log(Folder(tmp_path / "l"), SIGNER.key)
    audit(log)
    found = list(log.entries())
    assert len(found) == len(set(found)) == 4 * 6 * 7
    for name in range(4):  # each writer's events are in its order, its batches unbroken
        mine = [entry for entry in found if entry.startswith(b"%d " % name)]
        assert mine == [b"%d %d %d" % (name, batch, i) for batch in range(6) for i in range(7)]


def test_a_log_brought_back_from_an_old_copy_is_not_signed_again(tmp_path: Path) -> None:
    storage, memo = Memory(), Memo(tmp_path / "key.last")
    log = Log.create(storage, SIGNER, memo)
    log.append(events(0, 5))
    log.publish()
    old = dict(storage.items)
    log.append(events(5, 9))
    seen = log.publish()
    back = Log(Memory(old), SIGNER.key, SIGNER, memo)
    with pytest.raises(Tampered, match=r"rolled back"):
        audit(Log(Memory(old), SIGNER.key), seen)
    with pytest.raises(Tampered, match=r"rolled back"):
        back.publish()
    back.append([b"another history"] * 6)
    with pytest.raises(Tampered, match=r"history was rewritten"):
        back.publish()
    assert back.checkpoint().size == 5


def test_refusals(tmp_path: Path) -> None:
    log = Log.create(Folder(tmp_path / "l"), SIGNER)
    with pytest.raises(Refused, match=r"a log already"):
        Log.create(Folder(tmp_path / "l"), SIGNER)
    with pytest.raises(DataError, match=r"65,536 bytes"):
        log.append([b"x", b"x" * 65_536])
    assert log.append([b"x" * 65_535, b""]) == 0
    log.publish()
    assert list(log.entries()) == [b"x" * 65_535, b""]
    with pytest.raises(Refused, match=r"no entry 2"):
        log.entry(2)
    with pytest.raises(Refused, match=r"secret key"):
        Log(log.storage, SIGNER.key).publish()
    with pytest.raises(Tampered, match=r"this is no log"):
        Log(Folder(tmp_path / "nowhere"), SIGNER.key).checkpoint()
