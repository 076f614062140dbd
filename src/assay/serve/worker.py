"""A worker: a process that takes jobs and does them, one after another. Any number may run, on any machine that shares the files.

A thread of its own renews the lease and hears of a cancellation; the job itself stops at its next sign of progress, and where that
does not come within `STUBBORN` seconds the process ends, and whoever started it starts another.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from types import FrameType

from assay.dataset.errors import DataError
from assay.serve import queue
from assay.serve.bench import Bench
from assay.serve.database import Database
from assay.serve.errors import ServiceError, relative
from assay.serve.files import Files
from assay.serve.records import JobRecord
from assay.serve.settings import Settings
from assay.serve.work import FAILED, work_of

BEAT = 1.0  # seconds between renewals; a lease lasts thirty
IDLE = 0.25  # seconds between looks at an empty queue
STUBBORN = 20.0  # seconds that a job may go on after it was cancelled
GIVEN_UP = 75  # exit code of a worker that left a job which would not stop (EX_TEMPFAIL)

log = logging.getLogger("assay.worker")


class Cancelled(Exception):
    """Somebody asked that the job be given up, or it is no longer ours."""


class Leaving(Exception):
    """The worker was asked to stop."""


def worker_name(number: int = 0) -> str:
    """Names this process, so that whoever sees it dead knows which jobs it had."""
    return f"{socket.gethostname()}:{os.getpid()}:{number}"


class _Beat(threading.Thread):
    """Renews the lease of one job and carries its progress."""

    def __init__(self, database: Database, job: str, worker: str) -> None:
        super().__init__(daemon=True)
        self.database, self.job, self.worker = database, job, worker
        self.progress, self.what = 0.0, ""
        self.lost = threading.Event()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(BEAT):
            try:
                with self.database.write() as db:
                    kept = queue.renew(db, self.job, self.worker, self.progress, self.what)
            except Exception:  # the data base may be away for a while: the lease outlives thirty beats
                log.warning("the lease could not be renewed", exc_info=True)
                continue
            if not kept:
                self.lost.set()
                if not self.over.wait(STUBBORN):
                    log.error("job %s did not stop; the worker ends", self.job)
                    with self.database.write() as db:
                        queue.end(db, self.job, self.worker, "cancelled")
                    os._exit(GIVEN_UP)
                return


class Worker:
    """Takes and does jobs until `stop` is set."""

    def __init__(self, settings: Settings, number: int = 0) -> None:
        self.database = Database(settings.url)
        self.bench = Bench(self.database, Files.of(settings), settings)
        self.name = worker_name(number)
        self.stop = threading.Event()

    def run(self) -> None:
        """Until it is told to stop."""
        while not self.stop.is_set():
            if not self.once():
                self.stop.wait(IDLE)

    def once(self) -> bool:
        """Do one job; whether there was one."""
        with self.database.write() as db:
            job = queue.take(db, self.name)
        if job is None:
            return False
        log.info("job taken", extra={"job": job.id, "kind": job.kind, "attempt": job.attempts})
        began = time.monotonic()
        state, error = self._do(job)
        with self.database.write() as db:
            if state == "released":
                queue.release(db, job.id, self.name)
            else:
                queue.end(db, job.id, self.name, state, error)
        log.info("job ended", extra={"job": job.id, "kind": job.kind, "state": state, "seconds": round(time.monotonic() - began, 3)})
        return True

    def _do(self, job: JobRecord) -> tuple[str, str | None]:
        beat = _Beat(self.database, job.id, self.name)
        beat.start()

        def progress(done: float, total: float, what: str) -> None:
            beat.progress, beat.what = (done / total if total else 0.0), what
            if beat.lost.is_set():
                raise Cancelled
            if self.stop.is_set():
                raise Leaving

        try:
            work_of(job.kind)(self.bench, job, progress)
        except Cancelled:
            return "cancelled", None
        except Leaving:
            return "released", None
        except (DataError, ServiceError) as error:
            return self._failed(job, relative(str(error), self.bench.files.root))
        except OSError as error:
            return self._failed(job, f"{error.strerror or error}")
        except MemoryError:
            return self._failed(job, "out of memory. Remedy: scan a part of the rows, or give the worker more memory")
        except Exception as error:
            log.exception("job failed", extra={"job": job.id})
            return self._failed(job, f"this is a fault in Assay: {type(error).__name__}: {error}")
        finally:
            beat.over.set()
            beat.join()
        return "done", None

    def _failed(self, job: JobRecord, reason: str) -> tuple[str, str]:
        reason = reason.replace(str(self.bench.files.root) + os.sep, "")[:2000]  # where our files lie is nobody's business
        if job.kind in FAILED:
            FAILED[job.kind](self.bench, job, reason)
        return "failed", reason

    def close(self) -> None:
        self.database.close()


def main(settings: Settings, number: int = 0) -> None:
    """A worker process: limits its memory where asked to, and leaves at SIGTERM or when its parent is gone."""
    import resource

    if settings.memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (settings.memory, settings.memory))
    worker = Worker(settings, number)

    def leave(signal_number: int, frame: FrameType | None) -> None:
        worker.stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    parent = os.getppid()

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        worker.stop.set()

    threading.Thread(target=watch_parent, daemon=True).start()
    try:
        worker.run()
    finally:
        worker.close()
