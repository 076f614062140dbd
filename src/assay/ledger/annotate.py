"""What the ledger knows of a data set's rows, as columns: who brought each, from which source, when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from assay.dataset.data import Dataset
from assay.ledger import lineage, snapshots
from assay.ledger.ledger import Ledger

CONTRIBUTOR, SOURCE = "ledger.contributor", "ledger.source"


def annotate(ledger: Ledger, data: Dataset) -> Dataset:
    """`data` with the columns CONTRIBUTOR and SOURCE, null where the ledger does not know, named as what they are.

    A row that several brought has their names joined with " + ", and so has a row that a step made of several. Digests
    and fingerprint stay those of the data itself.
    """
    digests = [digest.tobytes() for digest in data.digest]
    held = snapshots.live_rows(ledger, digests)
    names = dict(ledger.index.db.execute("select id, name from names").fetchall())
    every = np.array([row for rows in held.values() for row in rows], np.int64)
    reached = lineage.ancestors(ledger.index, every)
    who = {int(row): (c, s) for row, c, s in ledger.index.select(_BROUGHT, reached)}
    made = {int(row) for (row,) in ledger.index.select("select distinct row from parents where row in (?)", every)}
    known = {}
    for digest, rows in held.items():
        origins: set[int] = set()
        for row in rows:
            origins |= set(lineage.ancestors(ledger.index, np.array([row])).tolist()) if row in made else {row}
        pairs = [who[row] for row in origins if row in who]
        known[digest] = tuple(" + ".join(sorted({names[pair[i]] for pair in pairs if pair[i] is not None})) or None for i in (0, 1))
    found = [known.get(digest, (None, None)) for digest in digests]
    table = data.table
    for place, name in enumerate((CONTRIBUTOR, SOURCE)):
        table = table.append_column(name, pa.array([pair[place] for pair in found], pa.string()))
    return replace(data, table=table, columns=replace(data.columns, contributor=CONTRIBUTOR, source=SOURCE))


_BROUGHT = "select row, contributor, source from rows where source is not null and row in (?)"
