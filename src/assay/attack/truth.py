"""The truth about a poisoned data set: a Parquet file beside it, a line a row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.artefact.base import Artefact
from assay.artefact.registry import from_json
from assay.attack.base import Bools, Int, Planted
from assay.dataset.errors import DataError
from assay.dataset.parquet_table import parquet_table

SUFFIX = ".truth.parquet"
SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("poisoned", pa.bool_(), nullable=False),
        pa.field("attack", pa.string()),
        pa.field("cover", pa.bool_(), nullable=False),
    ]
)
META = b"assay.attack"  # schema metadata: what was asked and the artefacts, as JSON


@dataclass(frozen=True)
class Truth:
    """Row numbers and keys are those of the poisoned data set, in its order."""

    row: Int
    key: tuple[str, ...]
    poisoned: Bools
    attack: tuple[str | None, ...]  # None where the row is not poisoned
    artefacts: tuple[Artefact, ...]
    targets: tuple[str | None, ...]  # one a trigger; None: all-to-all
    asked: dict[str, Any]  # kind, rate, carriers, target, seed, params
    cover: Bools  # rows the attacker changed that keep their label; never poisoned ones


def truth_path(out: Path) -> Path:
    """Where the truth of a data set lies: `OUT.truth.parquet`.

    >>> truth_path(Path("dir/poisoned.csv")).name
    'poisoned.csv.truth.parquet'
    """
    return out.with_name(out.name + SUFFIX)


def truth_table(planted: Planted, row: Int, key: Sequence[str], asked: Mapping[str, Any]) -> pa.Table:
    """(row, key, poisoned, attack, cover), artefacts in the schema's metadata; `row` and `key` (n,) are those of the output."""
    order = np.argsort(row, kind="stable")
    poisoned = planted.poisoned[order]
    cover = np.zeros(len(poisoned), bool) if planted.cover is None else planted.cover[order]
    said = {
        "asked": _plain(asked),
        "artefacts": [artefact.to_json() for artefact in planted.artefacts],
        "targets": [None if t.target is None else planted.data.classes[t.target] for t in planted.triggers],
    }
    table = pa.table(
        [
            pa.array(np.asarray(row)[order], pa.int64()),
            pa.array([key[i] for i in order], pa.string()),
            pa.array(poisoned),
            pa.array([planted.name if p else None for p in poisoned], pa.string()),
            pa.array(cover),
        ],
        schema=SCHEMA,
    )
    return table.replace_schema_metadata({META: json.dumps(said).encode()})


def _plain(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON can hold of what was asked: an array that was given as a parameter is named, not stored."""
    plain: dict[str, Any] = {}
    for name, value in asked.items():
        if isinstance(value, Mapping):
            plain[name] = _plain(value)
        else:
            plain[name] = value if isinstance(value, str | int | float | bool | None) else f"({type(value).__name__})"
    return plain


def read_truth(path: Path) -> Truth:
    """The truth that `assay attack` wrote; DataError for any other file."""
    table = parquet_table(path, remedy="poison the data again", what="this truth")
    said = (table.schema.metadata or {}).get(META)
    if said is None or not table.schema.equals(SCHEMA):
        raise DataError("this is no truth of an attack", path=path, remedy=f"give the OUT{SUFFIX} of `assay attack`")
    meta = json.loads(said)
    return Truth(
        np.asarray(table.column("row"), np.int64),
        tuple(table.column("key").to_pylist()),
        np.asarray(table.column("poisoned"), bool),
        tuple(table.column("attack").to_pylist()),
        tuple(from_json(a) for a in meta["artefacts"]),
        tuple(meta["targets"]),
        meta["asked"],
        np.asarray(table.column("cover"), bool),
    )
