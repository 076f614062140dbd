"""From a finding to its source: which rows, who brought them, what else they brought, and where it all went.

    report.json, rows.parquet  ->  rows of the ledger  ->  contributors and sources, with how unlikely their share is by chance
                               ->  everything else from those that stand out  ->  snapshots, models, aliases

A finding's digests lead to rows; rows that a step made lead to the rows they were made of. What it cannot see: rows that
were never added to the ledger or were erased from it (they are counted), and contributors who share one name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.ledger import lineage
from assay.ledger.index import Index
from assay.ledger.ledger import Ledger
from assay.ledger.lineage import Impact
from assay.ledger.snapshots import rows_ever
from assay.stats.enrichment import enrichment
from assay.stats.multiple import holm_adjusted

Int = NDArray[np.int64]

ALPHA = 0.01  # chance, at most, that a contributor or source of either list stands out where nobody does; Assay's own alpha
NOBODY = "(not recorded)"


@dataclass(frozen=True)
class Share:
    """One contributor or source: `rows` of the finding's are his, `of` all of the scanned ones."""

    name: str
    rows: int
    of: int
    p_value: float  # one-sided, hypergeometric, for this name alone
    adjusted: float  # Holm over all names of the list
    stands_out: bool


@dataclass(frozen=True)
class Trace:
    """What lies behind a finding. Row numbers are those of the ledger."""

    finding: str
    report: str  # SHA-256 of report.json, hex
    fingerprint: str  # of the data that was scanned
    verdict: str
    rows: Int  # of the finding, as they were brought; those that were removed since are among them
    removed: Int  # the events that removed them, ascending
    scanned: int  # rows of the report that are in the ledger, or were
    unknown: int  # rows of the finding that never were, or were erased
    contributors: tuple[Share, ...]
    sources: tuple[Share, ...]
    annotators: tuple[Share, ...]  # who last gave the rows other labels than they came with
    others: Int  # everything else from those that stand out, not removed
    impact: Impact  # of the finding's rows


@dataclass(frozen=True)
class Report:
    """What is needed of a scan's folder."""

    sha256: str
    fingerprint: str
    verdict: str
    findings: tuple[str, ...]
    digests: tuple[str | None, ...]  # hex
    members: dict[str, tuple[int, ...]]  # places of each finding's rows in `digests`
    quarantine: tuple[int, ...]


def read_report(folder: Path) -> Report:
    """Raises DataError where `folder` is no report of a scan."""
    try:
        data = (folder / "report.json").read_bytes()
        said: dict[str, Any] = json.loads(data)
        table = pq.read_table(folder / "rows.parquet", columns=["digest", "findings", "action"])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"no report of a scan can be read here ({error})", path=folder, remedy="give the folder that assay scan wrote"
        ) from error
    if said.get("schema") != "assay.report/1":
        raise DataError("not of the schema assay.report/1", path=folder / "report.json", remedy="scan again with this version of Assay")
    members: dict[str, list[int]] = {finding["id"]: [] for finding in said["findings"]}
    for place, names in enumerate(table.column("findings").to_pylist()):
        for name in names:
            members.setdefault(name, []).append(place)
    actions = table.column("action").to_pylist()
    return Report(
        sha256(data).hexdigest(),
        said["dataset"]["fingerprint"],
        said["verdict"],
        tuple(finding["id"] for finding in said["findings"]),
        tuple(table.column("digest").to_pylist()),
        {name: tuple(places) for name, places in members.items()},
        tuple(place for place, action in enumerate(actions) if action == "quarantine"),
    )


