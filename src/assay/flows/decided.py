"""From a review to the ledger: every decision that stands, and every label that the decisions change.

A decision's reason stays in the review: it may quote the row, and no content is in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.crowd.review import Outcome, data_of, open_review, outcomes
from assay.dataset.errors import DataError
from assay.ledger.ledger import Ledger
from assay.ledger.snapshots import live_rows

CANNOT_TELL = "?"  # what the log says of a decision without a label, as reviewers type it


@dataclass(frozen=True)
class Recorded:
    """What was logged, or with `dry_run` would be. `unknown`, `doubles`: reviewed rows that are passed over."""

    decisions: int
    labels: int
    known: int  # decisions that the log has already
    unknown: int  # the ledger does not hold them
    doubles: int  # to the bit as one reviewed before: the log tells them apart no more than their digests do
    first: int | None  # number of the first event; None where there is none


def record_review(ledger: Ledger, folder: Path, data: Path | None = None, *, dry_run: bool = False) -> Recorded:
    """Log the decisions of the review in `folder` that the log has not, and a `label.set` for each settled row with another label.

    All of it is logged or none. A row that several sources brought gets both for each of them. The annotator of a label is whoever
    agreed on it, joined by "+". Raises DataError where the data has changed since the review, or the ledger holds none of its rows.
    """
    review = open_review(folder)
    held = data_of(review, data)
    place = {int(row): held.digest[i].tobytes() for i, row in enumerate(held.row)}
    reviewed = outcomes(review)
    found = list({place[outcome.task.row]: outcome for outcome in reversed(reviewed)}.values())  # the most valuable of doubles
    with ledger.writing():
        live = live_rows(ledger, [place[outcome.task.row] for outcome in found])
        if not live:
            raise DataError("the ledger holds none of the reviewed rows", path=folder, remedy="assay ledger add the data first")
        told = {(int(row), str(who)): str(said) for row, said, who in _decisions(ledger)}
        decisions: list[tuple[str, dict[str, Any]]] = []
        labels: list[tuple[str, dict[str, Any]]] = []
        known = 0
        for outcome in found:
            for row in live.get(place[outcome.task.row], ()):
                for look in outcome.looks:
                    said = look.label if look.label is not None else CANNOT_TELL
                    if told.get((row, look.reviewer)) == said:
                        known += 1
                    else:
                        decisions.append(("review.decision", {"row": row, "decision": said, "reviewer": look.reviewer}))
                labels += _change(outcome, row, ledger.index.label(row))
        events = decisions + labels
        first = ledger.record(events) if events and not dry_run else None
    unknown = sum(place[outcome.task.row] not in live for outcome in found)
    return Recorded(len(decisions), len(labels), known, unknown, len(reviewed) - len(found), first)


def _decisions(ledger: Ledger) -> list[tuple[Any, ...]]:
    return ledger.index.db.execute("select row, decision, reviewer from decisions order by event").fetchall()


def _change(outcome: Outcome, row: int, before: str | None) -> list[tuple[str, dict[str, Any]]]:
    """The event by which a settled row gets another label; none where it has it already."""
    if outcome.state != "settled" or outcome.label is None or outcome.label == before:
        return []
    agreed = "+".join(sorted(look.reviewer for look in outcome.looks if look.label == outcome.label))
    return [("label.set", {"row": row, "label": outcome.label, "annotator": agreed} | ({} if before is None else {"before": before}))]
