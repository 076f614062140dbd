"""Starts worker processes, and others in their place when they die; what a dead one had is put back at once."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
from dataclasses import asdict

from sqlalchemy import select

from assay.serve import queue
from assay.serve.database import Database
from assay.serve.records import JobRecord
from assay.serve.settings import Bounds, Settings

LOOK = 0.5  # seconds between looks at the workers
GRACE = 20.0  # seconds that a worker has to put its job back at a shutdown
REST = 1.0  # seconds before a worker that died is followed by another, so that a broken one does not spin

log = logging.getLogger("assay.supervisor")


class Supervisor:
    """Keeps `settings.workers` worker processes alive."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Put back what workers of an earlier run on this machine had, then start ours."""
        self._put_back_orphans()
        if self.settings.workers:
            for number in range(self.settings.workers):
                self._start(number)
            self._thread.start()

    @property
    def pids(self) -> list[int]:
        """Of the workers that live."""
        return [p.pid for p in self._workers.values() if p.poll() is None]

    def _start(self, number: int) -> None:
        self._workers[number] = subprocess.Popen([sys.executable, "-m", "assay.serve.worker_main", str(number)], stdin=subprocess.PIPE)
        pipe = self._workers[number].stdin
        assert pipe is not None
        try:
            pipe.write(to_json(self.settings).encode())  # not on the command line: the URL of the data base holds its password
            pipe.close()
        except BrokenPipeError:
            log.error("a worker ended as it began")

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            for number, process in list(self._workers.items()):
                code = process.poll()
                if code is None:
                    continue
                with self.database.write() as db:
                    back = queue.abandon(db, f"{socket.gethostname()}:{process.pid}:{number}")
                log.warning("worker died", extra={"number": number, "code": code, "put_back": back})
                if not self._over.wait(REST):
                    self._start(number)

    def _put_back_orphans(self) -> None:
        """Jobs of workers of this machine that are gone: the server was killed with them, or the machine was."""
        with self.database.write() as db:
            names = set(db.scalars(select(JobRecord.worker).where(JobRecord.state == "running")))
            for name in names - {None}:
                assert name is not None
                host, pid, _ = name.rsplit(":", 2)
                if host == socket.gethostname() and not _lives(int(pid)):
                    queue.abandon(db, name)

    def stop(self) -> None:
        """Ask workers to leave; end those that do not."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for process in self._workers.values():
            process.terminate()
        for process in self._workers.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._put_back_orphans()


def _lives(pid: int) -> bool:
    """Whether a process of that number runs a worker of ours (numbers are used again)."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"assay.serve.worker_main" in file.read()
    except OSError:
        return False


def to_json(settings: Settings) -> str:
    """Settings for a process of ours."""
    return json.dumps(asdict(settings), default=str)


def from_json(text: str) -> Settings:
    """
    >>> from pathlib import Path
    >>> from_json(to_json(Settings(Path("/srv/assay"), port=9))).port
    9
    """
    from pathlib import Path

    held = json.loads(text)
    listed = {name: tuple(held[name]) for name in ("hosts", "proxies", "webhooks")}
    return Settings(**{**held, **listed, "data": Path(held["data"]), "bounds": Bounds(**held["bounds"])})
