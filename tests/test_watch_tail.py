"""Following files: each event once, whenever it dies; audits run when they are due, and are kept."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.watch import audits, frames, tail
from assay.watch.audits import Audit, run_due
from assay.watch.baseline import learn
from assay.watch.tail import Tail
from assay.watch.watch import Watch
from watch_examples import FIELDS, table


@pytest.fixture
def w(tmp_path):
    Watch.create(tmp_path / "w", learn(table(np.random.default_rng(0), 600), FIELDS)).close()
    return tmp_path / "w"


def lines(n, seed=1):
    return [json.dumps(e) for e in table(np.random.default_rng(seed), n).to_pylist()]


def taken(w):
    with Watch.open(w, read_only=True) as watch:
        return watch.status(0).predictions


def test_a_growing_file_is_followed_and_a_torn_line_waits(w, tmp_path):
    said, path = lines(300), tmp_path / "e.jsonl"
    follow = ["watch", "ingest", str(w), str(path), "--follow", "0", "--batch", "70"]
    assert run(follow) == 0
    path.write_text("\n".join(said[:100]) + "\n" + said[100][:20])
    assert run(follow) == 0
    assert taken(w) == 100
    with path.open("a") as file:
        file.write(said[100][20:] + "\n" + "\n".join(said[101:]) + "\n")
    assert run(follow) == 0
    assert run(follow) == 0
    assert taken(w) == 300
    path.unlink()
    path.write_text("\n".join(lines(50, seed=2)) + "\n")  # turned over by whoever writes it
    assert run(follow) == 0
    assert taken(w) == 350
    with path.open("a") as file:
        file.write("no json\n")
    assert run(follow) == 2


def test_a_file_that_is_turned_over_while_a_part_of_it_is_taken(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text("".join(f'{{"i": {i}}}\n' for i in range(6)))
    got = []
    for piece in Tail(tmp_path, path, 3).pieces():
        got += [event["i"] for event in piece.events]
        if len(got) == 3:
            path.write_text("".join(f'{{"i": {i}}}\n' for i in range(100, 110)))  # longer than what was read
    assert got == [*range(6), *range(100, 110)]


@pytest.mark.parametrize("wrong", ["parse", "ingest"])
@pytest.mark.parametrize("new_inode", [False, True])
@pytest.mark.parametrize("broken", [0, 7, 20, 29])
def test_a_line_that_is_mended_where_it_stands_is_taken_and_nothing_twice(w, tmp_path, capsys, wrong, new_inode, broken):
    """By a longer line, which makes the file longer, and by an editor that puts another file in its place."""
    said, path = lines(30), tmp_path / "e.jsonl"
    follow = ["watch", "ingest", str(w), str(path), "--follow", "0", "--batch", "8"]
    path.write_text("\n".join(said[:20]) + "\n")
    if broken >= 20:
        assert run(follow) == 0
    bad = list(said)
    bad[broken] = said[broken][:15] if wrong == "parse" else json.dumps({**json.loads(said[broken]), "confidence": 7})
    path.write_text("\n".join(bad) + "\n")
    for _ in range(2):
        assert run(follow) == 2
        assert f"e.jsonl, line {broken + 1}" in capsys.readouterr().err
    if new_inode:
        path.rename(tmp_path / "before")
    path.write_text("\n".join([*said[:broken], said[broken][:-1] + " " * 40 + "}", *said[broken + 1 :]]) + "\n")
    assert run(follow) == 0
    assert taken(w) == 30
    with path.open("a") as file:
        file.write("\n".join(lines(5, seed=9)) + "\n")
    assert run(follow) == 0
    assert taken(w) == 35


@pytest.mark.parametrize("fresh", [50, 300])
def test_a_file_that_was_turned_over_is_taken_from_its_beginning(w, tmp_path, fresh):
    """Shorter than before, and longer; in place, as `copytruncate` does, the number of the file on the disk stays."""
    path = tmp_path / "e.jsonl"
    follow = ["watch", "ingest", str(w), str(path), "--follow", "0"]
    for n, seed in ((100, 1), (fresh, 2)):
        path.write_text("\n".join(lines(n, seed)) + "\n")
        assert run(follow) == 0
    assert taken(w) == 100 + fresh


@pytest.mark.parametrize("pending", [False, True])
def test_what_an_earlier_version_wrote_down_is_gone_on_with(w, tmp_path, pending):
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(lines(40)) + "\n")
    begin = len("\n".join(lines(40)[:25])) + 1
    at = {"inode": path.stat().st_ino, "from": begin, "turn": 1, "until": path.stat().st_size if pending else None, "batch": 10}
    (w / "tail.json").write_text(json.dumps({str(path): at}))
    pieces = list(Tail(w, path).pieces())
    assert [line for piece in pieces for line in piece.rows] == list(range(26, 41))
    assert len(pieces) == (2 if pending else 1)


def test_a_row_of_a_followed_folder_is_told_with_its_file_and_can_be_mended(w, tmp_path, capsys):
    rng, put = np.random.default_rng(4), tmp_path / "put"
    put.mkdir()
    follow = ["watch", "ingest", str(w), str(put), "--follow", "0", "--batch", "8"]
    good = table(rng, 30)
    for name in ("a.csv", "c.csv", "D.CSV"):
        pa.csv.write_csv(good, put / name)
    at = good.column_names.index("confidence")
    pa.csv.write_csv(good.set_column(at, "confidence", pa.array([0.5] * 20 + [7.5] + [0.5] * 9)), put / "b.csv")
    assert run(follow) == 2
    said = capsys.readouterr().err
    assert "b.csv, row 20, column 'confidence': 7.5 is no probability" in said
    assert "what was taken stays, the rest waits" in said
    text = (put / "b.csv").read_text()
    (put / "b.csv").write_text(text + text.splitlines()[-1] + "\n")
    assert run(follow) == 2
    assert "neither add nor leave out" in capsys.readouterr().err
    (put / "b.csv").write_text(text.replace("7.5", "0.7512"))
    assert run(follow) == 0
    assert run(follow) == 0
    assert taken(w) == 120


@pytest.mark.parametrize("die_after", [1, 2, 3])
def test_after_a_crash_each_event_counts_once(w, tmp_path, die_after):
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(lines(200)) + "\n")
    with Watch.open(w) as watch:
        for i, piece in enumerate(Tail(w, path, 60).pieces(), 1):
            watch.ingest(piece.events, name=piece.name)
            if i == die_after:
                break  # before it could write down that this one is done
    with path.open("a") as file:
        file.write("\n".join(lines(100, seed=3)) + "\n")  # which must not change what the batch in question was
    with Watch.open(w) as watch:
        for piece in Tail(w, path, 60).pieces():
            watch.ingest(piece.events, name=piece.name)
    assert taken(w) == 300


def test_a_folder_of_parquet_is_followed(w, tmp_path):
    rng, put = np.random.default_rng(4), tmp_path / "put"
    put.mkdir()
    follow = ["watch", "ingest", str(w), str(put), "--follow", "0"]
    pq.write_table(table(rng, 100), put / "a.parquet")
    whole = (put / "a.parquet").read_bytes()
    (put / "b.parquet").write_bytes(whole[:500])  # half written
    (put / ".c.parquet").write_bytes(b"hidden")
    assert run(follow) == 0
    assert taken(w) == 100
    (put / "b.parquet").write_bytes(whole)
    assert run(follow) == 0
    assert run(follow) == 0
    assert taken(w) == 200
    pq.write_table(table(rng, 130), put / "a.parquet")
    with pytest.raises(DataError, match="another size"):
        list(Tail(w, put).pieces())


@pytest.mark.parametrize("name", ["e.jsonl", "put/e.csv"])
@pytest.mark.parametrize("again", [3, 5])
def test_a_file_of_more_batches_than_are_remembered_counts_once(w, tmp_path, monkeypatch, name, again):
    """Interrupted late in it, and gone on with in batches of the same size, or of another."""
    monkeypatch.setattr(frames, "NAMES", 20)
    monkeypatch.setattr(tail, "EVERY", 2)
    path, events = tmp_path / name, table(np.random.default_rng(1), 100)
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".csv":
        pa.csv.write_csv(events, path)
    else:
        path.write_text("\n".join(json.dumps(e) for e in events.to_pylist()) + "\n")
    source = path if path.suffix == ".jsonl" else path.parent
    for died in (30, 2, None):
        with Watch.open(w) as watch:
            for number, piece in enumerate(Tail(w, source, 3 if died == 30 else again).pieces(), 1):
                watch.ingest(piece.events, name=piece.name)
                if number == died:
                    break
    assert taken(w) == 100
    assert list(Tail(w, source, again).pieces()) == []


def test_two_files_of_one_round_are_both_remembered(w, tmp_path):
    rng, put = np.random.default_rng(5), tmp_path / "put"
    put.mkdir()
    for name in ("a", "b", "c"):
        pq.write_table(table(rng, 40), put / f"{name}.parquet")
    assert len(list(Tail(w, put).pieces())) == 3
    assert list(Tail(w, put).pieces()) == []


def test_audits_run_when_due_and_what_they_find_is_an_alert(w, capsys):
    script = 'mkdir -p {out} && echo \'{"verdict": "poisoned"}\' > {out}/report.json && echo looked && exit 1'
    audits.add(w, Audit("data", 86400.0, ("sh", "-c", script)))
    assert run(["watch", "audits", "add", str(w), "calm", "true", "--every", "12h"]) == 0
    assert run(["watch", "audits", "add", str(w), "ill", "no-such-program", "--every", "12h"]) == 0
    assert run(["watch", "audits", "run", str(w)]) == 3
    said = capsys.readouterr().out
    assert "data 1: exit 1 after 0 s, poisoned" in said
    assert "ill 1: could not be started: " in said
    assert "None" not in said
    with Watch.open(w, read_only=True) as watch:
        found = {a.key: (a.severity, a.title) for a in watch.alerts}
    assert found == {
        "audit/data": ("critical", "the audit 'data' found something, verdict poisoned"),
        "audit/ill": ("warning", "the audit 'ill' could not be done"),
    }
    last = audits.results(w, "data")[-1]
    assert (last.code, last.verdict, len(last.report)) == (1, "poisoned", 64)
    assert (w / "audits/data/000001/output.txt").read_bytes() == b"looked\n"
    now = last.started
    assert [r.audit for r in run_due(w, lambda: now + 13 * 3600)] == ["calm", "ill"]
    assert [r.audit for r in run_due(w, lambda: now + 25 * 3600)] == ["data", "calm", "ill"]
    assert [r.audit for r in run_due(w, lambda: now - 400 * 86_400)] == ["data", "calm", "ill"]  # the clock was put right
    assert run_due(w, lambda: now - 400 * 86_400) == []
    assert run(["watch", "audits", "list", str(w)]) == 0
    said = capsys.readouterr().out
    assert "data: every 1d: sh -c" in said
    assert "verdict poisoned" in said
    assert "ill: every 12h: no-such-program; last " in said
    assert ", could not be started: " in said
    assert run(["watch", "audits", "remove", str(w), "ill"]) == 0
    with pytest.raises(DataError, match="span of time"):
        audits.seconds_of("soon")


def test_results_that_found_nothing_leave_first(w):
    clock = iter(range(10_000))
    found, calm = Audit("a", 1.0, ("sh", "-c", "exit 1")), Audit("a", 1.0, ("true",))
    audits.run(w, found, lambda: next(clock))
    for _ in range(audits.KEPT + 3):
        audits.run(w, calm, lambda: next(clock))
    held = audits.results(w, "a")
    assert len(held) == audits.KEPT
    assert held[0].number == 1
    slow = audits.run(w, Audit("a", 1.0, ("sleep", "5"), limit=0.1), lambda: next(clock))
    assert (slow.code, slow.end) == (None, "stopped after 0.1s")
