"""The gate's quarantine on disk: what was taken is not lost, and is decided once, however often the process dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.watch.gate import Settings
from assay.watch.gate_folder import GateFolder
from test_watch_gate import people, rows

NAMES = [f"f{i}" for i in range(11)]
SMALL = Settings(round=100, delay=100)


def table(rng, n, bad=(), of=60):
    x, y = rows(rng, n)
    who = people(rng, n, of)
    y[np.isin(who, bad)] = "good"
    return pa.table({**dict(zip(NAMES, x.T, strict=True)), "label": y.astype(str), "contributor": who.astype(str)})


def made(folder, **more):
    return GateFolder.create(
        folder, table(np.random.default_rng(0), 1000), label="label", contributor="contributor", features=NAMES, settings=SMALL, **more
    )


def same(one, other):
    assert one.gate.to_json() == other.gate.to_json()
    for a, b in zip(one.gate.models(), other.gate.models(), strict=True):
        np.testing.assert_array_equal(a.coef_, b.coef_)
        assert a.t_ == b.t_


def test_opened_again_it_is_what_it_was_with_and_without_a_snapshot(tmp_path):
    rng = np.random.default_rng(1)
    parts = [table(rng, 90, bad=["u1", "u2"]) for _ in range(12)]
    with made(tmp_path / "one") as one, made(tmp_path / "other") as other:
        for part in parts:
            one.submit(part)
        for i, part in enumerate(parts):
            other.submit(part, name=f"n{i}")
            assert other.submit(part, name=f"n{i}") == []
            other.snapshot()
        same(one, other)
        admitted = sum(d["admitted"] for d in one.decisions())
    with GateFolder(tmp_path / "one") as again, GateFolder(tmp_path / "other") as snapped:
        same(again, snapped)
        assert again.decisions() == snapped.decisions()
        more = table(rng, 150)
        assert again.submit(more) == snapped.submit(more)
        same(again, snapped)
        again.pardon("u1")
    kept = [pq.read_table(p) for p in sorted((tmp_path / "one" / "admitted").glob("*.parquet"))]
    numbers = np.concatenate([t.column("assay.row").to_numpy() for t in kept])
    assert len(set(numbers.tolist())) == len(numbers) >= admitted
    with GateFolder(tmp_path / "one", read_only=True) as read:
        assert "u1" not in read.gate.suspended


CHILD = """
import sys, numpy as np
from pathlib import Path
from assay.watch.gate_folder import GateFolder
from test_watch_gate_folder import table
rng = np.random.default_rng(2)
with GateFolder(Path(sys.argv[1])) as gate:
    for i in range(1000):
        part = table(rng, 40)
        gate.submit(part, name=str(i))
        print(i, flush=True)
"""


def test_kill_9_loses_no_row_that_was_taken(tmp_path):
    made(tmp_path / "g").close()
    for wait in (1.0, 1.6):
        tests = os.path.dirname(__file__)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "g")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, tests])},
        )
        child.stdout.readline()
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in child.communicate()[0].split()]
        taken = (max(said) if said else 0) + 1
        with GateFolder(tmp_path / "g") as gate:
            assert gate.gate.to_json()["submitted"] >= 40 * taken
            assert [d["round"] for d in gate.decisions()] == list(range(1, gate.gate.rounds + 1))
            files = {int(p.stem) for p in (tmp_path / "g" / "admitted").glob("*.parquet")}
            assert files == {d["round"] for d in gate.decisions() if d["admitted"]}


def test_the_command_suspends_a_gang_and_lets_the_others_through(tmp_path, capsys):
    rng = np.random.default_rng(3)
    pq.write_table(table(rng, 1200), tmp_path / "trusted.parquet")
    g = str(tmp_path / "g")
    init = ["watch", "gate", "init", g, str(tmp_path / "trusted.parquet"), "--feature", ",".join(NAMES), "--round", "300", "--delay", "300"]
    assert run(init) == 0
    pq.write_table(table(rng, 900), tmp_path / "calm.parquet")
    assert run(["watch", "gate", "submit", g, str(tmp_path / "calm.parquet")]) == 0
    gang = table(rng, 3000, bad=["u1", "u2", "u3"], of=30)
    pq.write_table(gang, tmp_path / "gang.parquet")
    assert run(["watch", "gate", "submit", g, str(tmp_path / "gang.parquet"), "--flush"]) == 1
    assert "Suspended: u1, u2, u3." in capsys.readouterr().out
    assert run(["watch", "gate", "status", g, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["waiting"] == 0
    assert said["suspended"] == ["u1", "u2", "u3"]
    assert run(["watch", "gate", "pardon", g, "nobody"]) == 2
    assert "'nobody' is not suspended. Remedy: suspended: u1, u2, u3" in capsys.readouterr().err
    assert run(["watch", "gate", "pardon", g, "u1"]) == 0
    assert run(["watch", "gate", "status", g]) == 0
    assert "u1" not in capsys.readouterr().out.split("Suspended:")[1].split("\n")[0]


def test_words_are_judged_without_labels(tmp_path):
    rng = np.random.default_rng(4)

    def chat(n, rude):
        bad = rng.random(n) < rude
        said = [" ".join(rng.choice(["vile", "nasty", "a", "the"] if b else ["kind", "nice", "a", "the"], 6)) for b in bad]
        return pa.table({"text": said, "label": np.where(bad, "bad", "good").astype(str), "contributor": people(rng, n).astype(str)})

    trusted = chat(1200, 0.3)
    settings = Settings(round=100, delay=100, barred=frozenset({"bad"}))
    with GateFolder.create(
        tmp_path / "g", trusted, label="label", contributor="contributor", text="text", settings=settings, labelled=False
    ) as gate:
        decided = gate.submit(chat(800, 0.9).drop_columns(["label"]))
        assert any("barred" in why for d in decided for why in d.refused.values())
        with pytest.raises(DataError, match="no such column"):
            gate.submit({"text": ["x"]})


def test_what_cannot_be_a_gate_is_told(tmp_path):
    rng = np.random.default_rng(5)
    with pytest.raises(DataError, match="is no gate"):
        GateFolder(tmp_path)
    with pytest.raises(DataError, match="text or at numbers"):
        GateFolder.create(tmp_path / "a", table(rng, 500), label="label", contributor="contributor")
    with pytest.raises(DataError, match="trusted rows are 100"):
        GateFolder.create(tmp_path / "a", table(rng, 100), label="label", contributor="contributor", features=NAMES)
    with made(tmp_path / "g") as gate:
        with pytest.raises(DataError, match="no class"):
            gate.submit(table(rng, 3).set_column(11, "label", pa.array(["x"] * 3)))
        assert gate.gate.waiting == 0
