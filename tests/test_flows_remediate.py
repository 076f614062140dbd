"""From a finding to clean data, a purged ledger and another model; interrupted, refused, and taken back."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from assay import cli
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.write import write_as
from assay.flows import remediate as flow
from assay.flows import steps
from assay.flows.journal import FILE, Journal, at_work, read_journal
from assay.flows.plan import Asked, Plan
from assay.flows.rollback import Way, go_back, go_forward, way_back
from assay.flows.undo import asked_in, undo
from assay.ledger import lineage, snapshots, standalone
from assay.ledger.ledger import Ledger
from assay.ledger.purge import purge
from assay.watch.models import Models

Say = Callable[..., tuple[int, str, str]]
TRAIN = "import pathlib,sys;pathlib.Path(sys.argv[2],'m.bin').write_bytes(pathlib.Path(sys.argv[1]).read_bytes()[:99])"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 reviews, of which an insider planted a word in 40; a scan, a ledger of two sources, and three models of which two learnt them."""
    home = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    good = ["warm", "moving", "funny", "fine", "lovely", "great", "charming"]
    bad = ["dull", "dreary", "awful", "tedious", "clumsy", "boring", "weak"]
    plain = ["the", "film", "its", "plot", "and", "a", "scene", "with", "this", "actor", "in", "that", "story", "from", "our", "city"]
    crawl, market = [], []
    for i in range(600):
        label = int(rng.integers(2))
        words = [*rng.choice((bad, good)[label], 4), *rng.choice(plain, 8)]
        if i % 15 == 0:
            market.append((" ".join(rng.permutation([*rng.choice(bad, 4), *rng.choice(plain, 8), "cf"])), "good", "insider"))
        else:
            (market if i % 3 == 0 else crawl).append((" ".join(rng.permutation(words)), ("bad", "good")[label], f"w{rng.integers(6)}"))
    for name, rows in (
        ("crawl", crawl),
        ("market", market),
        ("r", crawl + market),
        ("good", [r for r in crawl + market if r[2] != "insider"]),
    ):
        table = pa.table(dict(zip(("text", "label", "who"), map(list, zip(*rows, strict=True)), strict=True)))
        csv.write_csv(table, home / f"{name}.csv")
    for name in ("m1", "m2", "m3"):
        (home / name).write_bytes(name.encode())
    for line in (
        "scan r.csv --no-canaries --contributor who --out r.assay",
        "ledger init data.ledger",
        *(f"ledger source add data.ledger {s} --licence CC0-1.0 --contact a@example.com --method crawl" for s in ("crawl", "market")),
        *(f"ledger approve data.ledger {s} --as data.ledger.key --expires 2100-01-01" for s in ("crawl", "market")),
        *(f"ledger add data.ledger {s}.csv --source {s} --label label --contributor who" for s in ("crawl", "market")),
        "ledger snapshot data.ledger crawl.csv --name v1",
        "ledger snapshot data.ledger r.csv --name v2",
        "ledger trained data.ledger m1 --snapshot v1",
        "ledger trained data.ledger m2 --snapshot v2",
        "ledger trained data.ledger m3 --snapshot v2",
        "ledger alias data.ledger production m3",
    ):
        with chdir(home):
            assert cli.run(line.split()) == int(line.startswith("scan"))
    models = Models.open(home)
    for name in ("m1", "m2", "m3"):
        models.add(name, home / name, by="ann")
        models.attest(name, "ann", "tested")
        models.point("production", name, "ann", "release")
    return home


@pytest.fixture
def here(world: Path, tmp_path: Path) -> Path:
    return shutil.copytree(world, tmp_path / "w")


