"""Steps: what was done to a data set between two snapshots, so that a row of the second leads back to rows of the first.

A row that a step left as it was is the same row still. A row that it made (joined, augmented, rewritten) is logged as
`row.derived` with its parents, has no source of its own, and answers for nobody: its parents' contributors do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.dataset.errors import DataError
from assay.ledger import snapshots
from assay.ledger.errors import Refused
from assay.ledger.events import Event
from assay.ledger.ledger import Ledger
from assay.ledger.openings import commitments
from assay.ledger.snapshots import Snapshot

Int = NDArray[np.int64]

KINDS = ("filter", "join", "dedupe", "augment", "other")


@dataclass(frozen=True)
class Step:
    """What was run: a name, one of KINDS, the commit of the code, and its parameters as texts."""

    name: str
    kind: str
    code: str
    parameters: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"there is no kind of step {self.kind!r}", remedy=f"choose among {', '.join(KINDS)}")


def record(
    ledger: Ledger, data: Dataset, step: Step, inputs: Sequence[str], output: str, parents: Mapping[int, Sequence[int]] | None = None
) -> Snapshot:
    """Log `step`, the rows it made, and the data set it made as the snapshot `output`.

    `parents` gives, for the record number of each row that the step made, the record numbers it was made of, counted through
    the inputs one after another. Rows that are in an input need none. Raises Refused where a row has neither.
    """
    with ledger.writing():
        before = np.concatenate([snapshots.rows_of(ledger, name) for name in inputs]) if inputs else np.zeros(0, np.int64)
        _derive(ledger, data, step.name, before, parents or {})
        made = snapshots.take(ledger, data, output, parent=inputs[0] if inputs else None)
        body = {"name": step.name, "kind": step.kind, "inputs": list(inputs), "output": output, "code": step.code}
        ledger.record([("step", body | {"parameters": dict(step.parameters)})])
        return made


def _derive(ledger: Ledger, data: Dataset, step: str, before: Int, parents: Mapping[int, Sequence[int]]) -> None:
    known = snapshots.live_rows(ledger, [digest.tobytes() for digest in data.digest])
    inputs = set(before.tolist())
    new = [i for i, digest in enumerate(data.digest) if inputs.isdisjoint(known.get(digest.tobytes(), ()))]
    orphans = [data.key[i] for i in new if not parents.get(int(data.row[i]))]
    if orphans:
        raise Refused(
            f"{len(orphans):,} rows are in no input and have no parents: {', '.join(orphans[: snapshots.SHOWN])}",
            path=data.path,
            remedy="say what they were made of, or add them from a source first",
        )
    if not new:
        return
    salts, commits = commitments(data.digest[new])
    time, entries = ledger.time(), []
    for i, position in enumerate(new):
        numbers = np.asarray(parents[int(data.row[position])], np.int64)
        if not ((numbers >= 0) & (numbers < len(before))).all() or (before[numbers] == snapshots.UNREADABLE).any():
            raise DataError(
                f"row {data.key[position]} has the parents {numbers.tolist()}; the inputs have {len(before):,} readable records"
            )
        body = {"step": step, "parents": np.unique(before[numbers]).tolist(), "commit": commits[32 * i : 32 * i + 32].hex()}
        if len(data.y) and data.y[position] != MISSING:
            body["label"] = data.classes[data.y[position]]
        entries.append(Event("row.derived", time, ledger.actor, body).encode())
    ledger.openings.keep(ledger.log.next_number(), data.digest[new], salts, [data.key[i] for i in new])
    ledger.commit(entries)
