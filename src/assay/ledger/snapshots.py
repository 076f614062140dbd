"""Snapshots: a version of a data set as one signed root, and the proof that a row is in it.

The root is the RFC 6962 tree over the digests of the rows in their order: the fingerprint that a scan reports and that anyone
can compute from the data alone. It is signed as a checkpoint of its own (origin "LEDGER/snapshot/NAME"), so that a row's
proof is an ordinary .tlog-proof file of at most 1.3 kB for a million rows, and logged as an event.

A snapshot is taken only of rows that are in the ledger and have not been removed.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.digest import NOTHING
from assay.dataset.errors import DataError
from assay.dataset.merkle import root_of
from assay.dataset.parquet_table import parquet_table
from assay.ledger import proofs
from assay.ledger.checkpoint import Checkpoint, open_checkpoint
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ledger import Ledger
from assay.ledger.openings import fits
from assay.ledger.storage import replace
from assay.ledger.tiles import HASH, above, leaves
from assay.ledger.tlog_proof import Proof

Int = NDArray[np.int64]

UNREADABLE = -1  # stands in the list of rows for a record that could not be read
STRANGE = -2  # while rows are matched: nobody brought it
SHOWN = 3  # rows named in a refusal
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Snapshot:
    """A version of a data set. `rows` (n,) ledger row of each record in order, `digests` n of 32 bytes."""

    name: str
    event: int
    root: bytes
    rows: Int
    digests: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.rows)


def origin(ledger: str, name: str) -> str:
    """The origin line of a snapshot's signed head."""
    return f"{ledger}/snapshot/{name}"


def head_path(ledger: Ledger, name: str) -> Path:
    """The signed head of a snapshot, published."""
    return ledger.folder / "snapshots" / name


def list_path(ledger: Ledger, name: str) -> Path:
    """The list of a snapshot's rows and digests: Parquet, private."""
    return ledger.private / "snapshots" / f"{name}.parquet"


def take(ledger: Ledger, data: Dataset, name: str, parent: str | None = None) -> Snapshot:
    """Log and sign the data set as the snapshot `name`.

    The tree is hashed in blocks by the engine in use, as the data set is read by it: `assay.engine.base.using` spans both. Raises Refused
    where a row is not in the ledger, or was removed from it, or the name is taken.
    """
    with ledger.writing():
        check_free(ledger, name)
        digests, rows = _match(ledger, data)
        root = root_of(b"".join(digests))
        assert root.hex() == data.fingerprint
        place = list_path(ledger, name)
        place.parent.mkdir(exist_ok=True)
        table = pa.table({"row": pa.array(rows), "digest": pa.array(digests, pa.binary(HASH))})
        pq.write_table(table, place)  # before the event, so that the list of a logged snapshot is always there
        body = {"name": name, "size": len(rows), "root": root.hex(), "rows": rows_digest(rows)}
        event = ledger.record([("snapshot", body | ({"parent": parent} if parent else {}))])
        _sign(ledger, name, len(rows), root)
        return Snapshot(name, event, root, rows, tuple(digests))


def check_free(ledger: Ledger, name: str) -> None:
    """Raises Refused where there is a snapshot of that name, DataError where the name cannot be one."""
    if not _NAME.fullmatch(name):
        raise DataError(f"{name!r} cannot name a snapshot", remedy="use letters, digits, dots, hyphens and underscores")
    if _found(ledger, name) is not None:
        raise Refused(f"there is a snapshot {name!r} already", remedy="give another name: a snapshot never changes")


def check_known(ledger: Ledger, data: Dataset) -> None:
    """Raises Refused where a row of `data` is not in the ledger, or was removed: what `take` would refuse."""
    _match(ledger, data)


def rows_digest(rows: Int) -> str:
    """SHA-256 (hex) of the list of row numbers, as 64-bit little-endian integers."""
    return sha256(rows.astype("<i8").tobytes()).hexdigest()


