"""A machine that is not as it should be: renames and links that fail, a clock that jumps, memory that runs out. Nothing is lost or torn."""

from __future__ import annotations

import errno
import itertools
import os
import random
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import chaos
from assay import scan
from assay.cli import run
from assay.dataset import removal
from assay.dataset.atomic import move, whole
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import copy_without, kept_in, restore
from assay.dataset.write import write_as
from assay.ledger.approval import Scope, approve
from assay.ledger.audit import audit
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger, memo_of
from assay.report.report import Report
from fuzz_all import Total, least, read_totals, table, write_totals
from ledger_examples import ALICE, KEY, opened, register, reviews

LOST = {"rename": errno.ENOENT, "replace": errno.ENOENT, "link": errno.EEXIST}  # what a question that is put twice is answered
HOWS = ("not done", "done, the answer lost")
MOMENTS = ["1970-01-01T00:00:05Z", "2026-11-21T07:00:00Z", "2079-12-31T23:59:59Z", "2026-11-20T07:00:00Z", "1999-12-31T23:59:59Z"]


class Names:
    """`os.rename`, `os.replace` and `os.link`, of which call number `failing` goes wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int, how: str) -> None:
        self.calls = 0
        for name, code in LOST.items():
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name), code, failing, how))

    def _wrapped(self, real, lost, failing, how):
        def call(source, target, **more):
            self.calls += 1
            if self.calls - 1 != failing:
                return real(source, target, **more)
            if how != HOWS[0]:
                real(source, target, **more)
            code = errno.ESTALE if how == HOWS[0] else lost
            raise OSError(code, os.strerror(code), str(source), None, str(target))

        return call


def visible(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")}


def data_file(folder: Path) -> Path:
    path = folder / "a.csv"
    path.write_text("text,label\n" + "".join(f"word {i},{i % 2}\n" for i in range(20)))
    return path


def written(*outs: Path) -> None:
    with whole(*outs) as made:
        for place in made:
            place.write_text("x")


def test_a_rename_that_was_done_is_done_whatever_is_answered(tmp_path, monkeypatch):
    for number, name in enumerate(("file", "folder")):
        source = tmp_path / name
        source.mkdir() if name == "folder" else source.write_text("x")
        with monkeypatch.context() as patched:
            Names(patched, 0, HOWS[1])
            move(source, tmp_path / f"there{number}")
    assert visible(tmp_path) == {"there0", "there1"}


def test_a_rename_that_was_not_done_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "new").write_text("new")
    (tmp_path / "there").write_text("old")
    with monkeypatch.context() as patched:
        Names(patched, 0, HOWS[0])
        with pytest.raises(OSError, match=r"[Ss]tale"):
            move(tmp_path / "new", tmp_path / "there")
    assert (tmp_path / "there").read_text() == "old"
    with pytest.raises(FileNotFoundError):
        move(tmp_path / "never", tmp_path / "there")


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_of_several_outputs_all_are_there_or_none(tmp_path, monkeypatch, failing):
    outs = [tmp_path / name for name in "abc"]
    with monkeypatch.context() as patched:
        Names(patched, failing, HOWS[0])
        with pytest.raises(OSError, match=r"[Ss]tale"):
            written(*outs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", HOWS)
def test_clean_and_restore_whichever_rename_fails(tmp_path, monkeypatch, how):
    path = data_file(tmp_path)
    before = path.read_bytes()
    for failing in itertools.count():
        with monkeypatch.context() as patched:
            names = Names(patched, failing, how)
            for _ in range(2):  # what fails once is done by the same command, run again
                try:
                    copy_without(path, tmp_path / "b.csv", [1, 4])
                    break
                except OSError:
                    assert visible(tmp_path) == {"a.csv"}
            assert visible(tmp_path) == {"a.csv", "b.csv", "b.csv.removed"}
            for _ in range(2):
                try:
                    restore(tmp_path / "b.csv")
                    break
                except OSError:
                    assert (tmp_path / "b.csv").exists()
                    assert kept_in(tmp_path / "b.csv").exists()
        assert visible(tmp_path) == {"a.csv", "b.csv"}
        assert (tmp_path / "b.csv").read_bytes() == before == path.read_bytes()
        (tmp_path / "b.csv").unlink()
        if names.calls <= failing:
            break
    assert failing > 3


@pytest.mark.parametrize("how", HOWS)
def test_a_report_is_the_old_one_or_the_new_one_whichever_rename_fails(tmp_path, monkeypatch, how):
    path = data_file(tmp_path)
    out = tmp_path / "r.assay"
    old, new = scan(path, canaries=False, seed=0), scan(path, canaries=False, seed=1)
    for failing in range(4):
        old.write(out, ("json",))
        with monkeypatch.context() as patched:
            Names(patched, failing, how)
            try:
                new.write(out, ("json",))
                expected = {1}
            except OSError:
                expected = {0}
        assert {int(Report.open(out).document["settings"]["seed"])} == expected
        assert visible(tmp_path) == {"a.csv", "r.assay"}
        if how == HOWS[1]:
            assert expected == {1}


@pytest.mark.parametrize("how", HOWS)
def test_a_ledger_whichever_rename_or_link_fails(tmp_path, monkeypatch, how):
    """What `add` acknowledged is there; what it did not is there as a whole or not at all; the same command again does the rest."""
    data = opened(reviews(tmp_path / "a.csv"))
    for failing in range(12):
        home = tmp_path / f"l{failing}"
        home.mkdir()
        key = home / "ledger.key"
        write_key(key, KEY)
        ledger = Ledger.create(home / "ledger", KEY, memo_of(key), [ALICE.key], 1, actor="t", clock=lambda: MOMENTS[1])
        register(ledger, "s", ALICE, scope=Scope(expires="2999-01-01T00:00:00Z"))
        ledger.close()
        acknowledged = False
        with monkeypatch.context() as patched:
            Names(patched, failing, how)
            try:
                writer = Ledger.open(home / "ledger", key_file=key)
                acknowledged = len(add(writer, data, "s").rows) == 20
                writer.close()
            except (OSError, DataError):
                pass
        again = Ledger.open(home / "ledger", key_file=key)
        audit(again.log)
        assert again.index.brought("s").rows in ({20} if acknowledged else {0, 20})
        add(again, data, "s")
        audit(again.log)
        assert again.index.brought("s").rows == 20
        again.close()


def test_a_ledger_whose_clock_jumps_keeps_its_order(tmp_path):
    """Order is the log's, not the clock's: events stand as they came, and the audit passes; the stamps say what the clock said."""
    moments = itertools.cycle(MOMENTS)
    home = tmp_path / "ledger"
    ledger = Ledger.create(home, KEY, memo_of(tmp_path / "k"), [ALICE.key], 1, actor="t", clock=lambda: next(moments))
    ledger.register("s", licence="CC0-1.0", contact="c", method="m")
    ledger.approve("s", approve(ledger.index.policy(), ledger.index.source("s"), Scope(expires="2999-01-01T00:00:00Z"), ALICE))
    for number in range(4):
        add(ledger, opened(reviews(tmp_path / f"{number}.csv", 20 * number, 20 * number + 20)), "s")
        audit(ledger.log)
    assert ledger.index.brought("s").rows == 80
    ledger.close()
    audit(Ledger.open(home).log)


@pytest.mark.parametrize("second", [1.0, 86_400.0 * 365 * 15, 4e9])
def test_a_clock_of_1970_or_2096_changes_no_output(tmp_path, monkeypatch, second):
    """A machine without a battery begins at 1970, before the first date that a zip archive can hold."""
    path = data_file(tmp_path)
    plain = scan(path, canaries=False)
    plain.write(tmp_path / "plain.assay")
    monkeypatch.setattr(time, "time", lambda: second)
    monkeypatch.setattr(time, "time_ns", lambda: int(second * 1e9))
    told = scan(path, canaries=False, resume=tmp_path / "unfinished")
    told.write(tmp_path / "told.assay")
    assert (tmp_path / "told.assay" / "rows.parquet").read_bytes() == (tmp_path / "plain.assay" / "rows.parquet").read_bytes()
    copy_without(path, tmp_path / "b.csv", [3])
    restore(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()
    write_as(read(path), tmp_path / "copy.npz", "npz")
    assert read(tmp_path / "copy.npz").records == 20


def test_memory_that_runs_out_while_a_copy_is_made_leaves_nothing(tmp_path, monkeypatch, capsys):
    path = data_file(tmp_path)
    scan(path, canaries=False).write(tmp_path / "r.assay")

    def refused(*_):
        raise MemoryError

    monkeypatch.setattr(removal, "_cut", refused)
    monkeypatch.setattr(removal.shutil, "copy2", refused)
    code = run(["clean", str(path), "--report", str(tmp_path / "r.assay"), "--out", str(tmp_path / "b.csv")])
    assert code == 3
    assert "out of memory" in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"a.csv", "r.assay"}


@pytest.mark.parametrize("error", [pa.ArrowMemoryError("malloc of size 64 failed"), OSError(errno.ENOMEM, "Cannot allocate memory")])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_lack_of_memory_is_no_damage_of_the_data(tmp_path, monkeypatch, capsys, error, shards):
    """Of a shard it would else be said that it is damaged, and the scan would go on without its rows."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for i in range(shards):
        pq.write_table(pa.table({"text": [f"word {j}" for j in range(9)], "label": ["a", "b", "a"] * 3}), folder / f"{i}.parquet")

    def refused(*_, **__):
        raise error
        yield

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", refused)
    with pytest.raises((MemoryError, OSError)):
        read(folder)
    assert run(["scan", str(folder), "--out", str(tmp_path / "r.assay")]) == 3
    assert "out of memory" in capsys.readouterr().err
    assert not (tmp_path / "r.assay").exists()


@pytest.mark.full
@pytest.mark.parametrize("fault", chaos.INJECTED)
def test_rounds_of_what_is_injected(fault):
    assert chaos.run(3, random.randrange(1000), fault, lambda text: None)[0] == []


def test_counts_add_up_over_runs(tmp_path):
    state = tmp_path / "state.json"
    chaos.add_up(state, {"kill": chaos.Tally(3, 2, 0, 1.5)})
    total = chaos.add_up(state, {"kill": chaos.Tally(1, 1, 0, 0.5), "memory": chaos.Tally(2, 2, 1, 1.0)})
    assert total["kill"] == chaos.Tally(4, 3, 0, 2.0)
    assert total["memory"].died == 1
    totals = {"csv": Total(1900.0, 10, 2, 0, 1900.0), "tar": Total(60.0, 5, 1, 1, 0.0)}
    write_totals(totals, tmp_path / "t.json")
    assert read_totals(tmp_path / "t.json") == totals
    assert least(["csv", "tar", "npz"], totals) == "npz"
    assert "1 of 2 targets have 30 CPU minutes" in table(totals)
    assert np.isclose(sum(one.cpu_seconds for one in totals.values()), 1960)
