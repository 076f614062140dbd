"""What a study of a crowd leaves on disk: `crowd.json`, `labels.parquet` and `annotators.parquet`, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.crowd.aggregate import Aggregate
from assay.dataset.atomic import whole
from assay.version import __version__

SCHEMA = "assay.crowd/1"


def save(aggregate: Aggregate, out: str | Path) -> Path:
    """Writes the folder `out`, which must not be there yet (DataError)."""
    folder = Path(out)
    with whole(folder) as (new,):
        new.mkdir()
        (new / "crowd.json").write_text(json.dumps(document(aggregate), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pq.write_table(label_table(aggregate), new / "labels.parquet")
        pq.write_table(annotator_table(aggregate), new / "annotators.parquet")
    return folder


def document(aggregate: Aggregate) -> dict[str, Any]:
    """The study in JSON types."""
    votes = aggregate.votes
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


def annotator_table(aggregate: Aggregate) -> pa.Table:
    """A line an annotator: votes, skill (expected share right), and the confusion matrix, truth by truth."""
    votes = aggregate.votes
    k = len(votes.classes)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(aggregate.confusion().ravel()), k * k)
    return pa.table(
        {
            "annotator": pa.array(votes.annotators, pa.string()),
            "votes": votes.votes_of,
            "skill": pa.array(aggregate.skill, from_pandas=True),
            "confusion": flat,
        }
    )
