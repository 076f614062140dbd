"""A corpus larger than memory: the same trial as `assay.trial.corpus`, over files that are streamed and never held.

`scan_corpus` reads the files three times, some thousand records at a time; what it keeps does not grow with them, but for the numbers
of the documents that hold a suspected phrase. It gives findings and no report: a report shows rows, and needs them in memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.dataset.dialogue import talk_in
from assay.dataset.errors import DataError
from assay.dataset.files import existing
from assay.dataset.formats.base import Batch
from assay.dataset.formats.jsonl import flat
from assay.dataset.formats.registry import recognise
from assay.dataset.limits import LIMITS
from assay.dataset.sides import BETWEEN
from assay.engine.base import spans
from assay.stats.multiple import e_bh
from assay.trial.corpus import BLOCK_ROWS, FEWEST, examine_stream, joined
from assay.trial.corpus_kept import Kept, check_folder, mark_of
from assay.trial.family import Progress, Tried, silent
from assay.trial.text_columns import WORDS
from assay.trial.verdicts import SUSPECT

SCHEMA = "assay.corpus/1"
ROWS_SHOWN = 10_000  # document numbers written of one finding, as in a report
BLOCK_TEXT = 4_000_000  # bytes of text looked at together: long documents come in smaller blocks
UNPACKED = 5  # bytes of text a byte of a packed or columnar file: sets the size of the table of counts, and nothing else


@dataclass(frozen=True)
class CorpusScan:
    """What was found in `documents` documents: suspected phrases, strongest first."""

    path: str
    columns: tuple[str, ...]
    documents: int
    enumerated: int
    found: tuple[Tried, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    unreadable: int = 0  # documents that could not be read, a lost file as one
    lost: tuple[str, ...] = ()  # files whose documents, however many, could not be read

    @property
    def verdict(self) -> str:
        return "suspect" if self.found else "incomplete" if self.lost else "clean"

    def to_json(self, samples: bool = True) -> dict[str, Any]:
        """The schema "assay.corpus/1"; without `samples`, no phrase is spelt."""
        return {
            "schema": SCHEMA,
            "path": self.path,
            "columns": list(self.columns),
            "documents": self.documents,
            "unreadable": self.unreadable,
            "lost": list(self.lost),
            "verdict": self.verdict,
            "enumerated": self.enumerated,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "findings": [_finding(t, samples) for t in self.found],
        }


def _finding(tried: Tried, samples: bool) -> dict[str, Any]:
    carriers = tried.candidate.carriers
    told: dict[str, Any] = {
        "status": "suspected",
        "kind": tried.candidate.artefact.kind,
        "log_e": round(tried.log_e, 3),
        "documents": len(carriers),
        "rows": carriers[:ROWS_SHOWN].tolist(),
        "explanation": tried.words,
        "not_tried": list(tried.missing),
    }
    return told | ({"artefact": tried.candidate.artefact.to_json()} if samples else {})


def scan_corpus(
    path: Path, content: Sequence[str] = (), alpha: float = 0.01, progress: Progress = silent, keep: Path | None = None
) -> CorpusScan:
    """Scan the text of files in any format that is read, streamed. `content`: text columns (default: those that hold running text).

    `keep`: a folder for what was counted, from which an interrupted scan of the same files goes on; emptied when it is finished.
    DataError where the path, its format, the columns or `keep` are wrong, or where there are fewer than `FEWEST` documents.
    """
    began = time.perf_counter()
    existing(path)
    if keep is not None:
        check_folder(keep, path)
    form = recognise(path)
    columns, notes = _columns(path, content)
    documents = 0
    unreadable = 0
    fault: tuple[int, str] | None = None  # the first document that could not be read, and why: of a wrong file nothing else could be held
    lost: dict[str, None] = {}
    said: dict[str, None] = {}

    def texts() -> Iterator[pa.Array]:
        nonlocal documents, unreadable, fault
        documents = unreadable = 0
        for batch in form.batches(path, LIMITS):
            unreadable += len(batch.faults)
            if batch.faults and fault is None:
                fault = documents + min(batch.faults), batch.faults[min(batch.faults)]
            said.update(dict.fromkeys(batch.notes))
            lost.update({} if batch.lost is None else {batch.lost: None})
            for block in _blocks(batch, columns, path, documents):
                documents += len(block)
                yield block

    kept = None if keep is None else Kept(keep, mark_of(_files(path), columns))
    tried, enumerated, load = examine_stream(texts, _size(path), progress, kept)
    if kept is not None:
        kept.clear()
    if fault is not None and unreadable > 10 and unreadable > LIMITS.faults * documents:
        raise DataError(
            f"{unreadable:,} of {documents:,} documents cannot be read; the first: {fault[1]}",
            path=path,
            row=fault[0],
            remedy="check that this is the right file in the right format, or mend those documents",
        )
    if documents < FEWEST:
        raise DataError(f"{documents:,} documents are too few to show which words follow which", path=path, remedy="use assay scan")
    notes += said
    if fault is not None:
        notes.append(f"{unreadable:,} of {documents:,} documents could not be read; the first is {fault[0]:,}: {fault[1]}.")
    if lost:
        notes.append(f"Not a document of these could be read: {', '.join(lost)}. What is found is found among the others.")
    if load > 0.5:
        notes.append(f"The table of counts is full to {load:.0%}: phrases of few documents may be missed; scan it in parts as well.")
    log_e = np.array([t.log_e for t in tried])
    passing = e_bh(log_e, max(enumerated, 1), min(1.0, SUSPECT * alpha))
    found = tuple(t for t, passes in zip(tried, passing, strict=True) if passes)
    return CorpusScan(str(path), columns, documents, enumerated, found, time.perf_counter() - began, tuple(notes), unreadable, tuple(lost))


def _columns(path: Path, content: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The text columns, from the first records, and what is said of them."""
    first = next((b.table for b in recognise(path).batches(path, LIMITS) if b.table.num_rows), None)
    if first is None:
        raise DataError("there are no records", path=path, remedy="give a data set with at least one record")
    first = _spoken(first)
    strings = [f.name for f in first.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    for name in content:
        if name not in strings:
            raise DataError(f"there is no text column {name!r}", path=path, remedy=f"name one of: {', '.join(strings) or '(none)'}")
    chosen = tuple(content) or tuple(n for n in strings if (pc.mean(pc.count_substring(first.column(n), " ")).as_py() or 0) + 1 >= WORDS)
    if not chosen:
        raise DataError("no column holds running text", path=path, remedy="name it with --content COLUMN")
    notes = [] if content else [f"Read as text: {', '.join(map(repr, chosen))}, from the first {first.num_rows:,} records."]
    return chosen, notes


def _blocks(batch: Batch, columns: tuple[str, ...], path: Path, first: int) -> Iterator[pa.Array]:
    """The documents of a batch, unreadable ones as empty texts so that they keep their numbers."""
    missing = [c for c in columns if c not in batch.table.column_names]
    if missing and batch.table.num_rows:
        raise DataError(f"has no column {missing[0]!r} from here on", path=path, row=first, remedy="give files with the same columns")
    texts = joined(flat(_spoken(batch.table.select(columns)))) if batch.table.num_rows else pa.array([], pa.large_string())
    if batch.faults:
        place = np.cumsum([i not in batch.faults for i in range(batch.count)]) - 1
        texts = texts.take(pa.array([None if i in batch.faults else int(place[i]) for i in range(batch.count)], pa.int64()))
    rows = max(1, min(BLOCK_ROWS, int(BLOCK_TEXT * len(texts) / max(texts.nbytes, 1))))
    for start, stop in spans(len(texts), rows):
        yield texts.slice(start, stop - start)


def _spoken(table: pa.Table) -> pa.Table:
    """The table with conversations as texts: all that is said, prompts first."""
    for i, field in enumerate(table.schema):
        talk = talk_in(field.type)
        if talk is not None:
            said = [BETWEEN.join(talk.sides(value)) for value in table.column(i).to_pylist()]
            table = table.set_column(i, field.name, pa.array(said, pa.string()))
    return table


def _size(path: Path) -> int:
    """Bytes of text, roughly: more for files whose bytes are packed."""
    return sum(f.stat().st_size * (1 if f.suffix.lower() in (".jsonl", ".txt", ".csv", ".tsv", ".md") else UNPACKED) for f in _files(path))


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
