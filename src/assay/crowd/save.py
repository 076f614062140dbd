"""What a study of a crowd leaves on disk: `crowd.json`, `labels.parquet` and `annotators.parquet`, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.crowd.aggregate import Aggregate
from assay.crowd.boxes import Boxes, box_table
from assay.crowd.disputes import Disputes, Reading
from assay.crowd.hostile import Hostile
from assay.crowd.multilabel import Labels, Open
from assay.crowd.votes import Votes
from assay.dataset.atomic import whole
from assay.version import __version__

Study = Aggregate | Labels
Disputed = Disputes | Open
SCHEMA = "assay.crowd/1"
MOST_ROWS = 1_000  # of one accusation listed in crowd.json


def save(aggregate: Study, read: Votes, found: Hostile, disputed: Disputed, out: str | Path, boxes: Boxes | None = None) -> Path:
    """Writes the folder `out`, which must not be there yet (DataError); with `boxes`, that the votes are of, `boxes.parquet` too.

    `read`: the votes as they were read; those of the accused may be left out of the aggregate.
    """
    folder = Path(out)
    with whole(folder) as (new,):
        new.mkdir()
        (new / "crowd.json").write_text(
            json.dumps(document(aggregate, read, found, disputed), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        pq.write_table(label_table(aggregate, disputed), new / "labels.parquet")
        pq.write_table(annotator_table(aggregate, read, found), new / "annotators.parquet")
        if boxes is not None and isinstance(aggregate, Aggregate):
            pq.write_table(box_table(boxes, aggregate), new / "boxes.parquet")
    return folder


def document(aggregate: Study, read: Votes, found: Hostile, disputed: Disputed) -> dict[str, Any]:
    """The study in JSON types: `votes`, `rows` and `annotators` as they were read; `votes_left_out` of them do not count."""
    votes = aggregate.votes
    return {
        "schema": SCHEMA,
        "assay": __version__,
        "votes": len(read),
        "rows": len(read.rows),
        "annotators": len(read.annotators),
        "votes_left_out": len(read) - len(votes),
        "rows_left_without_a_vote": emptied(votes, read),
        "classes": list(votes.classes),
        "labels": list(aggregate.names) if isinstance(aggregate, Labels) else None,
        "alpha": {scale: None if np.isnan(value) else value for scale, value in aggregate.reliability().items()},
        "method": aggregate.method,
        "rounds": aggregate.rounds,
        "notes": list(votes.notes),
        **_accusations(votes, found),
        "disputes": {reading: disputed.reading.count(reading) for reading in get_args(Reading)},
        "open_pairs": [[votes.classes[t], votes.classes[s]] for t, s in disputed.confused],
    }


def emptied(votes: Votes, read: Votes) -> int:
    """How many rows have votes among those `read`, and none among `votes`, those that count."""
    return int(((votes.votes_on == 0) & (read.votes_on > 0)).sum())


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
        "labels_changed_without_them": found.changed,
        "damage": [{**asdict(harm), "annotators": [votes.annotators[who] for who in harm.annotators]} for harm in found.damage],
    }


def label_table(aggregate: Study, disputed: Disputed) -> pa.Table:
    """A line a row: its label (null without votes), how sure, how many votes count and how many classes they name; where they
    differ, why, how likely that reading is, and the evidence. `posterior` has a chance for each class, or for each of several labels.
    """
    votes = aggregate.votes
    where = np.full(len(votes.rows), len(disputed))
    where[disputed.row] = np.arange(len(disputed))
    at = pa.array(where)
    return pa.table(
        {
            "row": pa.array(votes.rows, pa.string()),
            "label": pa.array(aggregate.text(), pa.string()),
            "confidence": aggregate.confidence,
            "votes": votes.votes_on,
            "named": (votes.counts > 0).sum(1),
            "dispute": pa.array([*disputed.reading, None], pa.string()).take(at),
            "dispute_chance": pa.array([*disputed.chance.tolist(), None], pa.float64()).take(at),
            "evidence": pa.array([*disputed.evidence, None], pa.string()).take(at),
            "posterior": pa.FixedSizeListArray.from_arrays(pa.array(aggregate.posterior.ravel()), aggregate.posterior.shape[1]),
        }
    )


def annotator_table(aggregate: Study, read: Votes, found: Hostile) -> pa.Table:
    """A line an annotator: votes as read, skill (expected share right; null where none counts), what they are accused of (null: nothing),
    and the confusion matrix, truth by truth (of several labels: no and yes by what was said, label by label).
    """
    votes = aggregate.votes
    accused: list[str | None] = [None] * len(votes.annotators)
    for accusation in reversed(found.accusations):
        accused[accusation.annotator] = accusation.kind
    confusion = aggregate.confusion()
    flat = pa.FixedSizeListArray.from_arrays(pa.array(confusion.ravel()), confusion.size // max(1, len(confusion)))
    return pa.table(
        {
            "annotator": pa.array(votes.annotators, pa.string()),
            "votes": read.votes_of,
            "skill": pa.array(aggregate.skill, from_pandas=True),
            "accused": pa.array(accused, pa.string()),
            "confusion": flat,
        }
    )
