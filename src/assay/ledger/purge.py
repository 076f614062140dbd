"""Taking rows out: logged, provable, and with the list of what has to be made again.

The log keeps that a row was there and that it was removed; the data set's new snapshot is without it. What was trained on an
older snapshot is named, with the aliases that point at it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.removal import Removal, copy_without, discard
from assay.dataset.reread import read_without
from assay.ledger import content, lineage, snapshots
from assay.ledger.errors import Refused
from assay.ledger.events import Event
from assay.ledger.ledger import Ledger
from assay.ledger.lineage import Impact
from assay.ledger.snapshots import Snapshot

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Purge:
    """What was removed. `first` and `last` number the `row.removed` events; proofs of these are proofs of the removal."""

    rows: Int  # removed: those asked for, and what was made of them
    first: int
    last: int
    erased: int  # openings deleted: nobody can tell any more what these rows were
    impact: Impact


def purge(ledger: Ledger, rows: Int, reason: str, *, erase: bool = False) -> Purge:
    """Log the removal of `rows` and of all rows made of them; with `erase`, forget their salts, digests and names too.

    Raises Refused where none of them is in the ledger any more.
    """
    if not reason.strip():
        raise DataError("a removal needs a reason", remedy="give --reason; everyone who reads the log will see it")
    with ledger.writing():
        live = ledger.index.live(lineage.descendants(ledger.index, rows))
        if not len(live):
            raise Refused("none of these rows is in the ledger, or all were removed before")
        found = lineage.impact(ledger, live)
        time = ledger.time()
        entries = [Event("row.removed", time, ledger.actor, {"row": row, "reason": reason}).encode() for row in live.tolist()]
        first = ledger.commit(entries)
        erased = _erase(ledger, live) if erase else 0
        return Purge(live, first, first + len(live) - 1, erased, found)


def _erase(ledger: Ledger, rows: Int) -> int:
    content.forget(ledger, rows)
    return ledger.openings.erase(rows)


@dataclass(frozen=True)
class Cleaned:
    """A data set without the rows that were removed."""

    purge: Purge
    removal: Removal  # the copy, and where what was left out is kept
    snapshot: Snapshot


def purge_data(ledger: Ledger, data: Dataset, rows: Int, reason: str, out: Path, name: str, *, erase: bool = False) -> Cleaned:
    """Remove `rows`, write `data` without them to `out` in its own format, and take that as the snapshot `name`.

    A record stays where another source that still stands brought the same row. The copy is read again before the first event: a removal
    cannot be taken back. Raises Refused or DataError, and then nothing is logged and no copy is left.
    """
    with ledger.writing():
        snapshots.check_free(ledger, name)
        standing = ledger.index.live(rows)
        if len(rows) and not len(standing):
            raise Refused(
                f"all of these rows are gone: {removed(ledger, rows)}",
                remedy="where a copy without them has no snapshot: assay ledger snapshot",
            )
        gone = lineage.descendants(ledger.index, standing)
        drop = records_of(ledger, data, gone)
        if not len(drop):
            raise DataError("holds none of the rows that are to be removed", path=data.path, remedy="give the data set that holds them")
        removal = copy_without(data.path, out, drop, records=data.records, fingerprint=data.fingerprint)
        try:
            again = read_without(data, drop, out)
            snapshots.check_known(ledger, again)
        except BaseException:  # a full disk or Ctrl-C too: no copy is left of what was not logged
            discard(out)
            raise
        done = purge(ledger, standing, reason)
        taken = snapshots.take(ledger, again, name, parent=_parent(ledger, data))
        if np.isin(taken.rows, done.rows).any():
            raise Refused(f"the snapshot {name!r} still holds rows that were removed", path=out)
        erased = _erase(ledger, done.rows) if erase else 0
        return Cleaned(replace(done, erased=erased), removal, taken)


def removed(ledger: Ledger, rows: Int) -> str:
    """How many of `rows` were removed and by which events, in words; nothing where none was."""
    events = lineage.removals(ledger.index, rows)
    if not len(events):
        return ""
    first, last = int(events[0]), int(events[-1])
    span = f"events {first} to {last}" if last - first + 1 == len(events) else f"between event {first} and event {last}"
    was = "row was" if len(events) == 1 else "rows were"
    return f"{len(events):,} {was} removed ({span if first < last else f'event {first}'})"


def records_of(ledger: Ledger, data: Dataset, rows: Int) -> Int:
    """The record numbers of `data`, ascending, that only `rows` answer for: no other row that stands has their digest."""
    gone = set(rows.tolist())
    live = snapshots.live_rows(ledger, [digest.tobytes() for digest in data.digest])
    mine = [bool(held) and gone.issuperset(held) for held in (live.get(digest.tobytes(), ()) for digest in data.digest)]
    return data.row[np.array(mine, bool)]


def _parent(ledger: Ledger, data: Dataset) -> str | None:
    """The last snapshot of exactly this data, if there is one."""
    query = "select name from snapshots where root = ? order by event desc"
    found = ledger.index.db.execute(query, (data.fingerprint,)).fetchone()
    return None if found is None else str(found[0])
