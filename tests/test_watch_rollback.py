"""What serves is told; what calls for a rollback must call anew; who signed what."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.watch.alerts import Alert
from assay.watch.baseline import learn
from assay.watch.models import FILE, Models
from assay.watch.rollback import Rule, automatic, tell
from assay.watch.serving import Command, MLflow, serving
from assay.watch.signed import check_steps
from assay.watch.watch import Watch
from watch_examples import FIELDS, table

CALLING = Alert(1, "performance/all traffic/errors/rising", "critical", "errors", {}, 1, None, 1, count=2)


@pytest.fixture
def models(tmp_path):
    made = Models.open(tmp_path)
    for name in ("v1", "v2", "v3"):
        made.add(name, by="ann")
        made.attest(name, "ann", "scanned")
        made.point("production", name, "ann", "release")
    return made


def test_what_called_for_a_rollback_must_fire_anew(models):
    rule, later = Rule(), models.moves[-1].time + 7200
    move, why = automatic(models, "production", [CALLING], rule, later, "watch")
    assert (move.version, why) == ("v2", "alert 1: errors")
    once_more = Models.open(models.folder)
    assert once_more.moves[-1].counts == {CALLING.key: 2}
    for count, called in ((2, False), (3, False), (4, True)):
        assert (rule.due(once_more, "production", [replace(CALLING, count=count)], later + 7200)[0] is not None) is called
    assert automatic(models, "production", [replace(CALLING, count=4)], rule, later + 7200, "watch")[0].version == "v1"
    assert "limit" in automatic(models, "production", [replace(CALLING, count=9)], rule, later + 20_000, "watch")[1]


def test_a_move_that_is_dated_ahead_does_not_rest_for_ever(models):
    rule, moved = Rule(), models.moves[-1].time
    assert "rests" in rule.due(models, "production", [CALLING], moved + 60)[1]
    assert "rests" in rule.due(models, "production", [CALLING], moved - 60)[1]
    assert rule.due(models, "production", [CALLING], moved - 400 * 86_400)[0] == CALLING


class Place:
    def __init__(self):
        self.now, self.asked, self.ill = None, 0, False

    def current(self, alias):
        return self.now

    def point(self, alias, version, digest):
        self.asked += 1
        if self.ill:
            raise OSError("is down")
        self.now = version


def test_a_place_that_is_down_is_told_later_and_others_meanwhile(models):
    one, other = Place(), Place()
    one.ill = True
    places = {"one": one, "other": other}
    found = tell(models, "production", places, "ann")
    assert [(t.moved, t.problem) for t in found] == [(False, "is down"), (True, None)]
    one.ill = False
    assert [t.moved for t in tell(models, "production", places, "ann")] == [True, False]
    assert (one.now, other.now, other.asked) == ("v3", "v3", 1)
    one.now = "v1"  # somebody moved it there
    assert [t.moved for t in tell(models, "production", places, "ann")] == [True, False]


def test_a_command_is_run_once_a_move(models, tmp_path):
    script = tmp_path / "switch.sh"
    script.write_text('#!/bin/sh\necho "$ASSAY_ALIAS $ASSAY_VERSION $1" >> "$(dirname "$0")/said"\n')
    script.chmod(0o755)
    place = f"command:{script} now"
    for _ in range(2):
        tell(models, "production", {place: serving(place)}, "ann")
        models = Models.open(models.folder)
    models.roll_back("production", "ann", "alert 1")
    tell(models, "production", {place: serving(place)}, "ann")
    assert (tmp_path / "said").read_text() == "production v3 now\nproduction v2 now\n"
    script.write_text("#!/bin/sh\necho no disk >&2\nexit 4\n")
    models.point("production", "v1", "ann", "try")
    assert "failed with 4: no disk" in tell(models, "production", {place: serving(place)}, "ann")[0].problem


def test_places_are_named():
    assert serving("command:switch --to 'a b'") == Command(("switch", "--to", "a b"))
    held = serving("mlflow:https://host/prefix/m", {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"})
    assert isinstance(held, MLflow)
    assert (held.base, held.model, held.credentials) == ("https://host/prefix", "m", "Basic dTpw")
    for wrong in ("mlflow:host/m", "mlflow:http://u:p@host/m", "command:", "ftp://x"):
        with pytest.raises(DataError, match="names no"):
            serving(wrong)
    with pytest.raises(OSError):
        serving("mlflow:http://127.0.0.1:9/m").current("production")


def test_only_a_clean_report_vouches(models, tmp_path):
    report = tmp_path / "report.json"
    for said in ({"verdict": "suspect"}, {"verdict": "incomplete"}, [], "x"):
        report.write_text(json.dumps(said))
        with pytest.raises(DataError):
            models.attest("v1", "ann", "", report)
    report.write_text(json.dumps({"verdict": "clean"}))
    models.attest("v1", "ann", "", report)
    assert len(Models.open(models.folder).versions["v1"].report) == 64


def test_signatures_of_the_baseline_and_of_every_step(tmp_path, capsys):
    note = pytest.importorskip("assay.ledger.note")
    pytest.importorskip("cryptography")
    from assay.ledger.keys import write_key

    ours, other = note.Signer.generate("example.com/ours"), note.Signer.generate("example.com/other")
    write_key(tmp_path / "ours.key", ours)
    w = str(tmp_path / "w")
    Watch.create(tmp_path / "w", learn(table(np.random.default_rng(0), 600), FIELDS)).close()
    verify = ["watch", "verify", w, "--trust", str(ours.key)]
    assert run(verify) == 2
    assert "not signed" in capsys.readouterr().err
    assert run(["watch", "sign", w, "--key", str(tmp_path / "ours.key")]) == 0
    assert run(verify) == 0
    assert run(["watch", "verify", w, "--trust", str(other.key)]) == 2
    signed = ["--by", "ann", "--key", str(tmp_path / "ours.key")]
    assert run(["watch", "models", "add", w, "v1", "--by", "ann"]) == 0
    assert run(verify) == 1
    assert run(["watch", "models", "point", w, "v1", "--reason", "release", *signed]) == 0
    capsys.readouterr()
    assert run(verify) == 0
    assert "2 steps, 1 signed; the last 0" in capsys.readouterr().out
    path = tmp_path / "w" / FILE
    first, second, end = path.read_bytes().split(b"\n")
    assert check_steps(path, [ours.key]).by == (None, str(ours.key))
    path.write_bytes(b"\n".join((first, second.replace(b'"release"', b'"other"'), end)))
    assert run(verify) == 2
    assert "does not fit" in capsys.readouterr().err
    (tmp_path / "w" / "baseline.json").write_bytes((tmp_path / "w" / "baseline.json").read_bytes().replace(b'"block": 1', b'"block": 2'))
    assert run(verify) == 2
    assert run(["watch", "ingest", w, str(tmp_path / "nothing.csv"), "--trust", str(ours.key)]) == 2
