"""The log: append, publish, read, prove.

    append     an event has its number and is durable: a journal segment, written once          -> acknowledged
    publish    entry bundles, then tiles, then the signed checkpoint, each durable before the next  -> provable
    read       checked against the signed root

A checkpoint is never published over missing tiles, and no acknowledged event is ever lost: what a process that died had
acknowledged, the next `publish` brings into the tree. The signer remembers the last head it signed, apart from the log, and refuses to
sign a history that does not continue it, so that a log brought back from an old copy cannot fork.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.ledger import journal, proofs
from assay.ledger.checkpoint import Checkpoint, open_checkpoint
from assay.ledger.errors import Refused, Tampered
from assay.ledger.grow import grown, outgrown
from assay.ledger.note import Key, Signer
from assay.ledger.paths import CHECKPOINT, WIDTH
from assay.ledger.storage import Storage, replace
from assay.ledger.tiles import Tiles
from assay.ledger.tlog_proof import Proof

REMEMBERED = 16  # segments that a writer keeps in memory until it publishes; those beyond are read again


class Memo:
    """The last checkpoint that a key has signed, or that a reader has seen, in a file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, key: Key, *former: Key) -> Checkpoint | None:
        """None where nothing was remembered yet. `former`: keys that the log had before."""
        return open_checkpoint(self.path.read_bytes(), [key, *former]) if self.path.exists() else None

    def write(self, note: str) -> None:
        """Durable on return."""
        replace(self.path, note.encode(), self.path.with_name(f".{self.path.name}-{os.getpid()}"))