def _match(ledger: Ledger, data: Dataset) -> tuple[list[bytes], Int]:
    """(digest, ledger row) of every record. A digest that several rows share is given to each of them in turn."""
    digests = record_digests(data)
    first: dict[bytes, int] = {}
    more: dict[bytes, list[int]] = {}  # digests that several rows share: few, so that a million lists need not be made
    for digest, row in _opened(ledger, digests):
        if first.setdefault(digest, row) != row:
            more.setdefault(digest, [first[digest]]).append(row)
    rows = np.fromiter((first.get(digest, STRANGE) for digest in digests), np.int64, len(digests))
    unreadable = np.ones(data.records, bool)
    unreadable[data.row] = False
    rows[unreadable] = UNREADABLE
    turn = dict.fromkeys(more, 0)
    for number in data.row.tolist() if more else ():
        held = more.get(digests[number])
        if held is not None:
            rows[number] = held[min(turn[digests[number]], len(held) - 1)]
            turn[digests[number]] += 1
    strange = np.flatnonzero(rows[data.row] == STRANGE).tolist()
    if strange:
        removed = ledger.openings.rows_of([data.digest[i].tobytes() for i in strange])
        gone = sum(data.digest[i].tobytes() in removed for i in strange)
        what = f"{len(strange):,} rows are not in the ledger" + (f", {gone:,} of them because they were removed" if gone else "")
        shown = ", ".join(data.key[i] for i in strange[:SHOWN]) + (", ..." if len(strange) > SHOWN else "")
        remedy = "assay ledger add them from an approved source, or leave them out"
        if len(strange) == len(data):
            remedy += "; where this is a copy of rows that are here, a column may read as another type in it (docs/formats.md)"
        raise Refused(f"{what}: {shown}", path=data.path, remedy=remedy)
    return digests, rows


def record_digests(data: Dataset) -> list[bytes]:
    """The digest of every record, unreadable ones included: the entries of the tree whose root is the fingerprint."""
    packed = np.ascontiguousarray(data.digest).tobytes()
    digests = [packed[start : start + HASH] for start in range(0, len(packed), HASH)]
    if len(digests) == data.records and bool((data.row[1:] > data.row[:-1]).all()):
        return digests
    every = [NOTHING] * data.records
    for number, digest in zip(data.row.tolist(), digests, strict=True):
        every[number] = digest
    return every


def live_rows(ledger: Ledger, digests: Sequence[bytes]) -> dict[bytes, list[int]]:
    """The rows in the ledger, not removed, that have these digests; none for a digest that nobody brought.

    Raises Tampered where an opening is not what the log has committed to: nobody can be blamed by editing the private
    folder.
    """
    return _by_digest(_opened(ledger, digests))


def altered(ledger: Ledger, row: int) -> Tampered:
    """What is raised where the opening of a row is not the one that the log has committed to."""
    return Tampered(
        f"what the private folder says of row {row} is not what the log has committed to",
        path=ledger.openings.path,
        remedy="bring it back from the backup of the ledger's private folder",
    )


def rows_ever(ledger: Ledger, digests: Sequence[bytes]) -> dict[bytes, list[int]]:
    """As `live_rows`, with the rows that were removed since; only what was erased is not found."""
    return _by_digest(_opened(ledger, digests, removed=True))