def trace(ledger: Ledger, report: Report, finding: str | None = None) -> Trace:
    """What lies behind `finding`, or behind all rows that the report quarantines. Raises DataError where there is none."""
    if finding is None:
        places, name = report.quarantine, "quarantined rows"
        if not places:
            raise DataError(
                "nothing is quarantined in this report", remedy=f"name a finding: {', '.join(report.findings) or 'there is none'}"
            )
    elif finding in report.members:
        places, name = report.members[finding], finding
    else:
        raise DataError(f"there is no finding {finding!r} in this report", remedy=f"there are: {', '.join(report.findings) or 'none'}")
    digests = [None if digest is None else bytes.fromhex(digest) for digest in report.digests]
    held = rows_ever(ledger, [digest for digest in digests if digest is not None])
    population = _origins(ledger.index, [row for rows in held.values() for row in rows])
    wanted = [digests[place] for place in places]
    unknown = sum(digest is None or digest not in held for digest in wanted)
    rows = _origins(ledger.index, [row for digest in wanted if digest is not None for row in held.get(digest, ())])
    contributors, sources = (_shares(_named(ledger.index, column, population), rows) for column in ("contributor", "source"))
    scanned = np.unique(np.array([row for numbers in held.values() for row in numbers], np.int64))
    found = np.unique(np.array([row for digest in wanted if digest is not None for row in held.get(digest, ())], np.int64))
    annotators = tuple(share for share in _shares(_annotated(ledger.index, scanned), found) if share.name != NOBODY)
    others = [lineage.brought_by(ledger.index, contributor=s.name) for s in contributors if s.stands_out]
    others += [lineage.brought_by(ledger.index, source=s.name) for s in sources if s.stands_out]
    rest = np.setdiff1d(np.concatenate([np.zeros(0, np.int64), *others]), rows)
    return Trace(
        name,
        report.sha256,
        report.fingerprint,
        report.verdict,
        rows,
        lineage.removals(ledger.index, rows),
        len(population),
        unknown,
        contributors,
        sources,
        annotators,
        rest,
        lineage.impact(ledger, rows),
    )


def _origins(index: Index, rows: Sequence[int]) -> Int:
    """The rows that somebody brought, among these and all they were made of."""
    reached = lineage.ancestors(index, np.array(rows, np.int64))
    found = index.select("select row from rows where source is not null and row in (?)", reached)
    return np.unique(np.array([row for (row,) in found], np.int64))


def _named(index: Index, column: str, rows: Int) -> dict[int, str]:
    """Whose each row is, by the contributor or the source."""
    names = dict(index.db.execute("select id, name from names").fetchall())
    return {row: names.get(who, NOBODY) for row, who in index.select(f"select row, {column} from rows where row in (?)", rows)}


def _annotated(index: Index, rows: Int) -> dict[int, str]:
    """Who last changed the label of each row, or of the nearest row it was made of whose label was changed."""
    names = dict(index.db.execute("select id, name from names").fetchall())
    who = {row: names[annotator] for row, annotator in index.db.execute("select row, annotator from labels order by event")}
    parents: dict[int, list[int]] = {}
    for row, parent in index.db.execute("select row, parent from parents") if who else ():
        parents.setdefault(row, []).append(parent)

    def nearest(row: int) -> str:
        front = [row]
        while front:
            named = [who[one] for one in front if one in who]
            if named:
                return named[0]
            front = [parent for one in front for parent in parents.get(one, ())]
        return NOBODY

    return {row: nearest(row) for row in rows.tolist()}


def _shares(everyone: dict[int, str], rows: Int) -> tuple[Share, ...]:
    """How many of `rows` each name of `everyone` (by row) has."""
    mine = [everyone[row] for row in rows.tolist()]
    total, drawn = _count(list(everyone.values())), _count(mine)
    order = sorted(total)
    p = enrichment(np.array([drawn.get(name, 0) for name in order]), np.array([total[name] for name in order]), len(rows), len(everyone))
    adjusted = holm_adjusted(p)
    shares = [
        Share(name, drawn[name], total[name], float(p[i]), float(adjusted[i]), bool(adjusted[i] <= ALPHA and name != NOBODY))
        for i, name in enumerate(order)
        if name in drawn
    ]
    return tuple(sorted(shares, key=lambda s: (s.p_value, -s.rows, s.name)))


def _count(names: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
