#!/usr/bin/env python3
"""Checks what an Assay ledger hands out, offline. One file, the standard library and the package cryptography; read it before you trust it.

    python3 verify.py proof FILE.tlog-proof --key VKEY --entry FILE          an event is in the ledger
    python3 verify.py proof FILE.tlog-proof --key VKEY --digest HEX --snapshot NAME   a row is in a snapshot
    python3 verify.py log FOLDER --key VKEY [--seen CHECKPOINT]              the whole log is what was signed
    python3 verify.py statement FILE.json --key VKEY                         a signed statement; prints it

VKEY is the ledger's public key, NAME+ID+BASE64, which you must have from its owner, and not from the folder that you check. Exit
code 0: it holds; 1: it does not, and why.

Formats: RFC 6962 (tree), c2sp.org signed-note, tlog-checkpoint, tlog-proof, tlog-tiles; DSSE and in-toto Statement v1. It shares no
code with the rest of Assay, and follows the definitions rather than being quick.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
from typing import Any


class Wrong(Exception):
    """It does not hold."""


def need(condition: object, problem: str) -> None:
    """Raises Wrong with the problem unless the condition holds."""
    if not condition:
        raise Wrong(problem)


def unbase64(text: str) -> bytes:
    """The bytes of canonical base64. Raises Wrong for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Wrong("malformed base64") from None
    need(base64.b64encode(data).decode() == text, "base64 is not canonical")
    return data


# ---- signatures


