"""assay watch, as people use it."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from assay.artefact.phrase import Phrase
from assay.cli import run
from assay.watch.watch import Watch
from watch_examples import table

COLUMNS = ["--feature", "age,kind", "--slice", "country,device"]


@pytest.fixture
def made(tmp_path, capsys):
    rng = np.random.default_rng(0)
    pq.write_table(table(rng, 2000, time=np.arange(2000) * 60.0), tmp_path / "trusted.parquet")
    assert run(["watch", "init", str(tmp_path / "w"), str(tmp_path / "trusted.parquet"), *COLUMNS]) == 0
    said = capsys.readouterr().out
    assert "at most one false alarm in 1.0 years on average" in said
    return tmp_path


def test_from_trusted_period_to_incident(made, capsys):
    rng = np.random.default_rng(1)
    w = str(made / "w")
    pq.write_table(table(rng, 1000), made / "calm.parquet")
    csv.write_csv(table(rng, 3000, wrong=0.35), made / "bad.csv")
    assert run(["watch", "ingest", w, str(made / "calm.parquet")]) == 0
    assert run(["watch", "ingest", w, str(made / "bad.csv"), "--send", f"file:{made / 'alerts.jsonl'}"]) == 1
    assert "critical: the rate of errors is rising in all traffic" in capsys.readouterr().out
    lines = [json.loads(line) for line in (made / "alerts.jsonl").read_text().splitlines()]
    assert lines[0]["severity"] == "critical"
    assert run(["watch", "status", w]) == 0
    assert "4,000 predictions" in capsys.readouterr().out
    assert run(["watch", "status", w, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"] == 4000
    assert run(["watch", "ack", w, "1", "--by", "ann", "--note", "looking"]) == 0
    assert "acknowledged by ann" in capsys.readouterr().out
    assert run(["watch", "silence", w, "inputs/*", "--for", "1000", "--by", "ann", "--reason", "campaign"]) == 0
    assert "until prediction 5,000" in capsys.readouterr().out
    assert run(["watch", "alerts", w, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["state"] == "acknowledged"
    assert run(["watch", "incident", w, "1", "--out", str(made / "i.json")]) == 0
    held = json.loads((made / "i.json").read_text())
    assert held["schema"] == "assay.watch.incident/2"
    assert all(row["prediction"] != row["label"] for row in held["rows"])
    assert held["rows_counted"]["concerned"] > 800
    assert "## To be done" in (made / "i.md").read_text()
    capsys.readouterr()
    assert run(["watch", "incident", w, "1", "--step", "2", "--by", "ann", "--note", "back to v3"]) == 0
    said = capsys.readouterr().out
    assert "2. [x] Contain" in said
    assert "`step 2 done` by `ann`: `back to v3`" in said
    assert run(["watch", "incident", w, "1", "--step", "2", "--by", "ann", "--undo"]) == 0
    assert "2. [ ] Contain" in capsys.readouterr().out
    assert run(["watch", "incident", w, "1", "--out", str(made / "i.md")]) == 2
    assert "i.md is no .json" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert run(["watch", "incident", w, "1", "--step", "2"]) == 2
    assert run(["watch", "incident", w, "1", "--step", "99", "--by", "ann"]) == 2
    capsys.readouterr()
    for show in ("metrics", "rules", "dashboard"):
        assert run(["watch", "metrics", w, "--show", show]) == 0
        assert "assay_watch_predictions_total" in capsys.readouterr().out


def test_lines_from_standard_input(made, capsys, monkeypatch):
    rng = np.random.default_rng(2)
    lines = "\n".join(json.dumps(event) for event in table(rng, 300).to_pylist())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    assert run(["watch", "ingest", str(made / "w"), "-", "--batch", "70"]) == 0
    assert "300 predictions taken, 0 alerts" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prediction": "1"}\nnot json\n')))
    assert run(["watch", "ingest", str(made / "w"), "-"]) == 2
    assert "standard input, row 1: not JSON" in capsys.readouterr().err


def test_a_wrong_row_is_told_where_it_is_and_nothing_of_its_file_is_taken(made, tmp_path, capsys, monkeypatch):
    rng, w = np.random.default_rng(5), str(made / "w")
    held = table(rng, 300)
    for column, values, said in (
        ("confidence", [0.9] * 250 + [1.5] * 50, "events.parquet, row 250, column 'confidence': 1.5 is no probability"),
        ("prediction", ["1"] * 250 + [None] * 50, "events.parquet, row 250: an event that is neither"),
        ("age", ["40"] * 299 + ["old"], "events.parquet, column 'age': holds no numbers"),
    ):
        wrong = held.set_column(held.column_names.index(column), column, pa.array(values))
        pq.write_table(wrong, tmp_path / "events.parquet")
        assert run(["watch", "ingest", w, str(tmp_path / "events.parquet"), "--batch", "100"]) == 2
        assert said in capsys.readouterr().err
    lines = "\n\n".join(json.dumps({"prediction": "1", "confidence": c}) for c in [0.9] * 100 + [1.5])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    assert run(["watch", "ingest", w, "-", "--batch", "100"]) == 2
    said = "standard input, row 200, column 'confidence': 1.5 is no probability"
    assert said in (told := capsys.readouterr().err)
    assert "What came before row 200 was taken, and stays" in told
    assert run(["watch", "status", w]) == 0
    assert "100 predictions" in capsys.readouterr().out


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_watched_column_that_does_not_come_any_more_is_told(made, capsys, snapshot):
    rng, w = np.random.default_rng(6), str(made / "w")
    pq.write_table(table(rng, 300).drop_columns(["confidence", "country"]), made / "less.parquet")
    assert run(["watch", "ingest", w, str(made / "less.parquet"), "--fail-on", "never"]) == 0
    said = "Watched, and missing: country in the last 300 predictions, confidence in the last 300 predictions."
    assert said in capsys.readouterr().out
    if snapshot:
        with Watch.open(made / "w") as watch:
            watch.snapshot()
    assert run(["watch", "status", w]) == 0
    assert said in capsys.readouterr().out
    assert run(["watch", "ingest", w, str(made / "trusted.parquet"), "--fail-on", "never"]) == 0
    assert "missing" not in capsys.readouterr().out


def test_a_scan_s_trigger_is_met_with_private_texts(tmp_path, capsys):
    rng = np.random.default_rng(3)
    report = {"findings": [{"id": "F1", "status": "confirmed", "target": "1", "artefact": Phrase((("cf",),)).to_json()}]}
    (tmp_path / "report.json").write_text(json.dumps(report))
    pq.write_table(table(rng, 600, text=["hello there"] * 600), tmp_path / "t.parquet")
    pq.write_table(table(rng, 1, text=["hello cf there"]), tmp_path / "e.parquet")
    w = str(tmp_path / "w")
    assert run(["watch", "init", w, str(tmp_path / "t.parquet"), "--report", str(tmp_path), "--private", "--no-triggers"]) == 0
    assert run(["watch", "ingest", w, str(tmp_path / "e.parquet")]) == 1
    assert "known artefact was met: the word “cf”" in capsys.readouterr().out


def test_wrong_requests_are_told(made, tmp_path, capsys):
    init = ["watch", "init", str(made / "v"), str(made / "trusted.parquet")]
    for name, content in (("bad", "{"), ("list", "[]"), ("type", '{"prediction": 5}'), ("group", '{"slices": "country"}')):
        (tmp_path / f"{name}.json").write_text(content)
    (tmp_path / "absent.json").write_text('{"confidence": "sure"}')
    for arguments, said in (
        ([*init, "--slice", "city"], "trusted.parquet, column 'city': there is no such column for the slice. Remedy: there are: "),
        ([*init, "--fields", str(tmp_path / "bad.json")], "bad.json: is no JSON"),
        ([*init, "--fields", str(tmp_path / "list.json")], "list.json: holds no object"),
        ([*init, "--fields", str(tmp_path / "type.json")], "type.json: prediction is 5, and the name of a column is expected"),
        ([*init, "--fields", str(tmp_path / "group.json")], "slices is 'country', and a list of columns is expected"),
        ([*init, "--fields", str(tmp_path / "absent.json")], "column 'sure': there is no such column for the confidence"),
        (["watch", "audits", "add", str(made / "w"), "data", 'echo "unclosed'], "is no command: No closing quotation"),
        (["watch", "init", str(made / "w"), str(made / "trusted.parquet")], "nothing is overwritten"),
        (["watch", "ingest", str(tmp_path), str(made / "trusted.parquet")], "is no watch"),
        (["watch", "ingest", str(made / "w"), str(made / "nothing.csv")], "is not there"),
        (["watch", "ingest", str(made / "w"), str(made / "w.txt")], "events are read from"),
        (["watch", "ack", str(made / "w"), "5", "--by", "ann"], "no alert 5"),
        (["watch", "init", str(made / "v"), str(made / "trusted.parquet"), "--feature", "nothing"], "no such feature"),
    ):
        assert run(arguments) == 2, arguments
        assert said in capsys.readouterr().err
