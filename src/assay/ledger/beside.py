"""What lies beside the log: signed heads and lists of snapshots, and signed statements."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from assay.ledger import snapshots, statement
from assay.ledger.checkpoint import open_checkpoint
from assay.ledger.errors import Tampered
from assay.ledger.ledger import Ledger


@dataclass(frozen=True)
class Beside:
    """How many were checked; `without_list` are snapshots of which only the signed head is here, as in a published copy."""

    snapshots: int
    without_list: tuple[str, ...]
    statements: int


def check_beside(ledger: Ledger) -> Beside:
    """Raises Tampered where a head, a list of rows or a statement is not the one that was logged, or is not logged at all."""
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
