"""Signed notes (c2sp.org/signed-note v1.0.0): text, an empty line, and a line for each signature.

    example.com/ledger
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.com/ledger Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=

Ed25519 alone (signature type 0x01). Text is worth nothing before `open_note` has returned it. A signature of a known key
that fails rejects the whole note; unknown keys are passed over. Base64 must be the canonical one, so that no bit of a note
can change unseen.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from assay.dataset.errors import DataError
from assay.ledger.errors import Tampered

ED25519 = b"\x01"  # the signature type identifier
DASH = "— "
SECRET = "PRIVATE+KEY+"  # how golang.org/x/mod/sumdb/note writes a secret key
LARGEST = 1 << 20  # bytes; a note with 16 post-quantum signatures is under 100 kB


def base64(text: str) -> bytes:
    """Standard base64, canonical: what would not be written this way is refused with ValueError.

    >>> base64("AAE=")
    b'\\x00\\x01'
    """
    try:
        data = b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


def _needed() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise DataError("signatures need the package cryptography", remedy="pip install 'assay[ledger]'") from error
    return ed25519


def check_name(name: str) -> None:
    """Raises DataError where the specification allows no key of that name."""
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise DataError(f"{name!r} cannot name a key", remedy="use a name like example.com/ledger, without spaces and plus signs")


@dataclass(frozen=True)
class Key:
    """A public key and its name: what a verifier trusts."""

    name: str
    public: bytes  # 32 bytes

    @property
    def id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, type, public key)."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """The key as the specification writes it: NAME+ID+BASE64."""
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Raises DataError where `text` is no such key.

        >>> Key.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").name
        'PeterNeumann'
        """
        name, given, data = _fields(text.strip(), "public key, written NAME+ID+BASE64")
        key = cls(name, data)
        if key.id.hex() != given:
            raise DataError(f"the public key of {name} does not match its id: {given}, expected {key.id.hex()}", remedy="copy it whole")
        return key

    def check(self, message: bytes, signature: bytes) -> None:
        """Raises Tampered unless this key signed the message."""
        ed25519 = _needed()
        from cryptography.exceptions import InvalidSignature

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise Tampered(f"the signature of {self.name} does not fit the text: one of them has been altered") from error


def _fields(text: str, what: str) -> tuple[str, str, bytes]:
    parts = text.split("+", 2)
    try:
        if len(parts) != 3:
            raise ValueError("three parts are needed")
        data = base64(parts[2])
        if data[:1] != ED25519 or len(data) != 33:
            raise ValueError("not an Ed25519 key")
    except ValueError as error:
        raise DataError(f"not a {what} ({error})", remedy="give the whole line as assay ledger key printed it") from error
    check_name(parts[0])
    return parts[0], parts[1], data[1:]


@dataclass(frozen=True, repr=False)
class Signer:
    """A secret key and its name."""

    key: Key
    seed: bytes  # 32 bytes, secret

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A fresh key from the operating system's randomness."""
        check_name(name)
        return cls.of(name, _needed().Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def of(cls, name: str, seed: bytes) -> Signer:
        return cls(Key(name, _needed().Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()), seed)

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Raises DataError where `text` is no secret key as `secret` writes it."""
        text = text.strip()
        if not text.startswith(SECRET):
            raise DataError("not a secret key", remedy="give the file that assay ledger key or init wrote")
        name, given, seed = _fields(text[len(SECRET) :], "secret key")
        made = cls.of(name, seed)
        if made.key.id.hex() != given:
            raise DataError(f"the secret key of {name} is damaged: its id does not match", remedy="bring back the file from a copy")
        return made

    def secret(self) -> str:
        """The key as golang.org/x/mod/sumdb/note writes it. Secret."""
        return f"{SECRET}{self.key.name}+{self.key.id.hex()}+{b64encode(ED25519 + self.seed).decode()}"

    def __repr__(self) -> str:
        return f"Signer({self.key})"

    def sign(self, message: bytes) -> bytes:
        signature: bytes = _needed().Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)
        return signature


@dataclass(frozen=True)
class Opened:
    """A note whose signatures held."""

    text: str  # with its last newline
    keys: tuple[Key, ...]  # the known keys that signed, in the order of their lines


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """The note. `text` must end in a newline and hold no other control characters."""
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text):
        raise ValueError("the text of a note ends in a newline and has no control characters")
    lines = [f"{DASH}{s.key.name} {b64encode(s.key.id + s.sign(text.encode())).decode()}\n" for s in signers]
    return text + "\n" + "".join(lines)


def open_note(note: bytes | str, keys: Sequence[Key]) -> Opened:
    """The text of a note signed by one or more of `keys`.

    Raises Tampered if it is malformed, if none of them signed it, or if a signature of one of them fails.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    signed = []
    for name, identity, signature in signatures:
        key = known.get((name, identity))
        if key is not None:
            key.check(text.encode(), signature)
            signed.append(key)
    if not signed:
        found = ", ".join(f"{name} ({identity.hex()})" for name, identity, _ in signatures)
        wanted = ", ".join(f"{key.name} ({key.id.hex()})" for key in keys)
        raise Tampered(f"signed by {found}, and not by a key that is trusted here: {wanted}")
    return Opened(text, tuple(signed))


def split_note(note: bytes | str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """(text, signatures as name, key id, signature) of a note, unchecked. Raises Tampered where it is none."""
    try:
        whole = note if isinstance(note, str) else note.decode()
    except UnicodeDecodeError as error:
        raise Tampered("a signed note is UTF-8 text; this is not") from error
    if len(whole) > LARGEST or any(ord(c) < 0x20 and c != "\n" for c in whole):
        raise Tampered("a signed note has no control characters and is under 1 MB; this is not one")
    cut = whole.rfind("\n\n")
    if cut < 0 or not whole.endswith("\n"):
        raise Tampered("not a signed note: the empty line before the signatures is missing")
    signatures = []
    for line in whole[cut + 2 : -1].split("\n"):
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        try:
            data = base64(encoded)
        except ValueError as error:
            raise Tampered(f"a signature line is malformed: {error}") from error
        if not line.startswith(DASH) or not name or "+" in name or any(c.isspace() for c in name) or len(data) < 5:
            raise Tampered("a signature line is malformed")
        signatures.append((name, data[:4], data[4:]))
    return whole[: cut + 1], signatures
