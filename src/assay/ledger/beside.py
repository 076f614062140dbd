"""What lies beside the log: how its key was handed over, signed heads and lists of snapshots, signed statements, and openings of rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from assay.ledger import snapshots, statement
from assay.ledger.checkpoint import open_checkpoint
from assay.ledger.errors import Tampered
from assay.ledger.index import Index
from assay.ledger.ledger import Ledger, Progress
from assay.ledger.note import Key
from assay.ledger.openings import fits

TOLD = 10_000  # openings between two words of progress


@dataclass(frozen=True)
class Beside:
    """How many were checked; `without_list` are snapshots of which only the signed head is here, as in a published copy."""

    snapshots: int
    without_list: tuple[str, ...]
    statements: int


@dataclass(frozen=True)
class Opened:
    """How many openings were checked, and how many rows stand that have none here."""

    checked: int
    without: int


def check_openings(ledger: Ledger, progress: Progress | None = None) -> Opened:
    """Raises Tampered at the first opening that is not the one its row was logged with, removed rows included.

    One hash an opening: 3 s for a million of them, a tenth of what the rules take. `progress(done, of)` counts rows. The index must
    be that of the log (`audit`). Cannot see what a row was called: names are not committed to.
    """
    of, stand = ledger.index.db.execute("select count(*), coalesce(sum(removed is null), 0) from rows").fetchone()
    checked = standing = 0
    gone = {int(row) for (row,) in ledger.index.db.execute("select row from rows where removed is not null")}
    with closing(ledger.openings.committed(None, ledger.index, removed=True)) as every:
        for row, digest, salt, commitment in every:
            if not fits(digest, salt, commitment):
                raise snapshots.altered(ledger, row)
            checked += 1
            standing += row not in gone
            if progress is not None and checked % TOLD == 0:
                progress(checked, of)
    return Opened(checked, stand - standing)


def check_keys(index: Index, keys: Sequence[Key]) -> None:
    """Raises Tampered where one of the log's keys, the oldest first, came after another without the approvers' consent in the log.

    The notes by which readers follow need no approver: who has stolen the old key can sign one, and log nothing.
    """
    agreed = set(index.db.execute("select before, key from rotations"))
    for before, key in pairwise(keys):
        if (str(before), str(key)) not in agreed:
            raise Tampered(f"the key {before} was handed over to {key}, and the approvers' consent to it is not in the log")


def check_beside(ledger: Ledger) -> Beside:
    """Raises Tampered where a key, a head, a list of rows or a statement is not the one that was logged, or is not logged at all, and where
    the log begins as that of another ledger.
    """
    began = ledger.index.db.execute("select origin from ledger").fetchone()  # None: the rules say so
    if began is not None and began[0] != ledger.key.name:
        raise Tampered(f"the log begins as that of the ledger {began[0]!r}, and its checkpoint is signed as that of {ledger.key.name!r}")
    check_keys(ledger.index, (*ledger.former, ledger.key))
    bare = []
    names = snapshots.names(ledger)
    for name in names:
        if snapshots.list_path(ledger, name).exists():
            snapshots.load(ledger, name)
            continue
        bare.append(name)
        _, size, root, _ = snapshots.logged(ledger, name)
        head = open_checkpoint(snapshots.note(ledger, name), [ledger.key], snapshots.origin(ledger.key.name, name))
        if (head.size, head.root.hex()) != (size, root):
            raise Tampered(
                f"the signed head of the snapshot {name!r} is not the one that was logged", path=snapshots.head_path(ledger, name)
            )
    known = set(names)
    for path in sorted((ledger.folder / "snapshots").glob("*")):
        if path.name not in known and not path.name.startswith("."):
            raise Tampered("is the head of a snapshot that was never logged", path=path)
    logged = {payload for (payload,) in ledger.index.db.execute("select payload from statements")}
    files = sorted((ledger.folder / "statements").glob("*.json"))
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        statement.check(text, ledger.key)
        if sha256(statement.payload_of(text)).hexdigest() not in logged:
            raise Tampered("is a statement that was never logged", path=path)
    return Beside(len(names), tuple(bare), len(files))
