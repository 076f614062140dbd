"""Proofs as files (c2sp.org/tlog-proof): an entry's number, its inclusion proof and the checkpoint, for checking offline.

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    ...

    example.com/ledger
    109482
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

    — example.com/ledger hI2DJw...

The optional line `extra` is not written: nothing protects it, and a reader might trust it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from assay.dataset.merkle import leaf_hash
from assay.ledger.checkpoint import Checkpoint, open_checkpoint
from assay.ledger.errors import Tampered
from assay.ledger.note import Key, base64
from assay.ledger.proofs import check_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Proof:
    """That an entry is number `index` of a log."""

    index: int
    path: tuple[bytes, ...]  # 32 bytes each, the leaf's sibling first
    checkpoint: str  # the signed note, as the log published it

    def text(self) -> str:
        hashes = "".join(b64encode(h).decode() + "\n" for h in self.path)
        return f"{HEADER}\nindex {self.index}\n{hashes}\n{self.checkpoint}"

    def check(self, entry: bytes, keys: Sequence[Key], origin: str | None = None) -> Checkpoint:
        """The checkpoint that holds `entry`. Raises Tampered where signature, path and entry do not fit."""
        checkpoint = open_checkpoint(self.checkpoint, keys, origin)
        check_inclusion(self.index, checkpoint.size, leaf_hash(entry), self.path, checkpoint.root)
        return checkpoint


def parse(data: bytes | str) -> Proof:
    """Raises Tampered where this is no such file. An `extra` line is passed over."""
    try:
        text = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError as error:
        raise Tampered("a proof is UTF-8 text; this is not") from error
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != HEADER:
        raise Tampered(f"not a proof: the first line is not {HEADER!r}, or the checkpoint is missing")
    lines = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
    found = _INDEX.fullmatch(lines[0]) if lines else None
    if not found:
        raise Tampered("not a proof: the line with the index is missing or malformed")
    try:
        path = tuple(base64(line) for line in lines[1:])
    except ValueError as error:
        raise Tampered(f"a hash of the proof is malformed: {error}") from error
    if any(len(h) != 32 for h in path):
        raise Tampered("a hash of the proof is not 32 bytes long")
    return Proof(int(found.group(1)), path, checkpoint)
