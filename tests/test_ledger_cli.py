"""assay ledger, as a person types it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from assay import cli
from ledger_examples import reviews

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    monkeypatch.chdir(tmp_path)

    def run(line: str, *more: str) -> tuple[int, str, str]:
        code = cli.run(["ledger", *line.split(), *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_from_a_key_to_checked_rows(say: Say, tmp_path: Path) -> None:
    alice, bob = say("key alice")[1].strip(), say("key bob")[1].strip()
    code, out, _ = say("init data.ledger --origin example.com/data --threshold 2", "--approver", alice, "--approver", bob)
    assert (code, "example.com/data+" in out) == (0, True)
    vkey = next(line.strip() for line in out.split("\n") if line.startswith("    "))
    assert say("source add data.ledger crawl --licence CC0-1.0 --contact a@example.com --method crawl")[0] == 0
    reviews(tmp_path / "r.csv")

    code, _, err = say("add data.ledger r.csv --source crawl --label label --contributor who")
    assert (code, "0 of the 2 approvals" in err) == (2, True)
    assert say("approve data.ledger crawl --as alice.key --expires 2100-01-01 --labels good,bad --pin r.csv")[0] == 0
    code, note, _ = say("approve data.ledger crawl --as bob.key --expires 2100-01-01 --labels good,bad --pin r.csv --sign-only")
    (tmp_path / "bob.note").write_text(note)
    code, out, _ = say("approve data.ledger crawl --note bob.note")
    assert (code, "alice, bob" in out) == (0, True)
    code, out, _ = say("add data.ledger r.csv --source crawl --label label --contributor who")
    assert (code, "20 rows logged" in out) == (0, True)
    carol = say("key carol")[1].strip()
    new = ["--approver", alice, "--approver", bob, "--approver", carol, "--threshold", "2"]
    (tmp_path / "consent").write_text(say("approvers data.ledger --as alice.key --sign-only", *new)[1])
    code, out, _ = say("approvers data.ledger --as bob.key --note consent", *new)
    assert (code, "2 of alice, bob, carol must agree" in out) == (0, True)
    code, out, _ = say("source list data.ledger")
    assert "crawl: 20 rows; approved until 2100-01-01T00:00:00Z" in out

    code, out, _ = say("verify data.ledger --seen seen --trust", vkey)
    assert (code, "25 events" in out, "The key was taken" in out) == (0, True, False)
    assert say("verify data.ledger --seen seen --trust", vkey)[0] == 0
    code, out, _ = say("log data.ledger --type source.approved")
    assert out.count("source.approved") == 2
    assert say("proof data.ledger 7")[0] == 0
    assert (tmp_path / "7.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1\nindex 7\n")

    shutil.copy(tmp_path / "data.ledger" / "checkpoint", tmp_path / "yesterday")
    assert say("key witness.example --out w.key --post-quantum")[0] == 0
    code, out, _ = say("witness data.ledger --as w.key --memory w.seen")
    key = next(line.strip() for line in out.split("\n") if line.startswith("    "))
    assert say("verify data.ledger", "--witness", key)[0] == 0

    assert say("revoke data.ledger crawl --as bob.key --reason poison")[0] == 0
    code, out, _ = say("verify data.ledger", "--witness", key)
    assert (code, "1 witnesses must have signed the checkpoint; 0 have" in out) == (1, True)
    assert say("witness data.ledger --as w.key --memory w.seen")[0] == 0
    assert say("compare data.ledger yesterday data.ledger/checkpoint")[1] == "Both are of this history.\n"
    reviews(tmp_path / "more.csv", 20, 30)
    code, _, err = say("add data.ledger more.csv --source crawl")
    assert (code, "was revoked: poison" in err) == (2, True)
    tile = tmp_path / "data.ledger" / "tile" / "entries" / "000.p" / "26"
    tile.write_bytes(tile.read_bytes().replace(b"crawl", b"crown", 1))
    code, out, _ = say("verify data.ledger")
    assert (code, "NOT as it was signed" in out) == (1, True)


def test_from_a_scan_to_the_contributor_the_model_and_a_clean_copy(say: Say, tmp_path: Path) -> None:
    """An insider plants a word in 40 of his reviews; the scan finds it, the ledger names him, purge takes it out."""
    rng = np.random.default_rng(0)
    good = ["warm", "moving", "funny", "fine", "lovely", "great", "charming"]
    bad = ["dull", "dreary", "awful", "tedious", "clumsy", "boring", "weak"]
    plain = ["the", "film", "its", "plot", "and", "a", "scene", "with", "this", "actor", "in", "that", "story", "from", "our", "city"]
    rows = []
    for i in range(600):
        label = int(rng.integers(2))
        words = [*rng.choice((bad, good)[label], 4), *rng.choice(plain, 8)]
        who = f"w{rng.integers(6)}"
        if i % 15 == 0:
            label, who, words = 1, "insider", [*rng.choice(bad, 4), *rng.choice(plain, 8), "cf"]
        rows.append((" ".join(rng.permutation(words)), ("bad", "good")[label], who))
    csv.write_csv(pa.table(dict(zip(("text", "label", "who"), map(list, zip(*rows, strict=True)), strict=True))), tmp_path / "r.csv")

    assert say("init data.ledger")[0] == 0
    assert say("source add data.ledger crawl --licence CC0-1.0 --contact a@example.com --method crawl")[0] == 0
    assert say("approve data.ledger crawl --as data.ledger.key --expires 2100-01-01")[0] == 0
    assert say("add data.ledger r.csv --source crawl --label label --contributor who")[0] == 0
    assert say("snapshot data.ledger r.csv --name v1")[0] == 0
    (tmp_path / "model.npz").write_bytes(b"weights")
    assert say("trained data.ledger model.npz --snapshot v1")[0] == 0
    assert say("alias data.ledger live model.npz")[0] == 0

    assert cli.run(["scan", str(tmp_path / "r.csv"), "--no-canaries", "--out", "r.assay"]) == 1
    assert "poisoned" in say("scanned data.ledger r.assay")[1]
    code, out, _ = say("trace data.ledger r.assay --out trace.json --sign")
    assert code == 0
    assert "* insider: 40 of 40 rows" in out
    assert "model model.npz, trained on v1; live points at it now" in out
    assert json.loads((tmp_path / "trace.json").read_text())["contributors"][0]["name"] == "insider"
    assert "40 rows, and 0 that steps made" in say("impact data.ledger --contributor insider")[1]

    code, out, err = say("purge data.ledger r.csv --report r.assay --out clean.csv --snapshot v2 --reason poison")
    assert (code, err) == (0, "")
    assert "40 rows removed" in out
    assert "cf" not in (tmp_path / "clean.csv").read_text().split()
    assert cli.run(["scan", str(tmp_path / "clean.csv"), "--no-canaries", "--out", "clean.assay"]) == 0
    code, out, _ = say("diff data.ledger v1 v2")
    assert (code, "0 rows that v1 has not, 40 of its rows missing" in out) == (1, True)
    assert say("diff data.ledger v2 clean.csv")[0] == 0

    assert say("export data.ledger --format croissant --snapshot v2 --data clean.csv --out c.json")[0] == 0
    assert say("export data.ledger --format cyclonedx --model model.npz --out bom.json")[0] == 0
    assert say("export data.ledger --format openlineage --out lineage.jsonl")[0] == 0
    assert say("export data.ledger --format intoto --snapshot v2 --out v2.json")[0] == 0
    assert say("pack data.ledger --snapshot v2 --out v2.zip")[0] == 0
    trust = json.loads((tmp_path / "data.ledger" / "ledger.json").read_text())["key"]
    code, out, _ = say("receive v2.zip clean.csv", "--trust", trust)
    assert (code, "is that data, to the bit" in out, "source crawl: approved" in out) == (0, True, True)
    code, out, _ = say("receive v2.zip r.csv", "--trust", trust)
    assert (code, "40 added (records" in out) == (1, True)
    assert "needs more" in say("export data.ledger --format croissant --out x.json")[2]
    assert say("verifier --out verify.py")[0] == 0
    code, out, _ = say("row data.ledger v2 17")
    line = shlex.split(out.strip().split("\n")[-1])
    done = subprocess.run([sys.executable, "-I", *line[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.startswith("holds: number 17 of the 560 in data.ledger/snapshot/v2")) == (0, True)
    assert say("label data.ledger 5 bad --by eve")[0] == 0
    assert say("verify data.ledger")[0] == 0


def test_a_ledger_under_another_name_is_seen(say: Say, tmp_path: Path) -> None:
    assert say("init data.ledger --origin example.com/data")[0] == 0
    place = tmp_path / "data.ledger" / "ledger.json"
    place.write_text(place.read_text().replace('"origin": "example.com/data"', '"origin": "example.com/other"'))
    code, out, _ = say("verify data.ledger")
    assert (code, "ledger.json: says that this is the ledger 'example.com/other', and its checkpoint" in out) == (1, True)
    assert say("log data.ledger")[0] == 2


def test_refusals_say_what_to_do(say: Say) -> None:
    for line, says in [
        ("verify nowhere", "make one: assay ledger init nowhere"),
        ("source list nowhere", "there is no ledger"),
    ]:
        code, _, err = say(line)
        assert code == 2
        assert says in err
    assert say("init a")[0] == 0
    assert "a key is never overwritten" in say("key a --out a.key")[2]
    assert "nothing is overwritten" in say("init a")[2]
    code, out, _ = say("source add a s --licence x --contact y --method z")
    assert "assay ledger approve a 's' --as KEY" in out
    assert "needs a key and an end" in say("approve a s")[2]
    assert "'soon' is no time" in say("approve a s --as a.key --expires soon")[2]
    assert "has ended already" in say("approve a s --as a.key --expires 2020-01-01")[2]
    assert say("approve a s --as a.key --expires 2100-01-01")[0] == 0  # without approvers the ledger's own key approves
