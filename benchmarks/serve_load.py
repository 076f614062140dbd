"""How the service holds up on loopback: monitored events over HTTP, a large data set browsed, pages while a scan runs.

    python benchmarks/serve_load.py events --seconds 300 --rate 2500
    python benchmarks/serve_load.py browse --rows 1000000
    python benchmarks/serve_load.py scan --rows 100000

A server is started in a folder of its own, as people start it (`assay serve`), and asked through sockets that stay open. Events: as many
senders as `--senders`, each a batch of 100 at a time, paced to `--rate` a second together; at the end the server must have counted each
event once. Times are of whole requests, as the sender sees them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 100
START = 60.0
PAUSE = 0.03  # seconds between requests timed one by one: a caller has 50 a second


@contextmanager
def server(workers: int) -> Iterator[tuple[int, str, int]]:
    """(port, token, process) of a fresh service."""
    with tempfile.TemporaryDirectory(prefix="assay-load-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        said = Path(folder) / "log"
        code = "from assay.cli import main; main()"
        command = [sys.executable, "-c", code, "serve", "--data", f"{folder}/data", "--port", str(port), "--workers", str(workers)]
        with said.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            ends = time.monotonic() + START
            while time.monotonic() < ends:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            token = re.search(r"assay_[\w-]{43}", said.read_text())
            assert token is not None, said.read_text()
            yield port, token.group(), process.pid
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)


class Asker:
    """One open connection."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        self.connection.request(method, path, data, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    def until_ended(self, job: str) -> dict[str, Any]:
        while True:
            held: dict[str, Any] = self.ask("GET", f"/api/v1/jobs/{job}")
            if held["state"] not in ("queued", "running"):
                return held
            time.sleep(0.2)

    def upload(self, project: str, name: str, content: bytes) -> str:
        sent = self.ask("POST", f"/api/v1/projects/{project}/datasets?file={name}", content)
        held = self.until_ended(sent["job"]["id"])
        assert held["state"] == "done", held
        id: str = sent["id"]
        return id


def quantiles(seconds: list[float]) -> str:
    p50, p99, most = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1000
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {most:.0f} ms"