class Log:
    """A transparency log in `storage`, whose checkpoints `key` signs.

    Readers need no signer. `former`: see `rotation`. Several processes may append and publish at once; each waits for the lock.
    """

    def __init__(
        self, storage: Storage, key: Key, signer: Signer | None = None, memo: Memo | None = None, former: tuple[Key, ...] = ()
    ) -> None:
        self.storage = storage
        self.key = key
        self.former = former  # keys it had before: what they signed for somebody is remembered still
        self._signer = signer
        self._memo = memo
        self._tiles: Tiles | None = None
        self._fresh: dict[str, list[bytes]] = {}  # segments that this process wrote, so that it need not read them again

    @classmethod
    def create(cls, storage: Storage, signer: Signer, memo: Memo | None = None) -> Log:
        """A new, empty log. Raises Refused where there is one already."""
        log = cls(storage, signer.key, signer, memo)
        with storage.lock():
            if storage.get(CHECKPOINT) is not None:
                raise Refused("there is a log already, and nothing is overwritten", remedy="give another folder")
            if memo is not None and memo.read(signer.key) is not None:
                raise Refused("this key has signed a log before, and may sign only that one", path=memo.path, remedy="make a new key")
            note = Checkpoint(signer.key.name, 0, proofs.EMPTY).sign([signer])
            if memo is not None:
                memo.write(note)
            storage.swap(CHECKPOINT, None, note.encode())
        return log

    def note(self) -> bytes:
        """The published checkpoint as it lies there, unchecked."""
        note = self.storage.get(CHECKPOINT)
        if note is None:
            raise Tampered("the checkpoint is missing: this is no log, or it was taken away")
        return note

    def checkpoint(self) -> Checkpoint:
        """The published head, its signature checked."""
        return open_checkpoint(self.note(), [self.key])

    def tiles(self) -> Tiles:
        """The published tree, its right edge checked against the signed root."""
        head = self.checkpoint()
        if self._tiles is None or (self._tiles.size, self._tiles.root) != (head.size, head.root):
            self._tiles = Tiles(self.storage.get, head.size, head.root)
        return self._tiles

    def append(self, entries: Sequence[bytes]) -> int:
        """The number of the first of `entries`. On return they are durable and in order, though not yet provable.

        Raises DataError where an entry has more than 65,535 bytes; then none is appended.
        """
        with self.storage.lock():
            first = self.next_number()
            if entries:
                path = journal.path_of(first)
                self.storage.put_new({path: journal.encode(first, entries)})
                self._not_overtaken(first, path)
                if len(self._fresh) >= REMEMBERED:
                    self._fresh.clear()
                self._fresh[path] = list(entries)
            return first

    def _not_overtaken(self, first: int, path: str) -> None:
        """Raises Refused where another writer has published these numbers meanwhile: in a store whose lock is a lease that ran out.

        A segment that another one has written under this path would have been met by `put_new`; one that he has published
        and removed since shows in the checkpoint.
        """
        if self.checkpoint().size > first:
            self.storage.remove([path])
            raise Refused("another writer was quicker, and none of these events was logged", remedy="run the command again")

    def next_number(self) -> int:
        """The number that the next entry gets, if nobody else appends before."""
        return journal.next_number(self.storage, self.checkpoint().size)

    def publish(self) -> Checkpoint:
        """Brings every acknowledged entry into the tree and signs the new head.

        Raises Refused without a signer, or if this log does not continue what its key has signed before.
        """
        if self._signer is None:
            raise Refused("publishing needs the secret key of the log", remedy="give it with --key")
        with self.storage.lock():
            before = self.note()
            tree = self.tiles()
            entries, segments = journal.pending(self.storage, tree.size, self._fresh)
            if entries:
                bundles, tiles = grown(self.storage.get, tree, entries)
                self.storage.put_new(bundles)
                self.storage.put_new(tiles)
                tree = self._sign(tree, tree.size + len(entries), before)
            elif self._memo is not None:
                self._continues(tree)
            self.storage.remove(segments)
            self._fresh.clear()
            return Checkpoint(self.key.name, tree.size, tree.root)

    def _sign(self, tree: Tiles, size: int, before: bytes) -> Tiles:
        assert self._signer is not None
        new = Tiles(self.storage.get, size, None)  # reads back what was written: never a checkpoint over missing tiles
        self._continues(new)
        note = Checkpoint(self.key.name, size, new.root).sign([self._signer])
        if self._memo is not None:
            self._memo.write(note)
        self.storage.swap(CHECKPOINT, before, note.encode())
        self.storage.remove(path for below in outgrown(tree.size, size) for path in self.storage.list(below))
        self._tiles = new
        return new

    def _continues(self, tree: Tiles) -> None:
        seen = None if self._memo is None else self._memo.read(self.key)
        if seen is not None:
            follows(tree, seen, "this log's key has signed")

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Published entries start .. stop - 1, each checked."""
        tree = self.tiles()
        stop = tree.size if stop is None else min(stop, tree.size)
        for number in range(start // WIDTH, -(-stop // WIDTH)):
            bundle = tree.entries(number)
            yield from bundle[max(0, start - number * WIDTH) : stop - number * WIDTH]

    def entry(self, index: int) -> bytes:
        """One published entry, checked. Raises Refused where the log is shorter."""
        size = self.tiles().size
        if not 0 <= index < size:
            raise Refused(f"there is no entry {index}: the log has {size:,}, numbered from 0")
        return next(self.entries(index, index + 1))

    def prove(self, index: int) -> Proof:
        """The inclusion proof of a published entry. Raises Refused where the log is shorter."""
        tree = self.tiles()
        if not 0 <= index < tree.size:
            raise Refused(f"there is no entry {index} to prove: the log has {tree.size:,}, numbered from 0")
        return Proof(index, tuple(proofs.inclusion(index, tree.size, tree.node)), self.note().decode())

    def prove_consistency(self, old: int) -> list[bytes]:
        """That the first `old` entries are a prefix of the published log."""
        tree = self.tiles()
        if not 0 <= old <= tree.size:
            raise Refused(f"the log has {tree.size:,} entries, fewer than {old:,}")
        return proofs.consistency(old, tree.size, tree.node)


def follows(tree: Tiles, seen: Checkpoint, who: str) -> None:
    """Raises Tampered unless `tree` continues the head `seen`; `who` says whose memory that is."""
    if tree.size < seen.size:
        raise Tampered(
            f"the log has {tree.size:,} entries, but {who} {seen.size:,} before: it was rolled back",
            remedy="bring the newer log back",
        )
    if proofs.root(seen.size, tree.node) != seen.root:
        raise Tampered(f"the first {seen.size:,} entries are not those that {who} before: history was rewritten")
