"""Rollback end to end: a real MLflow server, a watch that alarms, and the alias moved back by itself.

The server comes from wherever `mlflow` is installed: on the path, or at ASSAY_MLFLOW; its package is not needed beside Assay.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pyarrow.parquet as pq
import pytest

from assay.cli import run
from assay.watch.baseline import learn
from assay.watch.models import Models
from assay.watch.serving import serving
from assay.watch.watch import Watch
from watch_examples import FIELDS, table

SERVER = os.environ.get("ASSAY_MLFLOW") or shutil.which("mlflow")
STARTS = 90  # seconds: it makes its database first


def asked(url, **said):
    request = urllib.request.Request(url, json.dumps(said).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def registry(tmp_path):
    if SERVER is None:
        pytest.skip("no mlflow is installed: put it on the path, or name it in ASSAY_MLFLOW")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [SERVER, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path / "artifacts")]
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    for name in ("PYTHONPATH", "OMP_NUM_THREADS"):
        quiet.pop(name, None)
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=quiet, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(STARTS):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
                time.sleep(1)
        else:
            pytest.fail((tmp_path / "server.log").read_text()[-2000:])
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


@pytest.mark.full
def test_from_alarm_to_rollback_in_a_real_registry(registry, tmp_path, capsys):
    api = f"{registry}/api/2.0/mlflow"
    asked(f"{api}/registered-models/create", name="spam filter")
    for number in ("1", "2", "3"):
        made = asked(f"{api}/model-versions/create", name="spam filter", source=f"s3://models/{number}")
        assert made["model_version"]["version"] == number
    asked(f"{api}/registered-models/alias", name="spam filter", alias="production", version="1")
    place, w = f"mlflow:{registry}/spam%20filter", str(tmp_path / "w")
    mlflow = serving(place)
    assert (mlflow.current("production"), mlflow.current("nobody")) == ("1", None)
    assert mlflow.aliases() == {"production": "1"}

    rng = np.random.default_rng(0)
    Watch.create(tmp_path / "w", learn(table(rng, 2000), FIELDS)).close()
    sync = ["watch", "models", "sync", w, place, "--by", "cron"]
    assert run(sync) == 0
    assert "production was moved there from nothing to 1" in capsys.readouterr().out
    report = tmp_path / "report.json"
    for verdict, code in (("poisoned", 2), ("clean", 0)):
        report.write_text(json.dumps({"verdict": verdict}))
        assert run(["watch", "models", "attest", w, "1", "--by", "ann", "--report", str(report)]) == code
    asked(f"{api}/registered-models/alias", name="spam filter", alias="production", version="2")  # moved there, as people do
    assert run(sync) == 0
    assert run(["watch", "models", "point", w, "3", "--by", "ann", "--reason", "release", "--tell", place]) == 0
    assert mlflow.current("production") == "3"

    pq.write_table(table(rng, 6000, wrong=0.4), tmp_path / "bad.parquet")
    ingest = ["watch", "ingest", w, str(tmp_path / "bad.parquet"), "--batch", "500", "--roll-back", "production", "--tell", place]
    assert run(ingest) == 1  # the version that was just released gets its time
    assert mlflow.current("production") == "3"
    assert run([*ingest, "--rest", "0", "--fail-on", "never"]) == 0
    out = capsys.readouterr().out
    assert "ROLLED BACK: production from 3 to 1" in out  # not to 2, which nobody vouched for
    assert out.count("ROLLED BACK") == 1  # with nothing attested left, it stays where it is
    assert mlflow.current("production") == "1"
    assert Models.open(tmp_path / "w").versions["3"].withdrawn
    asked(f"{api}/registered-models/alias", name="spam filter", alias="production", version="3")
    assert run(sync) == 0
    assert "withdrawn" in capsys.readouterr().out
    assert run(["watch", "models", "tell", w, "--by", "ann", "--tell", place]) == 0
    assert mlflow.current("production") == "1"

    assert run(["watch", "models", "tell", w, "--by", "ann", "--tell", f"mlflow:{registry}/nothing"]) == 3
    assert "was not told" in capsys.readouterr().err
