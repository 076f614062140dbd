"""Witnesses: others who have seen the same log (c2sp.org/tlog-cosignature v1, Ed25519).

A witness signs a checkpoint only after it has checked that it continues the last one it signed for that log. If everyone asks for
the signatures of enough witnesses, a log cannot show two histories to two readers: one of them lacks the signatures.

    key id    = SHA-256(name, newline, 0x04, public key)[:4]
    signed    = "cosignature/v1" newline "time " seconds newline checkpoint text
    signature = seconds as u64, Ed25519 signature
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from assay.dataset.errors import DataError
from assay.ledger import proofs
from assay.ledger.checkpoint import open_checkpoint
from assay.ledger.errors import Refused, Tampered
from assay.ledger.log import Log, Memo
from assay.ledger.note import DASH, Key, Signer, base64, split_note

COSIGNATURE = b"\x04"  # the signature type identifier
SECONDS = 8  # bytes of the time in front of the signature


@dataclass(frozen=True)
class Witness:
    """A witness's name and public key (32 bytes)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + COSIGNATURE + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(COSIGNATURE + self.public).decode()}"

    @classmethod
    def of(cls, key: Key) -> Witness:
        """The witness that signs with this key."""
        return cls(key.name, key.public)

    @classmethod
    def parse(cls, text: str) -> Witness:
        """Raises DataError where `text` is no witness's key, written NAME+ID+BASE64 with the type 0x04."""
        try:
            name, given, encoded = text.strip().split("+", 2)
            data = base64(encoded)
            made = cls(name, data[1:])
            if data[:1] != COSIGNATURE or len(data) != 33 or made.id.hex() != given:
                raise ValueError("the type, the length or the id does not fit")
        except ValueError as error:
            raise DataError(f"not a witness's key ({error})", remedy="give the line that the witness publishes") from error
        return made


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosign(note: str, signer: Signer, seconds: int) -> str:
    """The note with the witness's line behind the others; what it says is not checked here. `seconds` since 1970."""
    text, _ = split_note(note)
    signature = seconds.to_bytes(SECONDS) + signer.sign(_message(text, seconds))
    line = f"{DASH}{signer.key.name} {b64encode(Witness.of(signer.key).id + signature).decode()}\n"
    return note + line


def cosigned(note: str, witnesses: Sequence[Witness]) -> dict[str, int]:
    """When each of `witnesses` signed the note, in seconds since 1970, by name; those that did not are left out.

    Raises Tampered where the line of one of them does not hold.
    """
    text, signatures = split_note(note)
    known = {(witness.name, witness.id): witness for witness in witnesses}
    found = {}
    for name, identity, data in signatures:
        witness = known.get((name, identity))
        if witness is not None:
            seconds = int.from_bytes(data[:SECONDS])
            Key(witness.name, witness.public).check(_message(text, seconds), data[SECONDS:])
            found[name] = seconds
    return found


def require(note: str, witnesses: Sequence[Witness], count: int) -> None:
    """Raises Tampered unless `count` of `witnesses` have signed the checkpoint."""
    found = cosigned(note, witnesses)
    if len(found) < count:
        names = ", ".join(sorted(found)) or "none"
        raise Tampered(f"{count} witnesses must have signed the checkpoint; {len(found)} have: {names}")


def witness(log: Log, memory: Path, signer: Signer, seconds: int) -> str:
    """What a witness does: check that `log` continues what it signed before, remember the new head, and sign it.

    The new head is remembered before it is signed, so that no two heads that contradict each other can ever be signed.
    `memory` is the witness's own file for this log. Raises Tampered, and signs nothing, where the log was rewritten or
    rolled back.
    """
    memo = Memo(memory)
    seen = memo.read(log.key)
    note = log.note().decode()
    head = open_checkpoint(note, [log.key])
    if seen is not None:
        if head.size < seen.size:
            raise Tampered(f"the log has {head.size:,} entries, but this witness has signed {seen.size:,}: it was rolled back")
        proofs.check_consistency(seen.size, seen.root, head.size, head.root, log.prove_consistency(seen.size))
    memo.write(note)
    return cosign(note, signer, seconds)


def same_log(first: str, second: str, key: Key, log: Log) -> None:
    """That two checkpoints, got by two readers, are of one history. `log` is any copy that reaches the larger of them.

    Raises Tampered where they are not: then both notes together, each signed by the log's key, prove that it lied.
    """
    old, new = sorted((open_checkpoint(note, [key]) for note in (first, second)), key=lambda c: c.size)
    tree = log.tiles()
    if tree.size < new.size:
        raise Refused(f"this copy of the log has {tree.size:,} entries, fewer than {new.size:,}", remedy="fetch a newer copy")
    for head in (new, old):
        if proofs.root(head.size, tree.node) != head.root:
            raise Tampered(f"a split view: the log has signed two histories at {head.size:,} entries. Keep both checkpoints: they prove it")
