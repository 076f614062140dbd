"""A real server process with a real worker: the command line scans through it; the worker, then the server too are killed (-9) in the
middle, and nothing is lost; a backup is taken from it and restored."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from assay.cli import run
from assay.report.report import Report
from assay.serve.client import Client
from serve_story import poisoned

START = 30.0  # seconds for a server to answer on a machine that is busy with other tests


@contextmanager
def running(data: Path, port: int, *more: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`assay serve` in a process group of its own, and the file of what it says."""
    said = data.parent / f"{data.name}.log"
    command = [sys.executable, "-c", "from assay.cli import main; main()", "serve", "--data", str(data), "--port", str(port), *more]
    with said.open("a") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, text=True, start_new_session=True)
    try:
        ends = time.monotonic() + START
        while time.monotonic() < ends:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, said.read_text()
            time.sleep(0.05)
        yield process, said
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def worker_of(server: int) -> int:
    """The process of its worker."""
    ends = time.monotonic() + START
    while time.monotonic() < ends:
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and b"assay.serve.worker_main" in (entry / "cmdline").read_bytes():
                    status = (entry / "status").read_text()
                    if f"PPid:\t{server}\n" in status:
                        return int(entry.name)
            except OSError:
                continue
        time.sleep(0.05)
    raise AssertionError("the server has no worker")


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, port = tmp_path / "service", free_port()
    reviews = tmp_path / "reviews.csv"
    reviews.write_text(poisoned(1500, 80))
    url = f"http://127.0.0.1:{port}"
    with running(data, port) as (server, said):
        token = re.search(r"assay_[\w-]{43}", said.read_text())
        assert token is not None
        monkeypatch.setenv("ASSAY_TOKEN", token.group())
        with Client(url) as client:
            project = client.project("films").id
            first = client.upload(project, reviews)
            scan = client.scan(project, first.id, canaries=False)
            _until_running(client, scan.job.id)
            os.kill(worker_of(server.pid), signal.SIGKILL)  # the server puts the job back and starts another worker
            done = client.finish(scan)
            assert (done.verdict, done.job.attempts) == ("poisoned", 2)
            again = client.scan(project, first.id, canaries=False)
            waiting = client.scan(project, first.id, seed=1, canaries=False)
            _until_running(client, again.job.id)
        worker = worker_of(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        server.wait()
    with running(data, port) as (server, said):
        with Client(url) as client:
            assert client.get_scan(scan.id) == done
            ended = client.finish(client.get_scan(again.id))
            assert (ended.verdict, ended.job.attempts) == ("poisoned", 2)
            cancelled = client.cancel(waiting.id) if client.get_scan(waiting.id).job.state == "queued" else None
            assert cancelled is None or cancelled.job.state == "cancelled"
        out = tmp_path / "reviews.assay"
        assert run(["scan", str(reviews), "--server", url, "--project", "films", "--no-canaries", "--out", str(out)]) == 1
        assert Report.open(out).verdict == "poisoned"
        assert run(["scan", str(reviews), "--server", "http://example.com", "--out", str(tmp_path / "x")]) == 2  # not in the clear
        kept = tmp_path / "kept.tar"
        assert run(["serve", "backup", str(kept), "--data", str(data)]) == 0
        assert kept.stat().st_mode & 0o077 == 0
        lines = [json.loads(line) for line in said.read_text().splitlines() if line.startswith("{")]
        assert any(line["message"] == "worker died" for line in lines)
        assert token.group() not in "".join(map(str, lines))
    assert run(["serve", "restore", str(kept), "--data", str(data)]) == 2  # nothing is overwritten
    other, port = tmp_path / "other", free_port()
    assert run(["serve", "restore", str(kept), "--data", str(other)]) == 0
    with running(other, port), Client(f"http://127.0.0.1:{port}") as client:
        assert client.get_scan(scan.id) == done
        assert client.rows(first.id, 1490, scan=scan.id).items[-1].row == 1499
        assert len(client.findings(scan.id)) == done.findings["confirmed"] + done.findings.get("suspected", 0)


def _until_running(client: Client, job: str) -> None:
    """Until a job is at work and has been for a moment."""
    for held in client._events(job):
        if held.state == "running" and held.progress > 0:
            return
        assert held.state in ("queued", "running"), held
