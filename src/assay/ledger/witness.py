"""Witnesses: others who have seen the same log (c2sp.org/tlog-cosignature v1.1.0, Ed25519 and ML-DSA-44).

A witness signs a checkpoint only after it has checked that it continues the last one it signed for that log. If everyone asks for
the signatures of enough witnesses, a log cannot show two histories to two readers: one of them lacks the signatures.

    key id    = SHA-256(name, newline, type, public key)[:4]                     type 0x04 Ed25519, 0x06 ML-DSA-44 (FIPS 204)
    signature = seconds as u64, the signature over
      Ed25519     "cosignature/v1" newline "time " seconds newline checkpoint text
      ML-DSA-44   "subtree/v1" newline 0x00, name, u64 seconds, origin, u64 0, u64 size, root    (texts after their u8 length)

ML-DSA-44 holds against quantum computers; a log's keeper may cosign with such a key of his own.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import pack

from assay.dataset.errors import DataError
from assay.ledger import proofs
from assay.ledger.checkpoint import open_checkpoint, parse
from assay.ledger.errors import Refused, Tampered
from assay.ledger.log import Log, Memo
from assay.ledger.note import DASH, SECRET, Key, Signer, base64, check_name, split_note

CLASSIC, QUANTUM = b"\x04", b"\x06"  # signature type identifiers
PUBLIC = {CLASSIC: 32, QUANTUM: 1312}  # bytes of a public key
SEED = 32  # bytes of a secret key, of both kinds
SECONDS = 8  # bytes of the time in front of the signature


@dataclass(frozen=True)
class Witness:
    """A witness's name, kind of key (CLASSIC or QUANTUM) and public key: what a reader trusts."""

    name: str
    kind: bytes
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(self.kind + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Witness:
        """Raises DataError where `text` is no witness's key, written NAME+ID+BASE64."""
        try:
            name, given, encoded = text.strip().split("+", 2)
            data = base64(encoded)
            made = cls(name, data[:1], data[1:])
            if PUBLIC.get(made.kind) != len(made.public) or made.id.hex() != given:
                raise ValueError("the type, the length or the id does not fit")
        except ValueError as error:
            raise DataError(f"not a witness's key ({error})", remedy="give the line that the witness publishes") from error
        return made

    def check(self, text: str, seconds: int, signature: bytes) -> None:
        """Raises Tampered unless this witness signed the checkpoint `text` at that time."""
        message = _message(self.kind, self.name, text, seconds)
        if self.kind == CLASSIC:
            Key(self.name, self.public).check(message, signature)
            return
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        try:
            MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise Tampered(f"the signature of {self.name} does not fit the checkpoint: one of them has been altered") from error


@dataclass(frozen=True, repr=False)
class Cosigner:
    """A witness's secret key."""

    name: str
    kind: bytes
    seed: bytes

    @classmethod
    def of(cls, signer: Signer) -> Cosigner:
        """An Ed25519 key, used as a witness's."""
        return cls(signer.key.name, CLASSIC, signer.seed)

    @classmethod
    def generate(cls, name: str) -> Cosigner:
        """A fresh ML-DSA-44 key from the operating system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        check_name(name)
        return cls(name, QUANTUM, MLDSA44PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Cosigner:
        """A secret key of either kind. Raises DataError where `text` is none."""
        name, _, rest = text.strip().removeprefix(SECRET).partition("+")
        given, _, encoded = rest.partition("+")
        try:
            data = base64(encoded)
        except ValueError as error:
            raise DataError(f"not a secret key ({error})", remedy="bring back the file from a copy") from error
        if data[:1] != QUANTUM:
            return cls.of(Signer.parse(text))
        made = cls(name, QUANTUM, data[1:])
        if len(data) != 1 + SEED or made.witness.id.hex() != given:
            raise DataError(f"the secret key of {name} is damaged: its id does not match", remedy="bring back the file from a copy")
        return made

    def secret(self) -> str:
        """An ML-DSA-44 key as a line, like other secret keys. Secret."""
        return f"{SECRET}{self.name}+{self.witness.id.hex()}+{b64encode(self.kind + self.seed).decode()}"

    @property
    def witness(self) -> Witness:
        """Its public part."""
        if self.kind == CLASSIC:
            return Witness(self.name, CLASSIC, Signer.of(self.name, self.seed).key.public)
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return Witness(self.name, QUANTUM, MLDSA44PrivateKey.from_seed_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, text: str, seconds: int) -> bytes:
        message = _message(self.kind, self.name, text, seconds)
        if self.kind == CLASSIC:
            return Signer.of(self.name, self.seed).sign(message)
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        signature: bytes = MLDSA44PrivateKey.from_seed_bytes(self.seed).sign(message)
        return signature


def _message(kind: bytes, name: str, text: str, seconds: int) -> bytes:
    if kind == CLASSIC:
        return f"cosignature/v1\ntime {seconds}\n{text}".encode()
    head = parse(text)
    who, log = name.encode(), head.origin.encode()
    if len(who) > 255 or len(log) > 255:
        raise DataError("a name of more than 255 bytes cannot be cosigned", remedy="use shorter names")
    return b"subtree/v1\n\x00" + pack(">B", len(who)) + who + pack(">QB", seconds, len(log)) + log + pack(">QQ", 0, head.size) + head.root


def cosign(note: str, signer: Cosigner, seconds: int) -> str:
    """The note with the witness's line behind the others; what it says is not checked here. `seconds` since 1970."""
    text, _ = split_note(note)
    signature = seconds.to_bytes(SECONDS) + signer.sign(text, seconds)
    line = f"{DASH}{signer.name} {b64encode(signer.witness.id + signature).decode()}\n"
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
            witness.check(text, seconds, data[SECONDS:])
            found[name] = seconds
    return found


def require(note: str, witnesses: Sequence[Witness], count: int) -> None:
    """Raises Tampered unless `count` of `witnesses` have signed the checkpoint."""
    found = cosigned(note, witnesses)
    if len(found) < count:
        names = ", ".join(sorted(found)) or "none"
        raise Tampered(f"{count} witnesses must have signed the checkpoint; {len(found)} have: {names}")


def witness(log: Log, memory: Path, signer: Cosigner, seconds: int) -> str:
    """What a witness does: check that `log` continues what it signed before, remember the new head, and sign it.

    The new head is remembered before it is signed, so that no two heads that contradict each other can ever be signed.
    `memory` is the witness's own file for this log. Raises Tampered, and signs nothing, where the log was rewritten or
    rolled back.
    """
    memo = Memo(memory)
    seen = memo.read(log.key, *log.former)
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
