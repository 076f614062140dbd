"""Counters of the service itself, in the text format of Prometheus (0.0.4). Paths are the routes' own, never what was asked for."""

from __future__ import annotations

import threading
from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assay.serve.records import AuditRecord, JobRecord

BUCKETS = (0.005, 0.025, 0.1, 0.25, 1.0, 5.0)  # seconds; 0.25 and 0.3 are what pages and events are held to


class Metrics:
    """Counts requests as they end."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._slower: Counter[float] = Counter()
        self._seconds = 0.0
        self.events = 0

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        with self._mutex:
            self._requests[method, route, status] += 1
            self._seconds += seconds
            for bound in BUCKETS:
                self._slower[bound] += seconds <= bound

    def ingested(self, events: int) -> None:
        with self._mutex:
            self.events += events

    def text(self, db: Session, workers: int, free: int) -> str:
        """All of it, with what the data base says of the queue."""
        counted = select(JobRecord.kind, JobRecord.state, func.count()).group_by(JobRecord.kind, JobRecord.state)
        jobs = {(kind, state): count for kind, state, count in db.execute(counted)}
        unlogged = db.scalar(select(func.count()).select_from(AuditRecord).where(AuditRecord.entry.is_(None))) or 0
        with self._mutex:
            said = ["# HELP assay_requests_total Requests answered.", "# TYPE assay_requests_total counter"]
            said += [
                f'assay_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                for (method, route, status), count in sorted(self._requests.items())
            ]
            said += ["# HELP assay_request_seconds Time to answer.", "# TYPE assay_request_seconds histogram"]
            said += [f'assay_request_seconds_bucket{{le="{bound}"}} {self._slower[bound]}' for bound in BUCKETS]
            total = sum(self._requests.values())
            said += [f'assay_request_seconds_bucket{{le="+Inf"}} {total}', f"assay_request_seconds_sum {self._seconds:.6f}"]
            said.append(f"assay_request_seconds_count {total}")
            said += ["# HELP assay_events_total Monitored events taken in.", "# TYPE assay_events_total counter"]
            said.append(f"assay_events_total {self.events}")
        said += ["# HELP assay_jobs Jobs by kind and state.", "# TYPE assay_jobs gauge"]
        said += [f'assay_jobs{{kind="{kind}",state="{state}"}} {count}' for (kind, state), count in sorted(jobs.items())]
        for name, help_text, value in (
            ("workers", "Worker processes of this server that live.", workers),
            ("audit_unlogged", "Notes that wait to be logged.", unlogged),
            ("disk_free_bytes", "Bytes that may still be taken in.", free),
        ):
            said += [f"# HELP assay_{name} {help_text}", f"# TYPE assay_{name} gauge", f"assay_{name} {value}"]
        return "\n".join(said) + "\n"
