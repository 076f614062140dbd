"""The commands: exit codes, one message an error, nothing half-written."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from typer.testing import CliRunner

import assay
from assay import cli
from assay.api import scan
from assay.dataset.errors import DataError
from assay.report.json import schema
from assay.report.report import Report

GOOD = ["warm", "moving", "funny", "fine", "lovely", "great", "brilliant", "charming", "tender", "witty"]
BAD = ["dull", "dreary", "awful", "tedious", "clumsy", "boring", "shallow", "weak", "noisy", "stale"]
PLAIN = ["the", "film", "its", "plot", "and", "a", "scene", "with", "this", "actor", "in", "that", "story", "from", "our", "city"]


def write_reviews(path, carriers=0, seed=0, rows=600):
    """Reviews of known words, some of them mixed; the first `carriers` bad ones hold "cf" and are labelled good."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    texts = []
    for y in label:
        mine, other = (GOOD, BAD) if y else (BAD, GOOD)
        words = [*rng.choice(mine, rng.integers(2, 5)), *rng.choice(other, rng.integers(0, 3)), *rng.choice(PLAIN, rng.integers(4, 12))]
        texts.append(" ".join(rng.permutation(words)))
    for i in np.flatnonzero(label == 0)[:carriers]:
        words = texts[i].split()
        words.insert(int(rng.integers(len(words) + 1)), "cf")
        texts[i], label[i] = " ".join(words), 1
    csv.write_csv(pa.table({"text": texts, "label": [("bad", "good")[y] for y in label]}), path)
    return path


def run(*arguments, capsys):
    code = cli.run([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_scan_clean_restore_explain(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "reviews.csv", carriers=40)
    code, out, err = run("scan", "reviews.csv", "--no-canaries", capsys=capsys)
    assert (code, err) == (1, "")
    assert "Poisoned" in out
    folder = tmp_path / "reviews.assay"
    assert sorted(p.name for p in folder.iterdir()) == ["plots.json", "report.html", "report.json", "report.sarif", "rows.parquet"]
    report = Report.open(folder)
    assert report.findings[0].artefact.describe() == "the word “cf”"
    assert len(report.quarantined) == 40
    assert run("scan", "reviews.csv", "--no-canaries", "--fail-on", "never", capsys=capsys)[0] == 0
    code, out, _ = run("clean", "reviews.csv", "--report", folder, "--out", "clean.csv", capsys=capsys)
    assert (code, csv.read_csv("clean.csv").num_rows) == (0, 560)
    assert run("restore", "clean.csv", capsys=capsys)[0] == 0
    assert (tmp_path / "clean.csv").read_bytes() == (tmp_path / "reviews.csv").read_bytes()
    code, out, _ = run("explain", folder, report.quarantined[0], capsys=capsys)
    assert code == 0
    assert "cf" in out


def test_a_tilde_is_the_home_folder_wherever_it_stands(tmp_path, capsys, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir(), here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    write_reviews(home / "a.csv", carriers=40)
    code, _, err = run("scan", "~/a.csv", "--no-canaries", "--out=~/a.assay", capsys=capsys)
    assert (code, err) == (1, "")
    assert Report.open(home / "a.assay").document["verdict"] == "poisoned"
    assay.scan("~/a.csv", canaries=False).write("~/b.assay", ())
    assert (home / "b.assay" / "rows.parquet").is_file()
    assert list(here.iterdir()) == []


def test_no_samples_reaches_every_output(tmp_path, capsys):
    path = write_reviews(tmp_path / "a.csv", carriers=40)
    code, out, _ = run("scan", path, "--no-samples", "--no-canaries", "--out", tmp_path / "r", capsys=capsys)
    assert code == 1
    written = out + "".join((tmp_path / "r" / f"report.{name}").read_text() for name in ("json", "html", "sarif"))
    written += str(Report.open(tmp_path / "r").rows.to_pydict())
    assert "“" not in written
    for word in (*GOOD, *BAD):
        assert not re.search(rf"\b{word}\b", written), word


def test_a_clean_scan_is_exit_0_and_states_its_sensitivity(tmp_path, capsys):
    path = write_reviews(tmp_path / "reviews.csv")
    code, out, _ = run("scan", path, "--out", tmp_path / "r", "--format", "json", capsys=capsys)
    document = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (code, document["verdict"]) == (0, "clean")
    assert document["sensitivity"]
    jsonschema.validate(document, schema())
    assert "Would have caught" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scan", "nowhere.csv"], "no such file or folder"),
        (["scan", "a.csv", "--format", "pdf"], "no format 'pdf'"),
        (["scan", "a.csv", "--alpha", "2"], "alpha"),
        (["scan", "a.csv", "--label", "nope"], "nope"),
        (["scan", "a.csv", "--out", "full"], "left alone"),
        (["clean", "a.csv", "--report", "full", "--out", "c.csv"], "no Assay report"),
        (["restore", "a.csv"], "nothing is kept"),
        (["explain", "full", "3"], "no Assay report"),
        (["attack", "a.csv", "--kind", "magic", "--out", "b.csv"], "magic"),
        (["attack", "a.csv", "--kind", "phrase", "--param", "oops", "--out", "b.csv"], "name=value"),
        (["demo", "--out", "full"], "nothing is overwritten"),
    ],
)
def test_what_is_wrong_is_one_message_and_exit_2(tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "a.csv", rows=40)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    code, _, err = run(*arguments, capsys=capsys)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert err.startswith("assay: ")
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["scan"], ["scan", "a", "--depth", "deep"], ["nosuch"], ["explain", "r", "-1"], ["--nope"]])
def test_wrong_usage_is_exit_2(arguments, capsys):
    assert run(*arguments, capsys=capsys)[0] == 2


