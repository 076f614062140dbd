"""Steps: what was done to a data set between two snapshots, so that a row of the second leads back to rows of the first.

A row that a step left as it was is the same row still. A row that it made (joined, augmented, rewritten) is logged as
`row.derived` with its parents, has no source of its own, and answers for nobody: its parents' contributors do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

KINDS = ("filter", "join", "dedupe", "augment", "label", "other")


@dataclass(frozen=True)
class Step:
    """What was run: a name, one of KINDS, the commit of the code, and its parameters as texts.

    A step of the kind "label" gave rows other labels: `annotator` did, and each change is an event of its own.
    """

    name: str
    kind: str
    code: str
    parameters: Mapping[str, str]
    annotator: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"there is no kind of step {self.kind!r}", remedy=f"choose among {', '.join(KINDS)}")
        if (self.kind == "label") != bool(self.annotator):
            raise DataError("a step of the kind label, and no other, has an annotator", remedy="say who gave the labels")


def record(
    ledger: Ledger, data: Dataset, step: Step, inputs: Sequence[str], output: str, parents: Mapping[int, Sequence[int]] | None = None
) -> Snapshot:
    """Log `step`, the rows it made, and the data set it made as the snapshot `output`.

    `parents` gives, for the record number of each row that the step made, the record numbers it was made of, counted through
    the inputs one after another. Rows that are in an input need none, nor do rows of a label step that have the name (path or id) of a
    row of the input, or are in its place. Raises Refused where a row has neither.
    """
    with ledger.writing():
        before = np.concatenate([snapshots.rows_of(ledger, name) for name in inputs]) if inputs else np.zeros(0, np.int64)
        _derive(ledger, data, step, before, parents or {})
        made = snapshots.take(ledger, data, output, parent=inputs[0] if inputs else None)
        body = {"name": step.name, "kind": step.kind, "inputs": list(inputs), "output": output, "code": step.code}
        ledger.record([("step", body | {"parameters": dict(step.parameters)})])
        return made


def _derive(ledger: Ledger, data: Dataset, step: Step, before: Int, parents: Mapping[int, Sequence[int]]) -> None:
    known = snapshots.live_rows(ledger, [digest.tobytes() for digest in data.digest])
    inputs = set(before.tolist())
    new = [i for i, digest in enumerate(data.digest) if inputs.isdisjoint(known.get(digest.tobytes(), ()))]
    if step.annotator:
        parents = _namesakes(ledger, data, known, new, before) | dict(parents)
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
    first, time = ledger.log.next_number(), ledger.time()
    made, labelled = [], []
    for i, position in enumerate(new):
        numbers = np.asarray(parents[int(data.row[position])], np.int64)
        if not ((numbers >= 0) & (numbers < len(before))).all() or (before[numbers] == snapshots.UNREADABLE).any():
            raise DataError(
                f"row {data.key[position]} has the parents {numbers.tolist()}; the inputs have {len(before):,} readable records"
            )
        rows = np.unique(before[numbers]).tolist()
        body: dict[str, Any] = {"step": step.name, "parents": rows, "commit": commits[32 * i : 32 * i + 32].hex()}
        label = data.classes[data.y[position]] if len(data.y) and data.y[position] != MISSING else None
        if step.annotator and label is not None:  # the row comes with its old label, and then is given the new one
            was = ledger.index.label(rows[0])
            if was != label:
                change = {"row": first + i, "label": label, "annotator": step.annotator} | ({} if was is None else {"before": was})
                labelled.append(Event("label.set", time, ledger.actor, change).encode())
            label = was
        made.append(Event("row.derived", time, ledger.actor, body | ({} if label is None else {"label": label})).encode())
    ledger.openings.keep(first, data.digest[new], salts, [data.key[i] for i in new])
    ledger.commit([*made, *labelled])


def _namesakes(
    ledger: Ledger, data: Dataset, known: Mapping[bytes, Sequence[int]], new: Sequence[int], before: Int
) -> dict[int, list[int]]:
    """For each new row, by record number, the record of the inputs that it was before.

    By its name (path or id). Where rows have no names but their numbers, it is the record in the same place, if there are as
    many records as before and every other row is where it was; else none is given.
    """
    if any(key != str(number) for key, number in zip(data.key, data.row.tolist(), strict=True)):
        names = ledger.openings.names()
        place = {names[row]: number for number, row in enumerate(before.tolist()) if row in names}
        return {int(data.row[i]): [place[data.key[i]]] for i in new if data.key[i] in place}
    others = np.setdiff1d(np.arange(len(data)), np.asarray(new, np.int64))
    in_place = len(before) == data.records and all(int(before[data.row[i]]) in known[data.digest[i].tobytes()] for i in others)
    return {int(data.row[i]): [int(data.row[i])] for i in new} if in_place else {}