def _by_digest(pairs: Iterator[tuple[bytes, int]]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = {}
    for digest, row in pairs:
        found.setdefault(digest, []).append(row)
    return found


def _opened(ledger: Ledger, digests: Sequence[bytes], *, removed: bool = False) -> Iterator[tuple[bytes, int]]:
    """(digest, row) of the rows that have these digests, by row for each digest, each checked against the log."""
    wanted = set(digests)
    with closing(ledger.openings.committed(wanted, ledger.index, removed=removed)) as every:
        for row, digest, salt, commitment in every:
            if not fits(digest, salt, commitment):
                raise altered(ledger, row)
            yield digest, row


def _found(ledger: Ledger, name: str) -> tuple[int, int, str, str] | None:
    found = ledger.index.db.execute("select event, size, root, rows from snapshots where name = ?", (name,)).fetchone()
    return None if found is None else (found[0], found[1], found[2], found[3])


def names(ledger: Ledger) -> list[str]:
    """Every snapshot, oldest first."""
    return [name for (name,) in ledger.index.db.execute("select name from snapshots order by event")]


def rows_of(ledger: Ledger, name: str) -> Int:
    """The rows of a snapshot, checked against the log. Raises Refused where there is none, Tampered where the list was altered."""
    event, _, _, digest = logged(ledger, name)
    rows = _read(ledger, name, "row").to_numpy()
    if rows_digest(rows) != digest:
        raise Tampered(f"the list of rows of the snapshot {name!r} is not the one of event {event}", path=list_path(ledger, name))
    return np.asarray(rows, np.int64)


def logged(ledger: Ledger, name: str) -> tuple[int, int, str, str]:
    """(event, size, root in hex, digest of the list of rows) as the log has it. Raises Refused where there is no such snapshot."""
    found = _found(ledger, name)
    if found is None:
        raise Refused(f"there is no snapshot {name!r}; there are: {', '.join(names(ledger)) or 'none'}", remedy="assay ledger snapshot")
    return found


def _read(ledger: Ledger, name: str, column: str) -> pa.ChunkedArray:
    path = list_path(ledger, name)
    if not path.exists():
        raise DataError(f"the list of the rows of {name!r} is not here", path=path, remedy="bring back the ledger's private folder")
    return parquet_table(path, [column], remedy="bring back the ledger's private folder").column(column)


def load(ledger: Ledger, name: str) -> Snapshot:
    """A snapshot with its digests; list, root and signature checked. About two hashes a row."""
    event, size, root, _ = logged(ledger, name)
    rows = rows_of(ledger, name)
    digests = tuple(_read(ledger, name, "digest").to_pylist())
    if len(digests) != size or root_of(b"".join(digests)).hex() != root:
        raise Tampered(f"the digests of the snapshot {name!r} do not give the root of event {event}", path=list_path(ledger, name))
    signed = open_checkpoint(note(ledger, name), [ledger.key], origin(ledger.key.name, name))
    if (signed.size, signed.root.hex()) != (size, root):
        raise Tampered(f"the signed head of the snapshot {name!r} is not that of event {event}", path=head_path(ledger, name))
    return Snapshot(name, event, bytes.fromhex(root), rows, digests)


def _sign(ledger: Ledger, name: str, size: int, root: bytes) -> None:
    """Ed25519 is deterministic: signed again, a head is the same to the bit."""
    assert ledger.signer is not None
    path = head_path(ledger, name)
    path.parent.mkdir(exist_ok=True)
    note = Checkpoint(origin(ledger.key.name, name), size, root).sign([ledger.signer])
    replace(path, note.encode(), path.with_name(f".{name}-{os.getpid()}"))


def note(ledger: Ledger, name: str) -> str:
    """The signed head, unchecked. Raises Tampered where it is missing."""
    if ledger.signer is not None and not head_path(ledger, name).exists():  # a process died between event and head
        _, size, root, _ = logged(ledger, name)
        _sign(ledger, name, size, bytes.fromhex(root))
    try:
        return head_path(ledger, name).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise Tampered(f"the signed head of the snapshot {name!r} is missing or damaged", path=head_path(ledger, name)) from error


def prove(ledger: Ledger, snapshot: Snapshot, record: int) -> Proof:
    """That the digest of `record` (numbered from 0) is in the snapshot: the entry of the proof is the digest, 32 bytes."""
    size = len(snapshot)
    if not 0 <= record < size:
        raise Refused(f"there is no record {record}: the snapshot has {size:,}, numbered from 0")
    levels = [leaves(snapshot.digests)]
    while len(levels[-1]) > HASH:
        levels.append(above(levels[-1]))

    def node(level: int, index: int) -> bytes:
        return levels[level][HASH * index : HASH * (index + 1)]

    return Proof(record, tuple(proofs.inclusion(record, size, node)), note(ledger, snapshot.name))


@dataclass(frozen=True)
class Difference:
    """What changed from one version to another, as digests with how often each occurs more."""

    added: tuple[bytes, ...]
    missing: tuple[bytes, ...]


def difference(old: Sequence[bytes], new: Sequence[bytes]) -> Difference:
    """Compares two lists of digests as multisets; order is not looked at.

    >>> a, b = b"a" * 32, b"b" * 32
    >>> difference([a, a], [a, b]) == Difference((b,), (a,))
    True
    """
    before, after = Counter(old), Counter(new)
    return Difference(tuple((after - before).elements()), tuple((before - after).elements()))


def check(ledger: Ledger, name: str, data: Dataset) -> Difference:
    """What of `data` is not as the snapshot has it. Raises Tampered where only the order differs."""
    snapshot = load(ledger, name)
    digests = record_digests(data)
    found = difference(snapshot.digests, digests)
    if not found.added and not found.missing and tuple(digests) != snapshot.digests:
        raise Tampered(f"the rows are those of {name!r}, in another order", path=data.path)
    return found
