"""The list of known triggers and poisoned releases that scans of this service may look for: Assay's own, or a signed one that an admin
brought in. Nothing is fetched."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy.orm import Session

from assay.known.signatures import BUILTIN, Signatures, open_signatures
from assay.known.update import update
from assay.ledger.note import Key
from assay.serve import audit
from assay.serve.access import Who
from assay.serve.files import Files
from assay.serve.shapes import NewSignatures, Signature, SignatureList

NAME = "list"


def source(files: Files) -> str | Path:
    """What a scan opens."""
    path = files.signatures() / NAME
    return path if path.is_file() else BUILTIN


def get(files: Files) -> SignatureList:
    held = source(files)
    key = None if held == BUILTIN else (files.signatures() / f"{NAME}.key").read_text(encoding="utf-8").strip()
    return _shape(open_signatures(held), key)


def bring(db: Session, who: Who, files: Files, new: NewSignatures) -> SignatureList:
    """Use this list from now on. Raises DataError unless the key signed it, and its version is no older than the one that is there."""
    folder = files.signatures()
    folder.mkdir(parents=True, exist_ok=True)
    key = Key.parse(new.key)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        note = Path(scratch) / "note"
        note.write_text(new.note, encoding="utf-8")
        held = update(str(note), key, folder / NAME)
    audit.note(db, who, "signatures.brought", NAME, None, version=held.version, entries=len(held.entries), key=str(key))
    return _shape(held, str(key))


def _shape(held: Signatures, key: str | None) -> SignatureList:
    items = [
        Signature(id=e.id, name=e.name, source=e.source, least=e.least, content=e.artefact is not None, digests=len(e.digests))
        for e in held.entries
    ]
    return SignatureList(version=held.version, issued=held.issued, key=key, items=items)
