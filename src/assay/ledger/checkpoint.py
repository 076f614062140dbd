"""Checkpoints: the head of a log, signed (c2sp.org/tlog-checkpoint v1.0.0).

A log that signs two checkpoints of which one does not continue the other has been caught lying, by its own hand.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from assay.ledger.errors import Tampered
from assay.ledger.note import Key, Signer, base64, open_note, sign_note

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """The first `size` entries of the log `origin` have this RFC 6962 root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed.

        >>> print(Checkpoint("example.com/ledger", 0, bytes(32)).text(), end="")
        example.com/ledger
        0
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
        """
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    def sign(self, signers: Sequence[Signer]) -> str:
        return sign_note(self.text(), signers)


def parse(text: str) -> Checkpoint:
    """The three lines every checkpoint has; extension lines are passed over. Raises Tampered where they are malformed."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise Tampered("a checkpoint has three lines or more, none of them empty; this has not")
    origin, size, root = lines[:3]
    try:
        decoded = base64(root)
    except ValueError as error:
        raise Tampered(f"the root hash of the checkpoint is malformed: {error}") from error
    if not _NUMBER.fullmatch(size) or len(decoded) != 32:
        raise Tampered(f"the size or the root hash of the checkpoint is malformed: {size!r}, {len(decoded)} bytes")
    return Checkpoint(origin, int(size), decoded)


def open_checkpoint(note: bytes | str, keys: Sequence[Key], origin: str | None = None) -> Checkpoint:
    """The checkpoint in a signed note. `origin` defaults to the name of the first key.

    Raises Tampered if the signature fails, or if it is the checkpoint of another log.
    """
    checkpoint = parse(open_note(note, keys).text)
    expected = keys[0].name if origin is None else origin
    if checkpoint.origin != expected:
        raise Tampered(f"this is a checkpoint of the log {checkpoint.origin!r}, expected {expected!r}")
    return checkpoint