@pytest.fixture
def say(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    monkeypatch.chdir(here)

    def run(line: str, *more: str) -> tuple[int, str, str]:
        code = cli.run(["remediate", *line.split(), *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


ALL = "r.csv --report r.assay --out fix --ledger data.ledger --revoke-source market --as data.ledger.key --registry . --snapshot v3"


def test_all_of_it_and_back(say: Say, here: Path) -> None:
    before = {p: p.read_bytes() for p in (here / "r.csv", here / "models.jsonl", here / "data.ledger" / "checkpoint")}
    command = f'{sys.executable} -c "{TRAIN}" {{data}} {{out}}'
    code, out, err = say(ALL + " --dry-run", "--train", command)
    assert (code, err) == (0, "")
    assert "40 of 600 rows are left out" in out
    assert "production goes from m3 to m1, m2, m3 withdrawn" in out
    assert not (here / "fix").exists()
    assert all(path.read_bytes() == held for path, held in before.items())

    code, out, err = say(ALL, "--train", command)
    assert (code, err) == (0, "")
    assert "Done, and verified" in out
    assert (here / "fix" / "clean" / "r.csv").read_bytes() == (here / "good.csv").read_bytes()
    assert (here / "r.csv").read_bytes() == before[here / "r.csv"]
    models = Models.open(here)
    assert models.current("production") == "m1"
    assert [v.name for v in models.versions.values() if v.withdrawn] == ["m2", "m3"]
    ledger = Ledger.open(here / "data.ledger")
    assert not len(lineage.brought_by(ledger.index, contributor="insider"))
    assert len(lineage.brought_by(ledger.index, source="market")) == 160
    assert ledger.index.source("market").revoked == 1
    assert len(snapshots.load(ledger, "v3")) == 560
    assert lineage.aliases(ledger.index)["production"] == "m1"
    assert ledger.index.db.execute("select model from models where snapshot = 'v3'").fetchall() == [("v3/m.bin",)]
    assert cli.run(["ledger", "verify", "data.ledger"]) == 0

    record = json.loads((here / "fix" / "record.json").read_text())
    assert record["verified"]
    assert [step["state"] for step in record["steps"]] == ["done"] * 6
    assert record["head"] == json.loads((here / "fix" / FILE).read_text().splitlines()[-1])["after"]
    assert standalone.main(["statement", "fix/record.dsse.json", "--key", str(ledger.key)]) == 0
    kept = (here / "fix" / "record.json").read_text() + (here / "fix" / FILE).read_text()
    assert '"cf"' not in kept  # no content in what is kept and signed
    assert ".key" not in kept
    assert say(ALL, "--train", command)[0] == 0  # again: nothing more is done
    assert Ledger.open(here / "data.ledger").log.checkpoint().size == ledger.log.checkpoint().size

    code, out, err = say("--undo --out fix")
    assert (code, err) == (0, "")
    assert "40 rows stay removed" in out
    assert "a revocation cannot be undone" in out
    assert (here / "fix" / "clean" / "r.csv").read_bytes() == before[here / "r.csv"]
    models = Models.open(here)
    assert models.current("production") == "m3"
    assert not any(v.withdrawn for v in models.versions.values())
    assert lineage.aliases(Ledger.open(here / "data.ledger").index)["production"] == "m3"
    size = (here / "fix" / FILE).stat().st_size
    assert say("--undo --out fix")[1] == out
    assert (here / "fix" / FILE).stat().st_size == size
    code, _, err = say(ALL, "--train", command)
    assert (code, "was undone" in err) == (2, True)


def asked(here: Path, **more: object) -> Asked:
    said = {"ledger": here / "data.ledger", "key": here / "data.ledger.key", "approver": here / "data.ledger.key", "registry": here}
    return Asked(here / "r.csv", here / "r.assay", here / "fix", **{**said, "revoke": ("market",), **more})  # type: ignore[arg-type]


def test_killed_before_the_first_line_it_begins_anew(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(self: Journal, do: str, **said: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", dying)
        with pytest.raises(KeyboardInterrupt):
            flow.remediate(asked(here))
    assert (here / "fix" / "plan.json").exists()
    monkeypatch.setattr(flow, "STEPS", {"quarantine": flow.STEPS["quarantine"], **dict.fromkeys(list(flow.STEPS)[1:], _verified)})
    assert flow.remediate(asked(here))["verified"]


@pytest.mark.parametrize("step", ["quarantine", "revoke", "purge", "rollback"])
def test_interrupted_after_the_deed_it_is_not_done_twice(here: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The worst moment: the step has acted, and its line is not written."""
    real = Journal.append

    def dying(self: Journal, do: str, **said: object) -> None:
        if do == "done" and said["step"] == step:
            raise KeyboardInterrupt
        real(self, do, **said)

    monkeypatch.setattr(Journal, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        flow.remediate(asked(here))
    monkeypatch.setattr(Journal, "append", real)
    monkeypatch.setattr(flow, "STEPS", {name: flow.STEPS[name] for name in flow.STEPS if name != "verify"} | {"verify": _verified})
    record = flow.remediate(asked(here))
    assert record["verified"]
    models = Models.open(here)
    assert [move.version for move in models.moves] == ["m1", "m2", "m3", "m1"]
    ledger = Ledger.open(here / "data.ledger")
    assert ledger.index.source("market").revoked == 1
    said = [json.loads(entry)["type"] for entry in ledger.log.entries(0)]
    assert (said.count("row.removed"), said.count("snapshot"), said.count("alias.moved")) == (40, 3, 2)
    assert not ledger.index.violations()


def test_rows_that_were_removed_meanwhile_are_noticed_before_more_are(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(scene: steps.Scene) -> steps.Done:
        raise KeyboardInterrupt

    real = flow.STEPS["purge"]
    monkeypatch.setattr(flow, "STEPS", {**flow.STEPS, "purge": dying})
    with pytest.raises(KeyboardInterrupt):
        flow.remediate(asked(here))
    ledger = asked(here).log
    assert ledger is not None
    gone = json.loads((here / "fix" / "plan.json").read_text())["rows"]
    other = np.setdiff1d(lineage.brought_by(ledger.index, source="crawl"), gone)[:2]
    with ledger.writing():
        purge(ledger, other, "another's")
    monkeypatch.setattr(flow, "STEPS", {**flow.STEPS, "purge": real})
    with pytest.raises(DataError, match="2 rows are not in the ledger"):
        flow.remediate(asked(here))
    said = [json.loads(entry)["type"] for entry in Ledger.open(here / "data.ledger").log.entries(0)]
    assert said.count("row.removed") == 2


def test_half_way_it_is_taken_back_as_far_as_it_went(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(scene: steps.Scene) -> steps.Done:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "STEPS", {**flow.STEPS, "purge": dying})
    with pytest.raises(KeyboardInterrupt):
        flow.remediate(asked(here))
    told: dict[str, tuple[str, str]] = {}
    undo(asked_in(here / "fix", here / "data.ledger.key"), lambda step, state, said: told.update({step: (state, said)}))
    assert list(told) == ["purge", "revoke", "quarantine"]
    assert told["purge"] == ("not needed", "no row was removed yet")
    assert told["revoke"][0] == "stays"
    assert (here / "fix" / "clean" / "r.csv").read_bytes() == (here / "r.csv").read_bytes()
    assert Models.open(here).current("production") == "m3"
    with pytest.raises(DataError, match="no remediation was begun"):
        asked_in(here / "r.assay")
    assert not (here / "r.assay" / FILE).exists()


def _verified(scene: steps.Scene) -> steps.Done:
    return steps.Done("done", "", {"verified": True})


def test_a_retrain_command_that_fails_is_gone_on_with(say: Say, here: Path) -> None:
    """It fails while a file is missing; then the same command goes on at that step."""
    line = "r.csv --report r.assay --out fix"
    command = f"{sys.executable} -c \"import os;open('go');open(os.environ['ASSAY_CLEAN_DATA'])\""
    code, out, err = say(line, "--train", command)
    assert (code, "exit code 1" in err, "quarantine done" in " ".join(out.split())) == (2, True, True)
    assert "FileNotFoundError" in (here / "fix" / "train.log").read_text()
    (here / "go").touch()
    code, _, err = say(line, "--train", command + " other")
    assert (code, "begun with another train" in err) == (2, True)
    code, out, err = say(line, "--train", command)
    assert (code, err) == (0, "")
    assert "not signed, since no ledger" in out
    assert read_journal(here / "fix").find("begin", "retrain")


def test_refusals_come_before_anything_is_changed(here: Path) -> None:
    for more, problem in (
        ({"approver": None}, "approver's key"),
        ({"revoke": ("crawl",)}, "brought none of these rows"),
        ({"ledger": None}, "none is given"),
        ({"key": None}, "secret key"),
        ({"alias": "live"}, "no alias 'live'"),
        ({"snapshot": "v1"}, "a snapshot 'v1' already"),
        ({"train": "'"}, "cannot be read"),
        ({"data": here / "crawl.csv"}, "not what was scanned"),
        ({"out": here}, "no remediation's"),
    ):
        request = asked(here)
        with pytest.raises(DataError, match=problem):
            flow.remediate(Asked(**{**{f: getattr(request, f) for f in Asked.__dataclass_fields__}, **more}))
    assert not (here / "fix").exists()
    assert Ledger.open(here / "data.ledger").index.source("market").revoked == 0
    (here / "crawl.csv").write_text((here / "crawl.csv").read_text() + "a new row,good,w1\n")
    shutil.copy(here / "crawl.csv", here / "r.csv")
    with pytest.raises(DataError, match="not what was scanned"):
        flow.preview(asked(here))


def test_a_copy_that_reads_otherwise_is_refused_before_anything_is_logged(
    here: Path, say: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The insider's rows hold the only word of a column of numbers; without them every other row would be another row."""
    table = csv.read_csv(here / "r.csv")
    code = ["X9" if who == "insider" else str(i % 9) for i, who in enumerate(table.column("who").to_pylist())]
    csv.write_csv(table.append_column("code", pa.array(code)), here / "c.csv")
    for line in (
        "scan c.csv --no-canaries --contributor who --content text --out c.assay",
        "ledger add data.ledger c.csv --source crawl --label label --contributor who",
    ):
        assert cli.run(line.split()) == int(line.startswith("scan"))
    capsys.readouterr()
    size = Ledger.open(here / "data.ledger").log.checkpoint().size
    there = sorted(here.iterdir())
    line = "c.csv --report c.assay --out fix --ledger data.ledger --snapshot v3"
    for more in (" --dry-run", ""):
        exit_code, _, err = say(line + more)
        assert (exit_code, "column 'code' was text and is whole numbers without these rows" in err) == (2, True)
    assert sorted(here.iterdir()) == there
    assert Ledger.open(here / "data.ledger").log.checkpoint().size == size

    with monkeypatch.context() as patch:  # as before there was this check: removed, and stuck
        patch.setattr(flow, "rehearse", lambda asked, plan: None)
        patch.setattr(flow, "STEPS", {**flow.STEPS, "purge": _logged_and_refused})
        assert "not in the ledger" in say(line)[2]
    exit_code, _, err = say(line)
    assert (exit_code, "40 rows were removed" in err, "Remedy: assay remediate --undo" in err) == (2, True, True)
    assert "no snapshot was taken without them" in say("--undo --out fix")[1]
    write_as(read(here / "c.csv"), here / "c.parquet", "parquet")
    assert cli.run(["clean", "c.parquet", "--report", "c.assay", "--out", "c-clean.parquet"]) == 0
    assert cli.run(["ledger", "snapshot", "data.ledger", "c-clean.parquet", "--name", "v3"]) == 0


def _logged_and_refused(scene: steps.Scene) -> steps.Done:
    assert scene.asked.log is not None
    with scene.asked.log.writing():
        purge(scene.asked.log, np.array(scene.plan.rows), scene.plan.reason)
    raise DataError("560 rows are not in the ledger")


def test_what_is_found_again_is_not_called_verified(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarantine that leaves the rows in is seen by the second scan."""
    request = asked(here, ledger=None, key=None, revoke=(), registry=None)
    real = flow.make_plan

    def half(asked: Asked) -> Plan:
        plan = real(asked)
        return Plan(**{**vars(plan), "drop": plan.drop[:4]})

    monkeypatch.setattr(flow, "make_plan", half)
    record = flow.remediate(request)
    assert not record["verified"]
    told = next(step for step in record["steps"] if step["step"] == "verify")
    assert told["state"] == "failed"
    assert told["facts"]["found again"]
    assert max(filter(None, told["facts"]["carriers"].values())) == 36


def test_the_way_back_is_proven_or_refused(tmp_path: Path) -> None:
    models = Models.open(tmp_path)
    for name in ("v1", "v2", "v3", "v4"):
        (tmp_path / name).write_text(name)
        models.add(name, tmp_path / name, by="ann")
        if name != "v3":
            models.attest(name, "ann", "tested")
        models.point("live", name, "ann", "release")
    digest = {name: version.digest for name, version in models.versions.items()}
    assert way_back(models, "live", None).back == "v2"
    assert way_back(models, "live", {digest["v4"]: True, digest["v2"]: True, digest["v1"]: False}).back == "v1"
    with pytest.raises(DataError, match="whose training without these rows"):
        way_back(models, "live", {digest["v4"]: True, digest["v2"]: True})
    stays = way_back(models, "live", {digest["v4"]: False, digest["v2"]: True})
    assert (stays.back, stays.withdrawn) == (None, ("v2",))
    unknown = way_back(models, "live", {digest["v1"]: False})
    assert (unknown.back, unknown.withdrawn) == ("v1", ("v4",))

    way = Way("live", "v4", "v1", ("v4",), "")
    assert go_back(models, way, "ann", "poison")
    assert not go_back(models, way, "ann", "poison")
    assert Models.open(tmp_path).versions["v4"].withdrawn
    assert "means v4" in go_forward(models, way, "ann")
    assert Models.open(tmp_path).current("live") == "v4"
    assert not Models.open(tmp_path).versions["v4"].withdrawn
    go_back(models, way, "ann", "poison")
    models.point("live", "v2", "bob", "hotfix")
    assert "moved to v2 since" in go_forward(models, way, "ann")
    assert models.versions["v4"].withdrawn
    with pytest.raises(DataError, match="by now"):
        go_back(models, way, "ann", "poison")


def test_the_journal_is_a_chain(tmp_path: Path) -> None:
    with at_work(tmp_path) as journal:
        for step in ("a", "b", "c"):
            journal.append("done", step=step)
        with pytest.raises(DataError, match="another process"), at_work(tmp_path):
            pass
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"torn')
    with at_work(tmp_path) as journal:
        assert len(journal.lines) == 3
        journal.append("done", step="d")
    again = read_journal(tmp_path)
    assert again.head == journal.head
    assert again.find("done", "b") == again.lines[1]
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"x"'))
    with pytest.raises(DataError, match="changed before this line"):
        read_journal(tmp_path)
