"""Quarantine and the registry of models as state machines; what a kill leaves; the chaos script."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

import chaos
from assay.dataset import removal
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import copy_without, restore
from assay.watch.models import FILE, Models

BRIEF = settings(max_examples=8, stateful_step_count=12, deadline=None)


class Quarantine(RuleBasedStateMachine):
    """Copies are made, changed, and put back in any order. A model in memory says what each must hold."""

    copies = Bundle("copies")

    @initialize(ending=st.sampled_from(["csv", "jsonl"]), rows=st.integers(4, 12))
    def begin(self, ending, rows):
        self.home = Path(tempfile.mkdtemp())
        self.ending, self.made = ending, 0
        self.source = self.home / f"source.{ending}"
        lines = [f'"text, ""{i}""\nsecond line",{i % 2}' if i % 3 else f"plain {i},{i % 2}" for i in range(rows)]
        if ending == "csv":
            self.source.write_text("text,label\n" + "\n".join(lines) + "\n")
        else:
            self.source.write_text("".join(f'{{"text": "t{i}", "label": {i % 2}}}\n' for i in range(rows)))
        self.bytes = {self.source: self.source.read_bytes()}  # what every visible file must be
        self.origin: dict[Path, bytes] = {}  # copy -> what restore must give
        self.spoilt: set[Path] = set()
        self.count = {self.source: rows}

    def teardown(self):
        if hasattr(self, "home"):
            shutil.rmtree(self.home)

    def _copy(self, parent, data):
        n = self.count[parent]
        drop = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n - 1)))
        out = self.home / f"copy{self.made}.{self.ending}"
        self.made += 1
        copy_without(parent, out, drop, records=n)
        self.origin[out], self.bytes[out], self.count[out] = parent.read_bytes(), out.read_bytes(), n - len(drop)
        return out

    @rule(target=copies, data=st.data())
    def clean(self, data):
        return self._copy(self.source, data)

    @precondition(lambda self: self.made)
    @rule(target=copies, parent=copies, data=st.data())
    def clean_a_copy(self, parent, data):
        if parent not in self.count or parent in self.spoilt or self.count[parent] < 2:
            return self._copy(self.source, data)
        return self._copy(parent, data)

    @rule(copy=copies)
    def nothing_is_overwritten(self, copy):
        if copy in self.bytes:
            with pytest.raises(DataError, match="is there already"):
                copy_without(self.source, copy, [0])

    @rule(copy=copies)
    def spoil(self, copy):
        if copy in self.origin and copy not in self.spoilt:
            copy.write_bytes(copy.read_bytes() + b"x,1\n")
            self.bytes[copy] = copy.read_bytes()
            self.spoilt.add(copy)

    @rule(copy=consumes(copies))
    def put_back(self, copy):
        if copy not in self.origin:
            return
        if copy in self.spoilt:
            with pytest.raises(DataError, match="changed since"):
                restore(copy)
            return
        restore(copy)
        self.bytes[copy] = self.origin.pop(copy)
        self.count.pop(copy)
        with pytest.raises(DataError, match="nothing is kept"):
            restore(copy)

    @invariant()
    def everything_is_what_it_must_be_and_nothing_else_lies_about(self):
        if hasattr(self, "home"):
            assert {p: p.read_bytes() for p in self.bytes} == self.bytes
            kept = {removal.kept_in(copy) for copy in self.origin}
            assert set(self.home.iterdir()) == set(self.bytes) | kept


class Registry(RuleBasedStateMachine):
    """The registry of models, beside a plain model of it; opened anew at any time, a torn line at its end."""

    names = st.sampled_from(["v1", "v2", "v3", "v4"])
    aliases = st.sampled_from(["production", "canary"])

    @initialize()
    def begin(self):
        self.home = Path(tempfile.mkdtemp())
        self.real = Models.open(self.home)
        self.attested: set[str] = set()
        self.withdrawn: set[str] = set()
        self.known: set[str] = set()
        self.meant: dict[str, list[str]] = {}

    def teardown(self):
        if hasattr(self, "home"):
            shutil.rmtree(self.home)

    def _target(self, alias):
        meant = self.meant.get(alias, [])
        good = self.attested - self.withdrawn
        return next((v for v in reversed(meant) if v != meant[-1] and v in good), None)

    @rule(name=names)
    def add(self, name):
        if name in self.known:
            with pytest.raises(DataError, match="is there already"):
                self.real.add(name)
        else:
            self.real.add(name)
            self.known.add(name)

    @rule(name=names, good=st.booleans())
    def judge(self, name, good):
        act = self.real.attest if good else self.real.withdraw
        if name not in self.known:
            with pytest.raises(DataError, match="there is no version"):
                act(name, "ann", "x")
        else:
            act(name, "ann", "x")
            (self.attested if good else self.withdrawn).add(name)

    @rule(alias=aliases, name=names)
    def point(self, alias, name):
        if name not in self.known or name in self.withdrawn:
            with pytest.raises(DataError):
                self.real.point(alias, name, "ann", "x")
        else:
            self.real.point(alias, name, "ann", "x")
            self.meant.setdefault(alias, []).append(name)

    @rule(alias=aliases)
    def roll_back(self, alias):
        target = self._target(alias)
        if target is None:
            with pytest.raises(DataError, match="no attested version"):
                self.real.roll_back(alias, "ann", "x")
        else:
            self.withdrawn.add(self.meant[alias][-1])
            assert self.real.roll_back(alias, "ann", "x").version == target
            self.meant[alias].append(target)

    @rule(torn=st.sampled_from([b"", b'{"after": "', b"\xff"]))
    def opened_after_a_crash(self, torn):
        with (self.home / FILE).open("ab") as file:
            file.write(torn)
        self.real = Models.open(self.home)

    @rule(alias=aliases, name=names)
    def another_process_was_first(self, alias, name):
        if name in self.known:
            other = Models.open(self.home)
            other.attest(name, "bob", "y")
            self.attested.add(name)
            with pytest.raises(DataError, match="has gone on"):
                self.real.attest(name, "ann", "x")
            self.real = Models.open(self.home)

    @invariant()
    def is_what_the_model_says(self):
        if hasattr(self, "home"):
            assert set(self.real.versions) == self.known
            for alias in ("production", "canary"):
                meant = self.meant.get(alias, [])
                assert self.real.current(alias) == (meant[-1] if meant else None)
            for name, version in self.real.versions.items():
                assert (version.attested, version.withdrawn) == (name in self.attested, name in self.withdrawn)


TestQuarantine = Quarantine.TestCase
TestQuarantine.settings = BRIEF
TestRegistry = Registry.TestCase
TestRegistry.settings = BRIEF


def a_copy(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"word {i},{i % 2}\n" for i in range(10)))
    copy_without(path, tmp_path / "b.csv", [1, 4])
    return path, tmp_path / "b.csv"


def test_restore_killed_after_the_copy_was_put_back_goes_on(tmp_path, monkeypatch):
    path, copy = a_copy(tmp_path)

    def killed(aside):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(removal, "_let_go", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(copy)
    assert copy.read_bytes() == path.read_bytes()
    restore(copy)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_what_a_killed_process_leaves_is_no_data(tmp_path):
    path, _ = a_copy(tmp_path)
    folder = tmp_path / "set"
    folder.mkdir()
    shutil.copy(path, folder / "a.csv")
    before = read(folder).fingerprint
    (folder / ".clean.csv.part-x").mkdir()
    (folder / ".clean.csv.part-x" / "clean.csv").write_text("text,label\nhalf")
    assert read(folder).fingerprint == before


@pytest.mark.full
def test_one_round_of_a_full_disk():
    assert chaos.run(1, 0, "full", lambda text: None)[0] == []


@pytest.mark.full
def test_chaos_ten_rounds():
    assert chaos.run(10, int(np.random.default_rng().integers(1000)))[0] == []
