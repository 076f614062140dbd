"""Rows into the ledger: who brought each, under which approval, one event a row.

What is checked before anything is logged: that the source is registered, approved by enough keys, not expired, not revoked,
within its quota and labels, and that the data set is the very one that was reviewed, where the approval pins one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import MISSING, Dataset
from assay.ledger.approval import Request, admit
from assay.ledger.events import rows_added
from assay.ledger.fold import DAY
from assay.ledger.ledger import Ledger, check_names
from assay.ledger.openings import commitments
from assay.ledger.snapshots import live_rows

Int = NDArray[np.int64]

SEGMENT = 50_000  # events appended together: 13 MB of journal


@dataclass(frozen=True)
class Added:
    """What `add` did."""

    rows: Int  # numbers of the new rows
    known: int  # rows that this source had brought before
    unreadable: int  # records that could not be read, and were left out


def add(ledger: Ledger, data: Dataset, source: str, *, contributor: str | None = None, dry_run: bool = False) -> Added:
    """Logs every row of `data` that `source` has not brought before.

    `contributor` is who brought them all; without it the data set's contributor column says so row by row. A row that
    occurs twice in the data is two rows. `dry_run` checks, and logs nothing. Raises Refused or DataError, and nothing is
    logged then.
    """
    who = _contributors(data, contributor)
    labels = _labels(data)
    check_names(who, "contributor")
    check_names(labels, "label")
    with ledger.writing():
        new = _new(ledger, data, source)
        by = Counter(who[i] for i in new)
        labelled = frozenset(label for i in new if (label := labels[i]) is not None)
        request = Request(ledger.time(), len(new), by, labelled, data.fingerprint)
        already = ledger.index.brought(source, request.time[:DAY], by)
        admit(ledger.index.policy(), ledger.index.source(source), request, already)
        done = Added(np.arange(len(new), dtype=np.int64), len(data) - len(new), len(data.unreadable))
        if dry_run or not len(new):
            return done
        salts, commits = commitments(data.digest[new])
        first = ledger.log.next_number()
        ledger.openings.keep(first, data.digest[new], salts, [data.key[i] for i in new])
        entries = rows_added(source, [who[i] for i in new], [labels[i] for i in new], commits, request.time, ledger.actor)
        for start in range(SEGMENT, len(entries), SEGMENT):
            ledger.log.append(entries[start - SEGMENT : start])
        ledger.commit(entries[(len(entries) - 1) // SEGMENT * SEGMENT :])
        return Added(first + done.rows, done.known, done.unreadable)


def _contributors(data: Dataset, contributor: str | None) -> list[str | None]:
    if contributor is not None:
        return [contributor] * len(data)
    values = data.values(data.columns.contributor)
    return [None] * len(data) if values is None else [None if v is None else str(v) for v in values]


def _labels(data: Dataset) -> list[str | None]:
    if not len(data.y):
        return [None] * len(data)
    return [None if code == MISSING else data.classes[code] for code in data.y.tolist()]


def _new(ledger: Ledger, data: Dataset, source: str) -> Int:
    """Positions of the rows that this source has not brought yet, as often as they occur. Tampered where an opening was altered."""
    digests = [row.tobytes() for row in data.digest]
    held = live_rows(ledger, digests)
    if not held:
        return np.arange(len(data), dtype=np.int64)
    numbers = np.array([row for rows in held.values() for row in rows], np.int64)
    query = "select row from rows join names on rows.source = names.id where removed is null and name = ?"
    mine = set(np.intersect1d(numbers, ledger.index.column(query, (source,))).tolist())
    left = Counter({digest: sum(row in mine for row in rows) for digest, rows in held.items()})
    new = []
    for position, digest in enumerate(digests):
        if left[digest] > 0:
            left[digest] -= 1
        else:
            new.append(position)
    return np.array(new, np.int64)
