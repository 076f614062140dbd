"""The ledger as a state machine: sources, rows, snapshots, revocations, torn leftovers, new openings in any order, beside a plain model."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from assay.dataset.errors import DataError
from assay.ledger import snapshots
from assay.ledger.approval import Scope, approve, revoke
from assay.ledger.audit import audit
from assay.ledger.errors import Refused
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger, memo_of
from ledger_examples import ALICE, KEY, opened, reviews

FOR_EVER = Scope(expires="2999-01-01T00:00:00Z")
SOURCES = st.sampled_from(["s1", "s2", "s3"])


class Ledgers(RuleBasedStateMachine):
    """`rows` is what each source has brought, by the numbers of its reviews; nothing of it is ever lost, whatever came between."""

    @initialize()
    def begin(self):
        self.home = Path(tempfile.mkdtemp())
        self.key = self.home / "k"
        write_key(self.key, KEY)
        self.ledger = Ledger.create(self.home / "l", KEY, memo_of(self.key), [ALICE.key], 1, actor="t")
        self.rows: dict[str, set[int]] = {}
        self.open: set[str] = set()
        self.taken: dict[str, int] = {}
        self.size = 0

    def teardown(self):
        if hasattr(self, "home"):
            self.ledger.close()
            shutil.rmtree(self.home)

    @rule(source=SOURCES)
    def register(self, source):
        if source in self.rows:
            with pytest.raises(Refused, match="registered already"):
                self.ledger.register(source, licence="CC0-1.0", contact="c", method="m")
        else:
            self.ledger.register(source, licence="CC0-1.0", contact="c", method="m")
            self.rows[source] = set()

    @rule(source=SOURCES)
    def let_in(self, source):
        if source in self.rows and source not in self.open:
            self.ledger.approve(source, approve(self.ledger.index.policy(), self.ledger.index.source(source), FOR_EVER, ALICE))
            self.open.add(source)

    @rule(source=SOURCES)
    def shut_out(self, source):
        if source in self.open:
            self.ledger.revoke(source, revoke(self.ledger.index.policy(), self.ledger.index.source(source), "x", ALICE))
            self.open.discard(source)

    @rule(source=SOURCES, start=st.integers(0, 3))
    def bring(self, source, start):
        data = opened(reviews(self.home / "a.csv", 5 * start, 5 * start + 10))
        if source not in self.open:
            with pytest.raises(DataError):
                add(self.ledger, data, source)
            return
        numbers = set(range(5 * start, 5 * start + 10))
        done = add(self.ledger, data, source)
        assert len(done.rows) == len(numbers - self.rows[source])
        self.rows[source] |= numbers

    @precondition(lambda self: any(self.rows.values()))
    @rule(name=st.sampled_from(["v1", "v2"]), start=st.integers(0, 3))
    def snapshot(self, name, start):
        numbers = set(range(5 * start, 5 * start + 10))
        data = opened(reviews(self.home / "a.csv", 5 * start, 5 * start + 10))
        if name in self.taken or not numbers <= set().union(*self.rows.values()):
            with pytest.raises(DataError):
                snapshots.take(self.ledger, data, name)
        else:
            snapshots.take(self.ledger, data, name)
            self.taken[name] = 10

    @rule(torn=st.sampled_from([b"", b"half", b"\xff" * 40]))
    def opened_after_a_crash(self, torn):
        self.ledger.close()
        aside = self.home / "l" / ".aside"
        aside.mkdir(exist_ok=True)
        (aside / "1-2-3").write_bytes(torn)
        self.ledger = Ledger.open(self.home / "l", key_file=self.key)

    @invariant()
    def nothing_is_lost_and_the_audit_passes(self):
        if hasattr(self, "home"):
            size = audit(self.ledger.log).head.size
            assert size >= self.size
            self.size = size
            for source, numbers in self.rows.items():
                assert self.ledger.index.brought(source).rows == len(numbers)
            assert set(snapshots.names(self.ledger)) == set(self.taken)


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(max_examples=6, stateful_step_count=14, deadline=None)