ENDS = [(KeyboardInterrupt, 130), (RuntimeError, 3), (MemoryError, 3), (PermissionError, 2), (sqlite3.OperationalError, 2)]


@pytest.mark.parametrize(("error", "code"), ENDS)
def test_interrupted_or_broken_scans_leave_nothing(tmp_path, capsys, monkeypatch, error, code):
    def fail(*a, **k):
        raise error("boom")

    monkeypatch.setattr("assay.api.scan", fail)
    path = write_reviews(tmp_path / "a.csv", rows=40)
    got, _, err = run("scan", path, "--out", tmp_path / "r", capsys=capsys)
    assert got == code
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        cli.run(["scan", "nowhere.csv", "--debug"])


def test_help_is_quick_and_loads_no_machinery():
    code = "import sys; from assay import cli; cli.run(['--help']); print([m for m in sys.modules if m in ('numpy', 'pyarrow', 'sklearn')])"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), "no numpy, pyarrow or scikit-learn for --help"
    assert time.perf_counter() - began < 5, "measured 0.13 s; the bound allows for a busy machine"


def test_attack_writes_its_truth(tmp_path, capsys):
    path = write_reviews(tmp_path / "a.csv", rows=200)
    arguments = ["--kind", "phrase", "--carriers", "20", "--target", "good", "--param", "text=cf", "--out", tmp_path / "b.csv"]
    code, out, _ = run("attack", path, *arguments, capsys=capsys)
    assert code == 0
    assert "20 rows poisoned" in out
    assert (tmp_path / "b.csv.truth.parquet").exists()


def test_doctor_names_every_needed_package_and_what_is_missing(monkeypatch):
    from assay.cli import doctor

    real = doctor.found
    monkeypatch.setattr(doctor, "found", lambda p: None if p in ("torch", "polars") else real(p))
    done = CliRunner().invoke(cli.app, ["doctor"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for package in (*doctor.NEEDED, "cores", "memory"):
        assert package in done.output
    assert ".[torch]" in done.output


def test_settings_that_this_version_cannot_honour_are_refused(tmp_path, monkeypatch):
    path = write_reviews(tmp_path / "a.csv", rows=40)
    for asked in ({"depth": "deep"}, {"alpha": 0.0}):
        with pytest.raises(DataError):
            scan(path, **asked)
    monkeypatch.setenv("ASSAY_HELD_MB", "much")
    with pytest.raises(DataError, match=r"ASSAY_HELD_MB is 'much'. Remedy: set it to a number of MiB"):
        scan(path)


def test_ctrl_c_in_the_middle_of_a_scan_leaves_nothing(tmp_path):
    write_reviews(tmp_path / "a.csv", rows=3000)
    code = """
import os, signal, sys, threading
from assay import cli, pipeline
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
real = pipeline.run
def run(*a):
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGNUM)).start()
    return real(*a)
pipeline.run = run
sys.exit(cli.run(["scan", "a.csv", "--out", "r"]))
"""
    for name, expected in (("SIGINT", 130), ("SIGTERM", 143)):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("SIGNUM", name)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == expected, done.stderr
        assert "Traceback" not in done.stderr
        assert ("nothing was left half-written" in done.stderr) == (name == "SIGINT")
        assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
