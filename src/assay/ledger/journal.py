"""The journal: entries that have their number and are durable, but are not yet in the tree.

A segment is one object, `journal/<number of its first entry>`, written once; its existence is the acknowledgement. Since
the journal alone decides what comes next, the tiles that follow from it are the same however often they are made: a
process may die at any moment, and the next one makes the same tree.

    segment = "assay.journal/1" newline, u64 first number, u32 entries, entries after their u16 lengths, SHA-256 of all that
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from struct import Struct

from assay.dataset.errors import DataError
from assay.ledger.errors import Tampered
from assay.ledger.storage import Storage
from assay.ledger.tiles import HASH, pack

MAGIC = b"assay.journal/1\n"
FOLDER = "journal/"
LARGEST = 65535  # bytes of an entry: its length is a uint16 in the entry bundle
_HEAD = Struct(">QI")


def path_of(first: int) -> str:
    """Where the segment lies whose first event has this index."""
    return f"{FOLDER}{first:020d}"


def encode(first: int, entries: Sequence[bytes]) -> bytes:
    """One segment. Raises DataError where an entry is too large."""
    for number, entry in enumerate(entries):
        if len(entry) > LARGEST:
            raise DataError(
                f"event {number} of this batch has {len(entry):,} bytes; a log entry holds at most {LARGEST:,}",
                remedy="log the digest of what is large, and keep the rest beside the ledger",
            )
    body = MAGIC + _HEAD.pack(first, len(entries)) + pack(entries)
    return body + sha256(body).digest()


def decode(data: bytes, path: str) -> tuple[int, list[bytes]]:
    """(number of the first entry, entries). Raises Tampered where a single bit is wrong."""
    body, check = data[:-HASH], data[-HASH:]
    if not body.startswith(MAGIC) or sha256(body).digest() != check:
        raise Tampered(f"the journal segment {path} is damaged", remedy="bring it back from a copy: it holds acknowledged events")
    entries, at = [], len(MAGIC) + _HEAD.size
    first, count = _HEAD.unpack_from(body, len(MAGIC)) if len(body) >= at else (0, -1)
    if not 0 <= 2 * count <= len(body) - at:  # an entry takes two bytes at least
        raise Tampered(f"the journal segment {path} is no segment")
    for _ in range(count):
        length = int.from_bytes(body[at : at + 2])
        entries.append(body[at + 2 : at + 2 + length])
        at += 2 + length
    return first, entries


def next_number(storage: Storage, size: int) -> int:
    """The number that the next entry gets, `size` being in the tree."""
    paths = storage.list(FOLDER)
    if not paths:
        return size
    first, held = decode(storage.get(paths[-1]) or b"", paths[-1])
    return max(size, first + len(held))


def pending(storage: Storage, size: int, written: Mapping[str, list[bytes]] | None = None) -> tuple[list[bytes], list[str]]:
    """(entries that follow the first `size`, in their order; the paths of every segment that holds them or older ones).

    `written` are segments that the caller itself has written, by path: a path is written once, so they are what lies
    there. Raises Tampered where a number is missing between them.
    """
    entries: list[bytes] = []
    paths = storage.list(FOLDER)
    for path in paths:
        if written and path in written:
            first, held = int(path.removeprefix(FOLDER)), written[path]
        else:
            data = storage.get(path)
            if data is None:  # another process has just put it into the tree
                continue
            first, held = decode(data, path)
        if path != path_of(first):
            raise Tampered(f"the journal segment {path} says that it begins at {first}")
        if first + len(held) <= size:
            continue
        skip = size + len(entries) - first
        if skip < 0:
            raise Tampered(
                f"the journal misses the events {size + len(entries)} to {first - 1}", remedy="bring back the segment from a copy"
            )
        entries += held[skip:]
    return entries, paths
