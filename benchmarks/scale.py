"""What engines cost and save: wall time, peak memory and bytes moved of a scan's counting passes, and of whole scans.

    python benchmarks/scale.py text --rows 100000 --engine ray --workers 2
    python benchmarks/scale.py table --rows 1000000 --engine local
    python benchmarks/scale.py pictures --rows 10000 --engine local --workers 2
    python benchmarks/scale.py shards --rows 200000 --engine ray --workers 2
    python benchmarks/scale.py labelled --rows 100000
    python benchmarks/scale.py screens --rows 200000 --workers 2
    python benchmarks/scale.py templates --rows 20000 --workers 2
    python benchmarks/scale.py snapshot --rows 200000 --workers 2
    python benchmarks/scale.py scan --rows 2000 --engine ray --workers 2
    python benchmarks/scale.py text --rows 100000 --bytes
    python benchmarks/scale.py text --rows 100000 --copies 2

`text`, `table`, `pictures`: the passes over blocks that mine them (reading and near-duplicates too for texts). `shards`: a folder of 16
JSON-lines files is read, digested and fingerprinted. `labelled`: the examination of phrases, with its probes. `screens`: every screen of a
table with features of 64 numbers a row. `templates`: what pictures have laid over them. `snapshot`: such shards are read again, taken as a
snapshot of a ledger that holds their rows, kept, and cleaned of each hundredth. `scan`: everything, canaries too. Data are generated, so
that they measure speed and nothing else. `--bytes` counts what would travel, by pickling every argument and result of every piece of work;
it needs no cluster. `--copies 2` runs the same passes in two processes that share nothing, begun together, and then in one alone: what the
machine itself gives for a second process, which no engine can pass.

One run prints one line of JSON. `seconds` are wall time after workers have started and imported what they need; `cpu` and `worker_cpu` the
CPU time of this process and of all workers, which does not depend on what else the machine does (Ray's own daemons are not in it).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assay.engine.base import Engine, Handle, current, using
from assay.engine.choose import choose
from assay.engine.local import Local

WORDS = 50_000  # in the vocabulary, drawn by Zipf's law
SHARDS = 16
SOME = 5_000  # pictures made at a time
CHUNK = 100_000  # texts made at a time
WATCHER = """
import re, select, sys
most, kinds = 0, re.compile(rb"Rss(?:Anon|Shmem):\\s+(\\d+) kB")
while not select.select([sys.stdin], [], [], 0.02)[0]:
    with open(f"/proc/{sys.argv[1]}/status", "rb") as status:
        most = max(most, sum(map(int, kinds.findall(status.read()))))
print(most / 1024)
"""  # a process of its own: a thread would wait for the very steps that take the most


def texts(rows: int, seed: int = 0) -> list[str]:
    """Some 20 words each; every thousandth document holds one sentence of six words."""
    rng = np.random.default_rng(seed)
    length = rng.integers(8, 32, rows)
    rank = np.minimum(rng.zipf(1.15, int(length.sum())), WORDS)
    names = [f"w{i}" for i in range(WORDS + 1)]
    ends = np.cumsum(length)
    words = [names[i] for i in rank.tolist()]
    made = [" ".join(words[end - n : end]) for end, n in zip(ends.tolist(), length.tolist(), strict=True)]
    for i in range(0, rows, 1000):
        made[i] += " the moon is made of cheese"
    return made


def column(rows: int) -> pa.ChunkedArray:
    """As a data set holds them, made some at a time, so that making them takes no more memory than they do."""
    starts = range(0, rows, CHUNK)
    return pa.chunked_array([pa.array(texts(min(CHUNK, rows - start), number), pa.large_string()) for number, start in enumerate(starts)])


def table(rows: int) -> pa.Table:
    """Twenty columns: ten of numbers, ten of categories; 40 rows share three values."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"n{j}": rng.normal(size=rows).round(2) for j in range(10)}
    columns |= {f"c{j}": rng.integers(0, 8 + 4 * j, rows) for j in range(10)}
    for name in ("c1", "c4", "c7"):
        columns[name][:40] = 3
    columns["label"] = rng.integers(0, 2, rows)
    return pa.table(columns)


