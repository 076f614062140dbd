"""How many events a second a watch takes, and how much it holds: through `Watch.ingest`, with the journal on disk and its slices.

    python benchmarks/watch_speed.py [--features 10 50] [--events 200000] [--batch 2000] [--parts]
    python benchmarks/watch_speed.py --state

Events are Arrow tables with labels, as one process would hand them on; the trusted period is 20,000 of them, and its features divide the
traffic into as many slices as there may be (400). Wall seconds are what counts on a machine that does nothing else; where others
work beside it (the load is printed), seconds of processor say what it would take alone on so many cores. `--parts` prints where the
time goes. `--state` fills everything that a watch may hold, and counts it: 100,000 predictions that wait for their labels, 50 features,
400 slices, cells and pictures searched.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay.watch.baseline import Baseline, learn
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.items import Usual
from assay.watch.pictures import UsualPictures
from assay.watch.waiting import PENDING
from assay.watch.watch import Watch

TRUSTED = 20_000


def traffic(rng: np.random.Generator, n: int, features: int, labelled: bool = True, first: int = 0) -> pa.Table:
    """n events of a model of two classes that is wrong one time in twenty."""
    label = rng.integers(0, 2, n)
    said = np.where(rng.random(n) < 0.05, 1 - label, label)
    columns = {"id": [f"e{first + i}" for i in range(n)], "prediction": said.astype(str), "confidence": rng.beta(9, 1, n)}
    if labelled:
        columns["label"] = label.astype(str)
    columns |= {f"f{k}": rng.normal(size=n) for k in range(features)}
    columns |= {"country": rng.choice(["de", "fr", "it", "pl"], n), "device": rng.choice(["phone", "desk"], n)}
    return pa.table(columns)


def baseline(rng: np.random.Generator, features: int) -> Baseline:
    names = tuple(f"f{k}" for k in range(features))
    return learn(traffic(rng, TRUSTED, features), Fields(features=names, slices=("country", "device")))


def used() -> float:
    """Seconds of processor, of all threads, in the program and in the system."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def speed(features: int, events: int, batch: int, parts: bool) -> None:
    rng = np.random.default_rng(0)
    learnt = baseline(rng, features)
    batches = [traffic(rng, batch, features) for _ in range(min(20, events // batch))]  # given over and over: detectors do not care
    with tempfile.TemporaryDirectory() as folder, Watch.create(Path(folder) / "w", learnt) as watch:
        watch.ingest(batches[0])
        profile = cProfile.Profile()
        if parts:
            profile.enable()
        began, cpu, rounds, alerts = time.perf_counter(), used(), events // batch, 0
        for i in range(rounds):
            alerts += len(watch.ingest(batches[i % len(batches)]))
        wall, cpu = time.perf_counter() - began, used() - cpu
        profile.disable()
    n = rounds * batch
    print(
        f"{features} features, {len(learnt.bound):,} streams, {len(learnt.slices)} slices | {n:,} events by {batch:,}, {alerts} alerts | "
        f"{n / wall:,.0f} a second ({wall:.1f} s) | {n / cpu:,.0f} a second of processor ({cpu:.1f} s) | "
        f"cores in use {cpu / wall:.2f} | load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    if parts:
        pstats.Stats(profile).sort_stats("tottime").print_stats(22)


def state() -> None:
    rng = np.random.default_rng(0)
    learnt = baseline(rng, 50)
    some = read_batch(traffic(rng, 1000, 50), learnt.fields)
    usual = UsualPictures.of(rng.integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        tracemalloc.start()
        with Watch.create(Path(folder) / "w", learnt, usual=Usual.of(some, learnt.fields), usual_pictures=usual) as watch:
            for first in range(0, PENDING, 2000):
                watch.ingest(traffic(rng, 2000, 50, labelled=False, first=first))
            watch.ingest(traffic(rng, 256, 50, labelled=False, first=PENDING), rng.integers(0, 256, (256, 32, 32, 3), dtype=np.uint8))
            watch.snapshot()
            held, _ = tracemalloc.get_traced_memory()
            disk = sum(path.stat().st_size for path in (Path(folder) / "w").rglob("*") if path.is_file())
            pending = watch.status(0).pending
    print(f"{pending:,} predictions wait, {len(learnt.bound):,} streams: {held / 1e6:.1f} MB held, {disk / 1e6:.1f} MB on disk")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--state", action="store_true")
    chosen = parser.parse_args()
    if chosen.state:
        state()
    else:
        for count in chosen.features:
            speed(count, chosen.events, chosen.batch, chosen.parts)
