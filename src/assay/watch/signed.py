"""Signatures under what a watch rests on: its baseline, and the history of its models.

Any key that signs bytes will do (`assay.ledger.note.Signer` does; this room knows no keys of its own). A line of the history is signed
together with the digest of the line before it, so that a signed line vouches for all before it. What a signature cannot tell: that lines
after the last one shown were taken away. Who must know that logs the head elsewhere (assay ledger), or keeps a copy.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from assay.dataset.errors import DataError
from assay.watch.journal import replace_whole

BASELINE = "baseline.sig"
OF_BASELINE, OF_STEP = b"assay.watch.baseline/1\n", b"assay.watch.models/1\n"  # no signature of one stands for the other
REMEDY = "ask who keeps it, and bring it back from a copy"


class Checks(Protocol):
    """A public key. Its text is what names it."""

    def check(self, message: bytes, signature: bytes) -> None:
        """Raises DataError unless this key signed the message."""


class Signs(Protocol):
    """A secret key."""

    @property
    def key(self) -> Checks:
        """The public key."""

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""


def sign_baseline(folder: Path, digest: str, signer: Signs) -> None:
    """Write the signature of a baseline beside it."""
    said = {"digest": digest, "key": str(signer.key), "signature": b64encode(signer.sign(OF_BASELINE + digest.encode())).decode()}
    replace_whole(folder / BASELINE, (json.dumps(said, indent=1) + "\n").encode())


def check_baseline(folder: Path, digest: str, keys: Sequence[Checks]) -> str:
    """The name of the key that signed this baseline. Raises DataError where none of `keys` did."""
    path = folder / BASELINE
    if not path.exists():
        raise DataError("the baseline is not signed", path=folder, remedy="sign it: assay watch sign --key FILE")
    try:
        said = json.loads(path.read_bytes())
        name, given = str(said["key"]), b64decode(said["signature"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"is no signature ({type(error).__name__})", path=path, remedy=REMEDY) from error
    _key(name, keys, path, None).check(OF_BASELINE + digest.encode(), given)
    return name


def sign_step(step: Mapping[str, Any], signer: Signs) -> dict[str, Any]:
    """The step with its signature."""
    return {**step, "signed": [str(signer.key), b64encode(signer.sign(_message(step))).decode()]}


@dataclass(frozen=True)
class Signed:
    """Who signed which step of a history."""

    by: tuple[str | None, ...]  # for each line, the key, or None

    @property
    def vouched(self) -> int:
        """How many lines a signature vouches for: all up to the last that is signed."""
        return max((i + 1 for i, key in enumerate(self.by) if key), default=0)


def check_steps(path: Path, keys: Sequence[Checks]) -> Signed:
    """Every signature of a history whose chain was checked (`Models.open`). Raises DataError for one that fails, or of another key."""
    found: list[str | None] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1]):
        step = json.loads(line)
        given = step.get("signed")
        if given is None:
            found.append(None)
            continue
        try:
            name, signature = str(given[0]), b64decode(given[1], validate=True)
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise DataError("is no signature", path=path, row=number, remedy=REMEDY) from error
        _key(name, keys, path, number).check(_message(step), signature)
        found.append(name)
    return Signed(tuple(found))


def _message(step: Mapping[str, Any]) -> bytes:
    return OF_STEP + json.dumps({k: v for k, v in step.items() if k != "signed"}, sort_keys=True).encode()


def _key(name: str, keys: Sequence[Checks], path: Path, row: int | None) -> Checks:
    for key in keys:
        if str(key) == name:
            return key
    raise DataError(f"is signed by {name}, which is not trusted here", path=path, row=row, remedy="give that key with --trust, if you do")
