"""What a study of a crowd leaves on disk: `crowd.json`, `labels.parquet` and `annotators.parquet`, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.crowd.aggregate import Aggregate
from assay.crowd.hostile import Hostile
from assay.crowd.votes import Votes
from assay.dataset.atomic import whole
from assay.version import __version__

SCHEMA = "assay.crowd/1"
MOST_ROWS = 1_000  # of one accusation listed in crowd.json


def save(aggregate: Aggregate, out: str | Path, found: Hostile | None = None) -> Path:
    """Writes the folder `out`, which must not be there yet (DataError). `found` says whom to trust."""
    folder = Path(out)
    with whole(folder) as (new,):
        new.mkdir()
        (new / "crowd.json").write_text(json.dumps(document(aggregate, found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pq.write_table(label_table(aggregate), new / "labels.parquet")
        pq.write_table(annotator_table(aggregate, found), new / "annotators.parquet")
    return folder


def document(aggregate: Aggregate, found: Hostile | None = None) -> dict[str, Any]:
    """The study in JSON types."""
    votes = aggregate.votes
    told = {} if found is None else _accusations(votes, found)
    return {
        "schema": SCHEMA,
        "assay": __version__,
        "votes": len(votes),
        "rows": len(votes.rows),
        "annotators": len(votes.annotators),
        "classes": list(votes.classes),
        "method": aggregate.method,
        "rounds": aggregate.rounds,
        "notes": list(votes.notes),
        **told,
    }


def _accusations(votes: Votes, found: Hostile) -> dict[str, Any]:
    return {
        "accused": [
            {
                "annotator": votes.annotators[a.annotator],
                "kind": a.kind,
                "p_value": a.p_value,
                "evidence": a.evidence,
                "partners": [votes.annotators[p] for p in a.partners],
                "rows": [votes.rows[r] for r in a.rows[:MOST_ROWS]],
                "row_count": len(a.rows),
                "since": a.since,
            }
            for a in found.accusations
        ],
        "checks": [asdict(check) for check in found.checks],
        "labels_changed_without_them": found.damage,
    }


def label_table(aggregate: Aggregate) -> pa.Table:
    """A line a row: its label (null without votes), how sure, how many votes and how many classes they name."""
    votes = aggregate.votes
    names = pa.array([*votes.classes, None], pa.string())
    return pa.table(
        {
            "row": pa.array(votes.rows, pa.string()),
            "label": names.take(pa.array(np.where(aggregate.label < 0, len(votes.classes), aggregate.label))),
            "confidence": aggregate.confidence,
            "votes": votes.votes_on,
            "named": (votes.counts > 0).sum(1),
            "posterior": pa.FixedSizeListArray.from_arrays(pa.array(aggregate.posterior.ravel()), len(votes.classes)),
        }
    )


def annotator_table(aggregate: Aggregate, found: Hostile | None = None) -> pa.Table:
    """A line an annotator: votes, skill (expected share right), what they are accused of (null: nothing), and the confusion
    matrix, truth by truth.
    """
    votes = aggregate.votes
    accused: list[str | None] = [None] * len(votes.annotators)
    for accusation in reversed(found.accusations if found else ()):
        accused[accusation.annotator] = accusation.kind
    k = len(votes.classes)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(aggregate.confusion().ravel()), k * k)
    return pa.table(
        {
            "annotator": pa.array(votes.annotators, pa.string()),
            "votes": votes.votes_of,
            "skill": pa.array(aggregate.skill, from_pandas=True),
            "accused": pa.array(accused, pa.string()),
            "confusion": flat,
        }
    )