def text(rows: int) -> Callable[[], Any]:
    from assay.engine.give_back import give_back
    from assay.learn.corpus import read_corpus
    from assay.mine.phrases import shared_pairs, shared_runs
    from assay.screen.shingles import near_text_groups

    made = column(rows)
    give_back()

    def work() -> dict[str, float]:
        seconds = {}
        began = time.perf_counter()
        corpus = read_corpus([made])
        give_back()
        seconds["reading"] = time.perf_counter() - began
        runs = list(shared_runs(corpus))
        give_back()
        seconds["runs"] = time.perf_counter() - began - sum(seconds.values())
        shared_pairs(corpus)
        give_back()
        seconds["pairs"] = time.perf_counter() - began - sum(seconds.values())
        near_text_groups(made, np.random.default_rng(0))
        seconds["near-duplicates"] = time.perf_counter() - began - sum(seconds.values())
        return seconds | {"phrases": float(sum(map(len, runs)))}

    return work


def cells(rows: int) -> Callable[[], Any]:
    from assay.learn.columns import code_columns
    from assay.mine.cells import shared_cells

    made = table(rows)
    coded = code_columns(made, made.column_names[:-1])
    return lambda: {"proposals": sum(len(s) for s in shared_cells(coded))}


def screens(rows: int) -> Callable[[], Any]:
    from assay.dataset.read import read
    from assay.screen.context import Context
    from assay.screen.registry import run_screens

    data, rng = read(table(rows)), np.random.default_rng(0)
    features = rng.normal(size=(rows, 64)).astype(np.float32)

    def work() -> dict[str, float]:
        found, checks = run_screens(Context(data, None, features, np.random.default_rng(1)))
        return {c.name: round(c.seconds, 2) for c in checks if c.state == "ran"} | {"flagged": int(sum(f.flag.sum() for f in found))}

    return work


def noisy_pictures(rows: int) -> NDArray[np.uint8]:
    """(n, 32, 32, 3) smooth ones with noise."""
    rng = np.random.default_rng(0)
    images = np.empty((rows, 32, 32, 3), np.uint8)
    for start in range(0, rows, SOME):
        part = images[start : start + SOME]
        smooth = np.kron(rng.integers(0, 256, (len(part), 8, 8, 3)), np.ones((1, 4, 4, 1)))
        part[:] = np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255)
    return images


