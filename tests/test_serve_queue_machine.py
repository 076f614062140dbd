"""The queue of jobs as a state machine: put, take, renew, end, cancel, workers that die and time that passes, beside a plain model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

pytest.importorskip("fastapi")

from sqlalchemy import select

from assay.serve import queue
from assay.serve.access import SYSTEM
from assay.serve.database import Database
from assay.serve.errors import Conflict
from assay.serve.records import JobRecord
from assay.serve.settings import Settings

WORKERS = st.sampled_from(["w1", "w2", "w3"])


class Queue(RuleBasedStateMachine):
    """The model: of each job its state, its holder, how often it was begun, when its lease ends. Ended jobs never change again."""

    @initialize()
    def begin(self):
        self.home = tempfile.TemporaryDirectory()
        self.db = Database(Settings(Path(self.home.name)).url)
        self.db.upgrade()
        self.clock = 1_000_000
        self.patched = patch.object(queue, "now", lambda: self.clock)
        self.patched.start()
        self.jobs: dict[str, dict] = {}
        self.ended: dict[str, str] = {}

    def teardown(self):
        if hasattr(self, "home"):
            self.patched.stop()
            self.db.engine.dispose()
            self.home.cleanup()

    def _end(self, job, state):
        self.jobs[job].update(state=state, lease=None)
        self.ended[job] = state

    @rule()
    def put(self):
        with self.db.write() as session:
            job = queue.put(session, SYSTEM, "scan", "s", None, {}).id
        self.jobs[job] = {"state": "queued", "worker": None, "attempts": 0, "lease": None, "cancel": False}

    @rule(worker=WORKERS)
    def take(self, worker):
        with self.db.write() as session:
            found = queue.take(session, worker)
            got = None if found is None else found.id
        for job in sorted(self.jobs):
            held = self.jobs[job]
            if held["state"] == "queued" or (held["state"] == "running" and held["lease"] < self.clock):
                if held["attempts"] >= queue.ATTEMPTS:
                    self._end(job, "failed")
                elif held["cancel"]:
                    self._end(job, "cancelled")
                else:
                    assert got == job
                    held.update(state="running", worker=worker, attempts=held["attempts"] + 1, lease=self.clock + queue.LEASE)
                    return
        assert got is None

    def _mine(self, worker):
        return [job for job, held in sorted(self.jobs.items()) if held["state"] == "running" and held["worker"] == worker]

    @rule(worker=WORKERS)
    def renew(self, worker):
        for job, held in self.jobs.items():
            mine = job in self._mine(worker)
            with self.db.write() as session:
                assert queue.renew(session, job, worker, 0.5, "x") == (mine and not held["cancel"])
            if mine:
                held["lease"] = self.clock + queue.LEASE

    @rule(worker=WORKERS, state=st.sampled_from(["done", "failed", "cancelled"]))
    def end(self, worker, state):
        for job in sorted(self.jobs):
            mine = job in self._mine(worker)
            with self.db.write() as session:
                assert queue.end(session, job, worker, state) == mine
            if mine:
                self._end(job, state)
                return

    @rule(worker=WORKERS)
    def known_to_be_dead(self, worker):
        mine = self._mine(worker)
        with self.db.write() as session:
            assert queue.abandon(session, worker) == len(mine)
        for job in mine:
            self.jobs[job].update(state="queued", lease=None)

    @rule(worker=WORKERS)
    def told_to_leave(self, worker):
        for job in self._mine(worker):
            with self.db.write() as session:
                queue.release(session, job, worker)
            self.jobs[job].update(state="queued", lease=None, attempts=self.jobs[job]["attempts"] - 1)

    @rule(data=st.data())
    def cancel(self, data):
        if not self.jobs:
            return
        job = data.draw(st.sampled_from(sorted(self.jobs)))
        held = self.jobs[job]
        with self.db.write() as session:
            if held["state"] not in queue.OPEN:
                with pytest.raises(Conflict):
                    queue.cancel(session, SYSTEM, job)
                return
            queue.cancel(session, SYSTEM, job)
        held["cancel"] = True
        if held["state"] == "queued":
            self._end(job, "cancelled")

    @rule(by=st.sampled_from([1_000, queue.LEASE + 1, -5 * queue.LEASE]))
    def time_passes_or_jumps_back(self, by):
        self.clock += by

    @invariant()
    def every_job_is_what_the_model_says(self):
        if hasattr(self, "home"):
            with self.db.read() as session:
                there = {job.id: job for job in session.scalars(select(JobRecord))}
                assert set(there) == set(self.jobs)
                for id, held in self.jobs.items():
                    assert (there[id].state, there[id].attempts) == (held["state"], held["attempts"])
                for id, state in self.ended.items():
                    assert there[id].state == state


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
