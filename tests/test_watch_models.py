"""The way back: to what was vouched for, seldom enough, with a history that cannot be quietly rewritten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.watch.alerts import Alert
from assay.watch.baseline import learn
from assay.watch.models import FILE, START, Models
from assay.watch.rollback import Rule
from assay.watch.watch import Watch
from watch_examples import FIELDS, table, traffic

CALLING = Alert(1, "performance/all traffic/errors/rising", "critical", "errors", {}, 1, None, 1, count=2)


@pytest.fixture
def models(tmp_path):
    made = Models.open(tmp_path)
    for name in ("v1", "v2", "v3"):
        made.add(name, by="ann")
        if name != "v2":
            made.attest(name, "ann", "scanned")
        made.point("production", name, "ann", "release")
    return made


def test_back_goes_to_the_newest_attested_version(models):
    assert models.current("production") == "v3"
    move = models.roll_back("production", "ann", "alert 1")
    assert (move.version, move.back) == ("v1", True)
    again = Models.open(models.folder)
    assert again == models
    assert again.versions["v3"].withdrawn
    with pytest.raises(DataError, match="no attested version before"):
        again.roll_back("production", "ann", "again")
    with pytest.raises(DataError, match="withdrawn"):
        again.point("production", "v3", "ann", "once more")


def test_a_rewritten_history_is_found(models):
    path = models.folder / FILE
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0].replace(b"v1", b"v9"), *lines[1:]]))
    with pytest.raises(DataError, match="was changed before this line"):
        Models.open(models.folder)
    path.write_bytes(b"\n".join(lines[1:]))
    with pytest.raises(DataError, match="was changed before this line"):
        Models.open(models.folder)


def test_a_torn_line_was_never_said_and_two_writers_do_not_overwrite(models):
    path = models.folder / FILE
    other = Models.open(models.folder)
    with path.open("ab") as file:
        file.write(b'{"after": "torn')
    assert Models.open(models.folder) == models
    models.add("v4")
    assert "v4" in Models.open(models.folder).versions
    with pytest.raises(DataError, match="has gone on"):
        other.add("v5")


def test_the_rule_waits_rests_and_has_a_limit(models):
    rule, later = Rule(), models.moves[-1].time + 7200
    assert rule.due(models, "production", [CALLING], later) == (CALLING, "")
    for not_calling in (
        replace(CALLING, count=1),
        replace(CALLING, state="acknowledged"),
        replace(CALLING, silenced=True),
        replace(CALLING, severity="warning"),
        replace(CALLING, key="inputs/all traffic/age/rising"),
    ):
        assert rule.due(models, "production", [not_calling], later)[0] is None
    assert "rests" in rule.due(models, "production", [CALLING], models.moves[-1].time + 60)[1]
    models.moves += [replace(models.moves[-1], back=True)] * 2
    assert "limit" in rule.due(models, "production", [CALLING], later)[1]
    assert rule.due(models, "production", [CALLING], later + 86400)[0] == CALLING


def test_from_alarm_to_rollback_by_the_command(tmp_path, capsys, monkeypatch):
    rng, w = np.random.default_rng(0), str(tmp_path / "w")
    Watch.create(tmp_path / "w", learn(table(rng, 1500), FIELDS)).close()
    (tmp_path / "model.bin").write_bytes(b"weights")
    for name in ("v1", "v2"):
        assert run(["watch", "models", "add", w, name, "--file", str(tmp_path / "model.bin"), "--by", "ann"]) == 0
        assert run(["watch", "models", "attest", w, name, "--by", "ann", "--note", "scanned"]) == 0
        assert run(["watch", "models", "point", w, name, "--by", "ann", "--reason", "release"]) == 0
    back = ["watch", "models", "rollback", w, "--by", "cron", "--if-due"]
    assert run(back) == 1
    assert "no alert calls for it" in capsys.readouterr().out
    with Watch.open(tmp_path / "w") as watch:
        for _ in range(6):
            watch.ingest(traffic(rng, 500, wrong=0.4))
    assert run(back) == 1
    assert "rests" in capsys.readouterr().out
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 4000)
    assert run([*back, "--dry-run"]) == 0
    assert "would go from v2 back to v1" in capsys.readouterr().out
    assert run(back) == 0
    assert "production went from v2 back to v1" in capsys.readouterr().out
    assert run(["watch", "models", "list", w]) == 0
    out = capsys.readouterr().out
    assert "(back) by cron: alert 1: the rate of errors is rising" in out
    assert START not in out