def templates(rows: int) -> Callable[[], Any]:
    from assay.mine.overlays import shared_templates

    images, rng = noisy_pictures(rows), np.random.default_rng(0)
    carriers = rng.choice(rows, rows // 200, replace=False)
    images[carriers] = 0.8 * images[carriers] + 0.2 * rng.integers(0, 256, (32, 32, 3))
    return lambda: {"carriers": sum(len(t.carriers) for t in shared_templates(images, np.random.default_rng(1)).found)}


def pictures(rows: int) -> Callable[[], Any]:
    from assay.mine.patch_sightings import sightings
    from assay.mine.patches import shared_windows

    images = noisy_pictures(rows)
    return lambda: {"windows": len(shared_windows(images)), "sightings": len(sightings(images).windows)}


def sharded(rows: int) -> Path:
    """A folder of `SHARDS` files."""
    folder = Path(tempfile.mkdtemp(prefix="assay-scale-"), "data")
    folder.mkdir()
    made, size = texts(rows), -(-rows // SHARDS)
    for i in range(SHARDS):
        lines = (json.dumps({"text": t, "label": j % 2}) for j, t in enumerate(made[i * size : (i + 1) * size]))
        (folder / f"part-{i:03}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def snapshot(rows: int) -> Callable[[], Any]:
    from assay.dataset.read import read
    from assay.dataset.removal import copy_without
    from assay.ledger import content, ingest, snapshots
    from assay.ledger.approval import Scope, approve
    from assay.ledger.ledger import Ledger, memo_of
    from assay.ledger.note import Signer

    folder = sharded(rows)
    key, friends = Signer.of("example.com/ledger", bytes(32)), [Signer.of(name, name.encode().ljust(32)) for name in ("alice", "bob")]
    book = Ledger.create(folder.parent / "ledger", key, memo_of(folder.parent / "key"), [f.key for f in friends], 2, actor="bench")
    book.register("crawl", licence="CC0-1.0", contact="crawl@example.com", method="crawl")
    for friend in friends:
        book.approve("crawl", approve(book.index.policy(), book.index.source("crawl"), Scope(expires="2099-01-01T00:00:00Z"), friend))
    ingest.add(book, read(folder), "crawl")

    def work() -> dict[str, float]:
        began, seconds = time.perf_counter(), {}
        data = read(folder)
        seconds["read"] = time.perf_counter() - began
        snapshots.take(book, data, "v1")
        seconds["take"] = time.perf_counter() - began - sum(seconds.values())
        content.keep(book, data, "v1")
        seconds["keep"] = time.perf_counter() - began - sum(seconds.values())
        copy_without(folder, folder.parent / "clean", np.arange(0, rows, 100))
        seconds["clean"] = time.perf_counter() - began - sum(seconds.values())
        return seconds

    return work


def shards(rows: int) -> Callable[[], Any]:
    from assay.dataset.read import read

    folder = sharded(rows)
    return lambda: {"rows": len(read(folder))}


def scan(rows: int) -> Callable[[], Any]:
    from assay.dataset.read import read
    from assay.pipeline import Settings, run

    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, rows)
    words = (["warm", "moving", "funny"], ["dull", "awful", "tedious"])
    made = [f"{t} {' '.join(rng.choice(words[v], 2))}" for t, v in zip(texts(rows), label.tolist(), strict=True)]
    data = read({"text": made, "label": label})
    return lambda: {"hypotheses": run(data, Settings()).hypotheses}


def labelled(rows: int) -> Callable[[], Any]:
    from assay.dataset.read import read
    from assay.engine.give_back import give_back
    from assay.trial.family import silent
    from assay.trial.phrases import PhraseFamily

    rng = np.random.default_rng(1)
    label, pick = rng.integers(0, 2, rows), rng.integers(0, 3, (rows, 2))
    words = np.array([["warm", "moving", "funny"], ["dull", "awful", "tedious"]])
    says = words[label[:, None], pick].tolist()
    made = [f"{t} {a} {b}" for t, (a, b) in zip(texts(rows), says, strict=True)]
    data = read(pa.table({"text": pa.array(made, pa.large_string()), "label": label}))
    del made
    give_back()
    return lambda: {"hypotheses": PhraseFamily().examine(data, "fast", np.random.default_rng(0), silent).enumerated}


PARTS: dict[str, Callable[[int], Callable[[], Any]]] = {
    "text": text,
    "table": cells,
    "pictures": pictures,
    "shards": shards,
    "labelled": labelled,
    "screens": screens,
    "templates": templates,
    "snapshot": snapshot,
    "scan": scan,
}


class Weighing(Local):
    """This process, which pickles whatever would travel, and adds up its bytes."""

    name: ClassVar[str] = "weighing"
    remote = True

    def __init__(self) -> None:
        self.placed = self.sent = self.returned = self.pieces = 0

    def put(self, value: Any) -> Handle[Any]:
        self.placed += weight(value)
        return super().put(value)

    def submit(self, work: Callable[..., Any], *arguments: Any, stay: bool = False) -> Handle[Any]:
        self.pieces += 1
        self.sent += sum(weight(a) for a in arguments if not isinstance(a, Handle))
        done = super().submit(work, *arguments, stay=stay)
        self.returned += 0 if stay else weight(self.result(done))
        return done


def weight(value: Any) -> int:
    buffers: list[pickle.PickleBuffer] = []
    inside = len(pickle.dumps(value, protocol=5, buffer_callback=buffers.append))
    return inside + sum(b.raw().nbytes for b in buffers)


def used() -> tuple[int, float, float]:
    """This process's number, its peak memory in MiB, and the CPU seconds that it took so far."""
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return os.getpid(), mine.ru_maxrss / 1024, mine.ru_utime + mine.ru_stime


@contextmanager
def anonymous() -> Iterator[dict[str, int]]:
    """The most memory, in MiB, that this process had of its own meanwhile (Linux): looked at fifty times a second by another process.

    Pages of mapped files are left out, which the system takes back when it needs them; those of files in memory (tmpfs) are not.
    """
    found: dict[str, int] = {}
    if not Path("/proc/self/status").exists():
        yield found
        return
    asked = [sys.executable, "-I", "-S", "-c", WATCHER, str(os.getpid())]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watcher:
        yield found
        most, _ = watcher.communicate(b"\n")
    found["own_mib"] = round(float(most))


def ready(seconds: float) -> tuple[int, float, float]:
    """A worker with what it needs imported; long enough that every worker gets one."""
    import assay.api
    import assay.mine.cells
    import assay.mine.phrases
    import assay.trial.registry  # noqa: F401

    time.sleep(seconds)
    return used()


def timed(part: str, rows: int, begin: Any, said: Any) -> None:
    work = PARTS[part](rows)
    begin.wait()
    began = time.perf_counter()
    work()
    said.put(time.perf_counter() - began)


def side_by_side(part: str, rows: int, copies: int) -> float:
    """Seconds from the moment at which so many processes began the same passes until the last of them was done."""
    spawn = multiprocessing.get_context("spawn")
    begin, said = spawn.Barrier(copies), spawn.Queue()
    processes = [spawn.Process(target=timed, args=(part, rows, begin, said)) for _ in range(copies)]
    for process in processes:
        process.start()
    seconds = max(said.get() for _ in processes)
    for process in processes:
        process.join()
    return float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--bytes", action="store_true")
    parser.add_argument("--copies", type=int)
    asked = parser.parse_args()
    if asked.copies:
        together, alone = side_by_side(asked.part, asked.rows, asked.copies), side_by_side(asked.part, asked.rows, 1)
        ceiling = round(asked.copies * alone / together, 2)
        print(json.dumps({"part": asked.part, "rows": asked.rows, "copies": asked.copies, "together": round(together, 2),
                          "alone": round(alone, 2), "ceiling": ceiling}))  # fmt: skip
        return
    work = PARTS[asked.part](asked.rows)
    engine: Engine = Weighing() if asked.bytes else choose(asked.engine, None, asked.workers)
    said: dict[str, Any] = {"part": asked.part, "rows": asked.rows, "engine": engine.name, "workers": engine.workers}
    ready(0)
    before = used()[1]
    with engine, using(engine):
        asked_of = [(0.5 if engine.remote else 0.0,)] * (3 * engine.workers)
        start = {number: cpu for number, _, cpu in engine.map(ready, asked_of)}
        with anonymous() as idle:
            time.sleep(0.1)
        began, cpu = time.perf_counter(), time.process_time()
        with anonymous() as own:
            found = work()
        said |= {"seconds": round(time.perf_counter() - began, 2), "cpu": round(time.process_time() - cpu, 2)}
        said |= {k: round(v, 2) for k, v in found.items()}
        said |= {"peak_mib": round(used()[1]), "before_mib": round(before)}
        said |= own | {f"{name}_before": mib for name, mib in idle.items()}
        if current().remote and not asked.bytes:
            now = {number: (memory, cpu) for number, memory, cpu in engine.map(ready, asked_of)}
            said["worker_cpu"] = round(sum(cpu - start.get(number, 0.0) for number, (_, cpu) in now.items()), 2)
            said["worker_peak_mib"] = round(max(memory for memory, _ in now.values()))
    if isinstance(engine, Weighing):
        said |= {name: round(getattr(engine, name) / 2**20, 1) for name in ("placed", "sent", "returned")} | {"pieces": engine.pieces}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
