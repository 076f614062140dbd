"""What lies behind the rows of a finding, kept for the next who looks: a trace reads a whole report and asks the ledger about every row of
it, and a page of a finding shows one each time it is looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from sqlalchemy.orm import Session

from assay.ledger.ledger import Ledger
from assay.ledger.trace import read_report, trace
from assay.serve import ledgers, scans
from assay.serve.access import Who
from assay.serve.files import Files
from assay.serve.shapes import ShareOf, TraceOut

SHOWN = 1000  # row numbers of a trace
KEPT = 64  # traces, those last looked at; one is some kilobytes, or a hundred bytes a contributor where there are many

State = tuple[str, str | None, int, int, bytes | None]  # scan, finding, when its report was written, and the log's size and root


class Traces:
    """Traces of one service. What is kept is forgotten with the state of the log that it was traced in: a new event shows at once.

    Cannot see: a change by hand of the ledger's private folder, before the next event."""

    def __init__(self, files: Files, kept: int = KEPT) -> None:
        self._files, self._most = files, kept
        self._held: OrderedDict[State, TraceOut] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, db: Session, who: Who, scan: str, finding: str | None) -> TraceOut:
        """Who brought the rows of a finding, or all that are quarantined, and which snapshots and models hold them.

        Raises NotFound where there is no report or no ledger, DataError where there is nothing to trace.
        """
        project = scans.record(db, who, scan).project_id
        report = scans.report_file(db, who, self._files, scan, "json")
        with ledgers.opened(db, who, self._files, project) as ledger:
            state = (scan, finding, report.stat().st_mtime_ns, *ledger.index.head())
            return self._kept(state) or self._keep(state, _traced(ledger, report.parent, finding))

    def _kept(self, state: State) -> TraceOut | None:
        with self._lock:
            if state in self._held:
                self._held.move_to_end(state)
            return self._held.get(state)

    def _keep(self, state: State, found: TraceOut) -> TraceOut:
        with self._lock:
            self._held[state] = found
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return found


def _traced(ledger: Ledger, report: Path, finding: str | None) -> TraceOut:
    found = trace(ledger, read_report(report), finding)
    return TraceOut(
        finding=found.finding,
        rows=len(found.rows),
        removed=len(found.removed),
        scanned=found.scanned,
        unknown=found.unknown,
        first_rows=found.rows[:SHOWN].tolist(),
        contributors=[ShareOf.model_validate(s) for s in found.contributors],
        sources=[ShareOf.model_validate(s) for s in found.sources],
        annotators=[ShareOf.model_validate(s) for s in found.annotators],
        others=len(found.others),
        snapshots=[name for name, _ in found.impact.snapshots],
        models=sorted(model.name for model in found.impact.models),
    )
