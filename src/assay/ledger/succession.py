"""From a key that a reader trusts to the log's present key, along the notes that `rotation` writes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from assay.ledger.errors import Tampered
from assay.ledger.note import Key, open_note, split_note

FIELDS = ("ledger", "number", "size", "root", "old", "new")
SCHEMA = "assay.rotation/1"


def notes_in(folder: Path) -> list[str]:
    """The notes of every handing over, oldest first; none where the key was never changed."""
    files = [path for path in folder.glob("[0-9]*") if path.name.isdecimal()]
    return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(files, key=lambda path: int(path.name))]


def follow(trust: Key, notes: Sequence[str]) -> tuple[Key, tuple[Key, ...]]:
    """(the present key, all others the log ever had, oldest first), for one who trusts `trust`.

    Each note is signed by both its keys, so whoever trusts one of them may trust the other. Raises Tampered where a note does not hold. A
    key that no note names is its own successor.
    """
    pairs = [_read(note) for note in notes]
    if not any(trust in pair for pair in pairs):
        return trust, ()
    for (_, new), (old, _) in pairwise(pairs):
        if new != old:
            raise Tampered(f"the key {new} did not hand over to {old}: a note of the log's keys is missing or altered")
    return pairs[-1][1], tuple(old for old, _ in pairs)


def _read(note: str) -> tuple[Key, Key]:
    lines = split_note(note)[0].splitlines()
    said = dict(line.partition(" ")[::2] for line in lines[1:])
    if not lines or lines[0] != SCHEMA or tuple(said) != FIELDS:
        raise Tampered("a note of the log's keys is malformed")
    old, new = Key.parse(said["old"]), Key.parse(said["new"])
    if len(open_note(note, [old, new]).keys) != 2 or old.name != new.name:
        raise Tampered(f"the handing over from {old} to {new} is not signed by both")
    return old, new