def cpu(process: int) -> float:
    """Seconds of processor time that a process has used, its children left out."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def events(port: int, token: str, process: int, seconds: float, rate: float, senders: int) -> None:
    asker = Asker(port, token)
    project = asker.ask("POST", "/api/v1/projects", {"name": "load"})["id"]
    trusted = "prediction,label,confidence,amount\n" + "".join(_line(i) for i in range(5000))
    period = asker.upload(project, "period.csv", trusted.encode())
    body = {"name": "m", "dataset_id": period, "fields": {"features": ["amount"]}, "run_length": 1e9}
    monitor = asker.ask("POST", f"/api/v1/projects/{project}/monitors", body)["id"]
    while asker.ask("GET", f"/api/v1/monitors/{monitor}")["state"] == "reading":
        time.sleep(0.2)
    took: list[float] = []
    mutex = threading.Lock()
    used = cpu(process)
    began = time.monotonic()

    def send(number: int) -> None:
        mine, count = Asker(port, token), 0
        while time.monotonic() - began < seconds:
            due = began + (count * senders + number) * BATCH / rate
            time.sleep(max(0.0, due - time.monotonic()))
            batch = [_event(number * 10_000_000 + count * BATCH + i) for i in range(BATCH)]
            start = time.monotonic()
            mine.ask("POST", f"/api/v1/monitors/{monitor}/events", {"events": batch, "name": f"{number}-{count}"})
            with mutex:
                took.append(time.monotonic() - start)
            count += 1

    threads = [threading.Thread(target=send, args=(n,)) for n in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - began
    asker = Asker(port, token)  # the first one's connection was idle for longer than the server keeps it
    sent, counted = len(took) * BATCH, asker.ask("GET", f"/api/v1/monitors/{monitor}/status")["predictions"]
    print(f"{sent:,} events in {wall:.0f} s: {sent / wall:,.0f} a second, batches of {BATCH}, {senders} senders; {quantiles(took)}")
    print(f"counted by the server: {counted:,}; lost: {sent - counted:,}")
    print(f"the server's processor time: {1000 * (cpu(process) - used) / len(took):.2f} ms a batch")


def _event(i: int) -> dict[str, Any]:
    x = (i * 2654435761) % 2**32 / 2**32
    return {"prediction": int(x > 0.5), "label": int((x * 7) % 1 > 0.05) ^ int(x <= 0.5), "confidence": 0.5 + x / 2, "amount": x * 100}


def _line(i: int) -> str:
    e = _event(i)
    return f"{e['prediction']},{e['label']},{e['confidence']},{e['amount']}\n"


def _reviews(rows: int) -> bytes:
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(5000)])
    picks = np.minimum((rng.pareto(1.0, (rows, 12)) * 20).astype(int), 4999)
    label = rng.integers(0, 2, rows)
    said = np.where(label == 1, "good", "bad")
    body = "\n".join(f"{' '.join(words[p])} {s},{y}" for p, s, y in zip(picks, said, label, strict=True))
    return f"text,label\n{body}\n".encode()


def timed(asks: Callable[[int], Any], count: int) -> str:
    took = []
    for i in range(count):
        start = time.monotonic()
        asks(i)
        took.append(time.monotonic() - start)
        time.sleep(PAUSE)
    return quantiles(took)


def browse(port: int, token: str, rows: int) -> None:
    asker = Asker(port, token)
    project = asker.ask("POST", "/api/v1/projects", {"name": "load"})["id"]
    content = _reviews(rows)
    start = time.monotonic()
    data = asker.upload(project, "reviews.csv", content)
    print(f"{rows:,} rows, {len(content) / 1e6:.0f} MB: sent, read and indexed in {time.monotonic() - start:.0f} s")
    rng = np.random.default_rng(1)
    place = [int(n) for n in rng.integers(0, rows - 50, 100)]
    print("50 rows anywhere:", timed(lambda i: asker.ask("GET", f"/api/v1/datasets/{data}/rows?offset={place[i]}&limit=50"), 100))
    print("a page of them, as people see it:", timed(lambda i: asker.ask("GET", f"/datasets/{data}?offset={place[i]}"), 100))
    print("one row in full:", timed(lambda i: asker.ask("GET", f"/datasets/{data}/rows/{place[i]}"), 100))


def scan(port: int, token: str, rows: int) -> None:
    asker = Asker(port, token)
    project = asker.ask("POST", "/api/v1/projects", {"name": "load"})["id"]
    data = asker.upload(project, "reviews.csv", _reviews(rows))
    body = {"dataset_id": data, "canaries": False}
    made = asker.ask("POST", f"/api/v1/projects/{project}/scans", body)
    start, took = time.monotonic(), []
    rows_page = f"/datasets/{data}?offset={rows // 2}"
    paths = ("/", f"/projects/{project}", rows_page, f"/datasets/{data}/rows/7", f"/scans/{made['id']}", f"/api/v1/scans/{made['id']}")
    while asker.ask("GET", f"/api/v1/jobs/{made['job']['id']}")["state"] in ("queued", "running"):
        for path in paths:
            began = time.monotonic()
            asker.ask("GET", path)
            took.append(time.monotonic() - began)
        time.sleep(0.1)
    held = asker.ask("GET", f"/api/v1/scans/{made['id']}")
    said = f"{rows:,} rows scanned in {time.monotonic() - start:.0f} s ({held['job']['state']}, {held['verdict']})"
    print(f"{said}; {len(took)} requests meanwhile: {quantiles(took)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("events", "browse", "scan"))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=2500)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    with server(1) as (port, token, process):
        if asked.what == "events":
            events(port, token, process, asked.seconds, asked.rate, asked.senders)
        elif asked.what == "browse":
            browse(port, token, asked.rows)
        else:
            scan(port, token, asked.rows)


if __name__ == "__main__":
    main()
