"""The service while it runs: its data base, its files, its workers, and the thread that logs what was done."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from assay.dataset.errors import DataError
from assay.serve import users
from assay.serve.audit import Recorder
from assay.serve.database import Database
from assay.serve.files import Files
from assay.serve.limits import Rates, Seldom
from assay.serve.metrics import Metrics
from assay.serve.monitors import Deliverer, Watches
from assay.serve.settings import Settings
from assay.serve.supervisor import Supervisor
from assay.serve.traces import Traces
from assay.watch import sinks

DRAIN = 0.5  # seconds between looks at what waits to be logged

log = logging.getLogger("assay.serve")


class Service:
    """One running service. `open` it before it is used, `close` it after."""

    def __init__(self, settings: Settings) -> None:
        """Makes the folders and brings the tables up to date. Raises DataError where it cannot."""
        self.settings = replace(settings, data=settings.data.absolute())
        for folder in (self.settings.data, self.settings.files):
            folder.mkdir(parents=True, exist_ok=True)
        self.settings.keys.mkdir(mode=0o700, exist_ok=True)
        self.database = Database(self.settings.url)
        self.database.upgrade()
        self.files = Files.of(self.settings)
        self.rates = Rates(self.settings.bounds)
        self.metrics = Metrics()
        self.tokens_used = Seldom(60.0)
        with self.database.write() as db:
            self.first_token = users.first_token(db)
        self.recorder = Recorder(self.database, self.settings.files, self.settings.keys, "assay")
        self.supervisor = Supervisor(self.settings, self.database)
        self.watches = Watches(self.files)
        self.traces = Traces(self.files)
        self._deliverer = Deliverer(self.database, self.watches, self.settings.webhooks)
        self._over = threading.Event()
        self._drain = threading.Thread(target=self._draining, daemon=True)

    def open(self) -> None:
        """Start the workers and the logging."""
        self.supervisor.start()
        self._drain.start()
        self._deliverer.start()

    def _draining(self) -> None:
        while not self._over.wait(DRAIN):
            try:
                self.recorder.drain()
            except (DataError, OSError):
                log.exception("the audit log could not be written; what waits stays in the data base")

    def close(self) -> None:
        """Let workers leave (their jobs go on at the next start), and log what waits."""
        self._over.set()
        self.supervisor.stop()
        if self._drain.is_alive():
            self._drain.join()
        self._deliverer.over.set()
        if self._deliverer.is_alive():
            self._deliverer.join(sinks.TIMEOUT)
        self.watches.close()
        self.recorder.drain()
        self.database.close()
