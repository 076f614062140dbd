"""Who stands behind rows, and what stands on them: parents and children through steps, snapshots, models, aliases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.ledger import snapshots
from assay.ledger.errors import Refused
from assay.ledger.index import Index
from assay.ledger.ledger import Ledger

Int = NDArray[np.int64]

SHOWN = 20  # names in a refusal


@dataclass(frozen=True)
class Model:
    """A model trained on a snapshot that holds the rows asked about."""

    name: str
    digest: str
    snapshot: str
    aliases: tuple[str, ...]  # that point at it now: what is live


@dataclass(frozen=True)
class Impact:
    """What holds rows, or rows made of them."""

    rows: Int  # those asked about
    derived: Int  # made of them by steps
    snapshots: tuple[tuple[str, int], ...]  # (name, how many of rows and derived it holds), oldest first
    models: tuple[Model, ...]


def ancestors(index: Index, rows: Int) -> Int:
    """The rows and all they were made of, ascending."""
    return _closure(index, rows, "select parent from parents where row in (?)")


def descendants(index: Index, rows: Int) -> Int:
    """The rows and all that was made of them, ascending."""
    return _closure(index, rows, "select row from parents where parent in (?)")


def _closure(index: Index, rows: Int, query: str) -> Int:
    reached = front = np.unique(np.asarray(rows, np.int64))
    if not index.db.execute("select 1 from parents limit 1").fetchone():
        return reached
    while len(front):
        found = np.unique(np.array([row for (row,) in index.select(query, front)], np.int64))
        front = np.setdiff1d(found, reached)
        reached = np.union1d(reached, front)
    return reached


def impact(ledger: Ledger, rows: Int) -> Impact:
    """Every snapshot that holds one of `rows` or what was made of it, and every model trained on one of those."""
    asked = np.unique(np.asarray(rows, np.int64))
    reached = descendants(ledger.index, asked)
    held = []
    for name in snapshots.names(ledger):
        count = int(np.isin(snapshots.rows_of(ledger, name), reached).sum())
        if count:
            held.append((name, count))
    live = aliases(ledger.index)
    models = []
    for name, _ in held:
        query = "select model, digest from models where snapshot = ? order by event"
        for model, digest in ledger.index.db.execute(query, (name,)):
            models.append(Model(model, digest, name, tuple(sorted(alias for alias, target in live.items() if target == model))))
    return Impact(asked, np.setdiff1d(reached, asked), tuple(held), tuple(models))


def aliases(index: Index) -> dict[str, str]:
    """Where every alias points now."""
    return {str(alias): str(model) for alias, model in index.db.execute("select alias, model from aliases order by event")}


def removals(index: Index, rows: Int) -> Int:
    """The numbers of the events that removed some of `rows`, ascending: as many as were removed."""
    found = index.select("select removed from rows where removed is not null and row in (?)", np.unique(rows))
    return np.array(sorted(event for (event,) in found), np.int64)


def brought_by(index: Index, *, source: str | None = None, contributor: str | None = None, removed: bool = False) -> Int:
    """The rows of a source, of a contributor, or of one from the other, ascending; those `removed` since where asked for.

    Raises Refused where there is no source or contributor of that name: no rows of a misspelt one would read as no harm done.
    """
    if source is not None:
        _known(source, "source", index.source_names())
    if contributor is not None:
        query = "select name from names where exists (select 1 from rows where contributor = names.id) order by name"
        _known(contributor, "contributor", [str(name) for (name,) in index.db.execute(query)])
    query, values = "select row from rows where " + ("true" if removed else "removed is null"), []
    for column, name in (("source", source), ("contributor", contributor)):
        if name is not None:
            query += f" and {column} = (select id from names where name = ?)"
            values.append(name)
    return index.column(query + " order by row", values)


def _known(name: str, what: str, names: Sequence[str]) -> None:
    if name not in names:
        there = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
        raise Refused(f"there is no {what} {name!r} in this ledger; there are: {there or 'none'}", remedy="name one of them")
