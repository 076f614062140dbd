"""The signature file: known triggers and poisoned releases, with where each was published.

A file is a signed note (c2sp.org/signed-note; `assay.ledger.note`) whose text is a JSON document of the schema "assay.signatures/1":

    {
     "schema": "assay.signatures/1",
     "version": 7,                      counts up with every issue; an update never goes back
     "issued": "2026-01-31",
     "signatures": [
      {"id": "T-0001", "name": "...", "source": "...",
       "artefact": {"kind": "phrase", ...} or null,   what rows carry, as a report writes artefacts
       "digests": ["..."],                            SHA-256 of files, or fingerprints of data sets, in hex
       "least": 5}                                    rows that must carry it before a scan speaks of it
     ]
    }

    — example.com/signatures Az3grlgt...

Nothing in an altered file is read: the signature is checked first, against keys that lie beside it in FILE.key, one NAME+ID+BASE64 a
line, where a person put them. The list that comes with Assay is part of the program and carries no signature of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from assay.artefact.base import Artefact
from assay.artefact.registry import from_json
from assay.dataset.errors import DataError
from assay.ledger.note import Key, Signer, open_note, sign_note

SCHEMA = "assay.signatures/1"
BUILTIN = "builtin"  # the name of the list that comes with Assay
FIELDS = {"id", "name", "source", "artefact", "digests", "least"}


@dataclass(frozen=True)
class Signature:
    """One known trigger (`artefact`) or poisoned release (`digests`)."""

    id: str
    name: str
    source: str
    artefact: Artefact | None = None
    digests: tuple[str, ...] = ()
    least: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "source": self.source,
            "artefact": None if self.artefact is None else self.artefact.to_json(),
            "digests": list(self.digests),
            "least": self.least,
        }


@dataclass(frozen=True)
class Signatures:
    """One issue of the list."""

    version: int
    issued: str
    entries: tuple[Signature, ...]

    def to_text(self) -> str:
        """The JSON document, with its last newline."""
        told = {"schema": SCHEMA, "version": self.version, "issued": self.issued, "signatures": [e.to_json() for e in self.entries]}
        return json.dumps(told, ensure_ascii=True, indent=1) + "\n"


def parse_signatures(text: str, path: object = None) -> Signatures:
    """The list in a JSON document. DataError where it is not one of this schema, naming the entry.

    >>> parse_signatures('{"schema": "assay.signatures/1", "version": 1, "issued": "2026-01-31", "signatures": []}').version
    1
    """
    remedy = f'give a document of the schema "{SCHEMA}" (docs/corpora.md)'
    try:
        told = json.loads(text)
        schema, version, issued, entries = told["schema"], told["version"], told["issued"], told["signatures"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"not a list of signatures ({error!r})", path=path, remedy=remedy) from error
    if schema != SCHEMA:
        raise DataError(f"the schema is {schema!r}, and {SCHEMA!r} is read", path=path, remedy="use a version of Assay that knows it")
    if type(version) is not int or version < 0 or not isinstance(issued, str) or not isinstance(entries, list):
        raise DataError("version must be a whole number, issued a date, signatures a list", path=path, remedy=remedy)
    found = tuple(_entry(e, i, path) for i, e in enumerate(entries))
    if len({e.id for e in found}) < len(found):
        raise DataError("two signatures have the same id", path=path, remedy="give each its own")
    return Signatures(version, issued, found)


def _entry(told: Any, number: int, path: object) -> Signature:
    try:
        unknown = set(told) - FIELDS
        if unknown:
            raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
        artefact = None if told.get("artefact") is None else from_json(told["artefact"])
        digests, least = tuple(told.get("digests", ())), told.get("least", 1)
        if any(not isinstance(d, str) or len(d) != 64 or set(d) - set("0123456789abcdef") for d in digests):
            raise ValueError("a digest is 64 lower-case hex digits")
        if type(least) is not int or least < 1:
            raise ValueError("least is a whole number from 1")
        if artefact is None and not digests:
            raise ValueError("neither an artefact nor a digest")
        name = {f: told[f] for f in ("id", "name", "source")}
        if not all(isinstance(t, str) and t for t in name.values()):
            raise ValueError("id, name and source are texts")
        return Signature(**name, artefact=artefact, digests=digests, least=least)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"signature {number} is malformed: {error}", path=path, remedy="mend or leave out that entry") from error


def builtin() -> Signatures:
    """The list that comes with Assay: triggers of published attacks."""
    return parse_signatures(files("assay.known").joinpath("builtin.json").read_text("utf-8"), BUILTIN)


def open_signatures(source: str | Path) -> Signatures:
    """The list in a signed file, checked against the keys in `SOURCE.key` beside it; or `builtin`.

    Raises assay.ledger.errors.Tampered where it was altered or signed by nobody who is trusted, DataError where a file is missing.
    """
    if str(source) == BUILTIN:
        return builtin()
    path = Path(source)
    keys = path.with_name(path.name + ".key")
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy=f"give a signature file, or {BUILTIN}")
    if not keys.is_file():
        raise DataError(
            f"no key says who may have signed it ({keys.name} is not beside it)",
            path=path,
            remedy=f"assay signatures update {path} --key NAME+ID+BASE64 --out FILE",
        )
    trusted = [Key.parse(line) for line in keys.read_text("utf-8").splitlines() if line.strip()]
    return read_signed(path.read_bytes(), trusted, path)


def read_signed(note: bytes, keys: list[Key], path: object) -> Signatures:
    """The list in a signed note, once a trusted key vouches for it."""
    return parse_signatures(open_note(note, keys).text, path)


def sign_signatures(signatures: Signatures, signer: Signer) -> str:
    """The signed file."""
    return sign_note(signatures.to_text(), [signer])