class Key:
    """A public Ed25519 key as a signed note names it: NAME+ID+BASE64."""

    def __init__(self, vkey: str) -> None:
        self.name, identity, encoded = vkey.strip().split("+", 2)
        data = unbase64(encoded)
        need(data[:1] == b"\x01" and len(data) == 33, "the key is not Ed25519")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        need(self.id.hex() == identity, "the key is damaged: its id does not match")
        self.public = data[1:]

    def verifies(self, message: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def open_checkpoint(note: str, key: Key, origin: str) -> tuple[int, bytes]:
    """(size, root) of a signed note whose first line is `origin`."""
    text, gap, signatures = note.rpartition("\n\n")
    need(gap and signatures.endswith("\n"), "not a signed note")
    text += "\n"
    signed = False
    for line in signatures[:-1].split("\n"):
        found = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        if not found:
            raise Wrong("a signature line is malformed")
        data = unbase64(found.group(2))
        if found.group(1) == key.name and data[:4] == key.id:
            need(key.verifies(text.encode(), data[4:]), "the signature does not fit the checkpoint")
            signed = True
    need(signed, f"not signed by {key.name}")
    lines = text.split("\n")
    need(len(lines) == 4 and re.fullmatch("0|[1-9][0-9]*", lines[1]), "the checkpoint is malformed")
    need(lines[0] == origin, f"a checkpoint of {lines[0]!r}, expected {origin!r}")
    root = unbase64(lines[2])
    need(len(root) == 32, "the root is not 32 bytes long")
    return int(lines[1]), root


# ---- trees (RFC 6962, section 2.1)


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry of the log."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def root_from_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to, by the recursion that defines it."""
    if size == 1:
        need(not path, "the proof is too long")
        return leaf
    need(path, "the proof is too short")
    k = split(size)
    if index < k:
        return node_hash(root_from_path(index, k, leaf, path[:-1]), path[-1])
    return node_hash(path[-1], root_from_path(index - k, size - k, leaf, path[:-1]))


def root_of(hashes: list[bytes]) -> bytes:
    """The root over leaf hashes: pairs are joined, a last one without a partner moves up."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        odd = hashes[-1:] if len(hashes) % 2 else []
        hashes = [node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2])] + odd  # noqa: B905
    return hashes[0]


# ---- what can be checked


def check_proof(text: str, key: Key, origin: str, entry: bytes) -> tuple[int, int]:
    """(index, size) of an entry that is in the log."""
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    need(gap and lines[0] == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
    rest = [line for line in lines[1:] if not line.startswith("extra ")]
    found = re.fullmatch("index (0|[1-9][0-9]*)", rest[0] if rest else "")
    if not found:
        raise Wrong("the index is malformed")
    path = [unbase64(line) for line in rest[1:]]
    need(all(len(h) == 32 for h in path), "a hash is not 32 bytes long")
    index, (size, root) = int(found.group(1)), open_checkpoint(note, key, origin)
    need(index < size, "the index is beyond the end of the log")
    need(root_from_path(index, size, leaf_hash(entry), path) == root, "the proof does not lead to the signed root")
    return index, size


def tile_path(level: object, number: int, width: int) -> str:
    """Where a tile of the log lies, as C2SP tlog-tiles writes it."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    parts = ["x" + part for part in parts[:-1]] + parts[-1:]
    return os.path.join("tile", str(level), *parts) + ("" if width == 256 else f".p/{width}")


def read(folder: str, level: object, number: int, size_there: int) -> tuple[bytes, int]:
    """The content of a tile or bundle as far as the tree goes; a full one serves where a partial one is gone."""
    width = min(256, size_there - 256 * number)
    for have in (width, 256):
        path = os.path.join(folder, tile_path(level, number, have))
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read(), width
    raise Wrong(f"{tile_path(level, number, width)} is missing")


def check_log(folder: str, key: Key, seen: str | None) -> tuple[int, bytes]:
    """(size, root) of a log whose every entry and tile has been read."""
    with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as file:
        size, root = open_checkpoint(file.read(), key, key.name)
    hashes = []
    for number in range(-(-size // 256)):
        data, width = read(folder, "entries", number, size)
        at = 0
        for _ in range(width):
            length = int.from_bytes(data[at : at + 2], "big")
            need(at + 2 + length <= len(data), f"entry bundle {number} is cut off")
            hashes.append(leaf_hash(data[at + 2 : at + 2 + length]))
            at += 2 + length
    need(root_of(hashes) == root, "the entries do not give the signed root")
    level, below = 0, hashes
    while below:
        for number in range(-(-len(below) // 256)):
            data, width = read(folder, level, number, len(below))
            need(data[: 32 * width] == b"".join(below[256 * number : 256 * number + width]), f"tile {level}/{number} does not fit")
        full = len(below) // 256
        level, below = level + 1, [root_of(below[256 * i : 256 * i + 256]) for i in range(full)]
    if seen:
        with open(seen, encoding="utf-8") as file:
            old_size, old_root = open_checkpoint(file.read(), key, key.name)
        need(old_size <= size, f"the log was rolled back from {old_size} to {size} entries")
        need(root_of(hashes[:old_size]) == old_root, "history was rewritten since the checkpoint that you have seen")
    return size, root


def check_statement(text: str, key: Key) -> dict[str, Any]:
    """The statement in a DSSE envelope."""
    said = json.loads(text)
    kind, payload = said["payloadType"].encode(), unbase64(said["payload"])
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    need(any(key.verifies(message, unbase64(s["sig"])) for s in said["signatures"]), f"not signed by {key.name}, or altered")
    statement: dict[str, Any] = json.loads(payload)
    need(kind == b"application/vnd.in-toto+json" and statement["_type"] == "https://in-toto.io/Statement/v1", "not an in-toto statement")
    return statement


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 where it holds, 1 where it does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    proof, log, statement = (what.add_parser(name) for name in ("proof", "log", "statement"))
    for one in (proof, log, statement):
        one.add_argument("path")
        one.add_argument("--key", required=True, metavar="VKEY")
    proof.add_argument("--entry", metavar="FILE", help="the event")
    proof.add_argument("--digest", metavar="HEX", help="the digest of the row")
    proof.add_argument("--snapshot", metavar="NAME", help="the snapshot that the row is in")
    log.add_argument("--seen", metavar="CHECKPOINT", help="an older checkpoint that the log must continue")
    given = parser.parse_args(arguments)
    try:
        key = Key(given.key)
        if given.what == "log":
            size, root = check_log(given.path, key, given.seen)
            print(f"holds: {size} entries of {key.name}, root {root.hex()}")
            return 0
        with open(given.path, encoding="utf-8") as file:
            text = file.read()
        if given.what == "statement":
            print(json.dumps(check_statement(text, key), indent=1, ensure_ascii=False))
            return 0
        if given.entry:
            with open(given.entry, "rb") as file:
                entry = file.read()
        else:
            need(given.digest, "give --entry or --digest")
            entry = bytes.fromhex(given.digest)
        origin = key.name + (f"/snapshot/{given.snapshot}" if given.snapshot else "")
        index, size = check_proof(text, key, origin, entry)
        print(f"holds: number {index} of the {size} in {origin}")
        return 0
    except (Wrong, OSError, ValueError, KeyError, TypeError) as error:
        print(f"does NOT hold: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
