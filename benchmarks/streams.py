"""Real streams: what the watch, river, frouros and evidently say of them, in one run.

    python benchmarks/streams.py --part victoria|shuffled|letters|nab

river, frouros and evidently are no dependencies: install them into an environment of their own (docs/dependencies.md), with the packages
that Assay needs. Who is missing is left out, and the table says so. All run with their own defaults; ours with one false alarm in
100,000 events on average, for all streams together.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from assay.dataset.errors import DataError
from assay.watch.baseline import Unfit, learn
from assay.watch.events import read_batch
from assay.watch.fields import Fields

DATA = Path(os.environ.get("ASSAY_DATA", "."))
RUN_LENGTH = 100_000
WINDOW = 1000  # rows of evidently's report: it compares windows, and its documentation's examples are of this order
LAW = 3.0  # of tails: the "inverse cubic law" of many real series (Gopikrishnan et al. 1998), and not fitted to any of these
Columns = dict[str, np.ndarray]


def ours(trusted: Columns, stream: Columns, tail: float | None = None) -> list[int] | str:
    """Rows of the stream at which an alarm was known; why not, where the trusted period is refused. Columns with times repeat.

    Rows of the trusted period that had to be watched in the end count from -1 backwards.
    """
    names = tuple(n for n in trusted if n not in ("prediction", "label", "confidence", "time"))
    fields = Fields(cycles=names) if "time" in trusted else Fields(features=names)
    fill = {} if "prediction" in trusted else {"prediction": "x"}

    def events(columns: Columns) -> dict[str, Any]:
        n = len(next(iter(columns.values())))
        return {**columns, **{k: np.full(n, v) for k, v in fill.items()}}

    dropped = 0
    while True:
        try:
            baseline = learn(events(trusted), fields, run_length=RUN_LENGTH, find=False, tail=tail)
            break
        except Unfit as error:  # what its remedy says: trust the part in which nothing was seen to change, and watch the rest
            kept = 2 * len(next(iter(trusted.values()))) // 3
            print(f"refused: {str(error)[:150]}; the first {kept:,} values are trusted")
            stream = {n: np.concatenate((v[kept:], stream[n])) for n, v in trusted.items()}
            dropped += len(next(iter(trusted.values()))) - kept
            trusted = {n: v[:kept] for n, v in trusted.items()}
        except DataError as error:
            return str(error)[:100]
    detectors, said = baseline.detectors(), []
    table = read_batch(events(stream), baseline.fields)
    x, codes = baseline.measures.encode(table), baseline.slices.codes(table)
    baseline.measures.follow(x, table, baseline.measures.memories())
    for start in range(0, len(table), 100):
        part = slice(start, start + 100)
        said += [a.clock - 1 for a in detectors.update(x[part], codes[part], np.ones(len(x[part]), np.int64))]
    return sorted(row - dropped for row in said)


def numeric(columns: Columns) -> dict[str, np.ndarray]:
    """The streams that a detector of one number is given: features and confidence as they are, and errors."""
    found = {n: v.astype(float) for n, v in columns.items() if n not in ("prediction", "label", "time") and v.dtype.kind in "fiu"}
    if "label" in columns:
        found["error"] = (columns["label"] != columns["prediction"]).astype(float)
    return found


def one_by_one(make: Callable[[], Any], step: Callable[[Any, float], bool]) -> Callable[[Columns, Columns], list[int]]:
    """A detector for each stream, which sees the trusted period too, and is made anew after each alarm, as its authors advise."""

    def run(trusted: Columns, stream: Columns) -> list[int]:
        said = []
        before, now = numeric(trusted), numeric(stream)
        for name, values in now.items():
            held = make()
            for i, value in enumerate(np.concatenate((before[name], values)).tolist()):
                if step(held, value):
                    held = make()
                    if i >= len(before[name]):
                        said.append(i - len(before[name]))
        return sorted(said)

    return run


def peers() -> Iterator[tuple[str, Callable[[Columns, Columns], list[int]]]]:
    try:
        from river import drift

        def see(held: Any, value: float) -> bool:
            held.update(value)
            return bool(held.drift_detected)

        for name in ("ADWIN", "PageHinkley", "KSWIN"):
            yield f"river {name}", one_by_one(getattr(drift, name), see)
    except ImportError as error:
        print(f"river is not installed: {error}")
    try:
        from frouros.detectors import concept_drift

        def notice(held: Any, value: float) -> bool:
            held.update(value=value)
            return bool(held.status["drift"])

        for name in ("ADWIN", "PageHinkley"):
            yield f"frouros {name}", one_by_one(getattr(concept_drift, name), notice)
    except ImportError as error:
        print(f"frouros is not installed: {error}")
    try:
        import pandas as pd
        from evidently import Report
        from evidently.presets import DataDriftPreset

        def windows(trusted: Columns, stream: Columns) -> list[int]:
            before, now = pd.DataFrame(numeric(trusted)), pd.DataFrame(numeric(stream))
            said = []
            for stop in range(WINDOW, len(now) + 1, WINDOW):
                found = Report([DataDriftPreset()]).run(now.iloc[stop - WINDOW : stop], before)
                count = next(m for m in json.loads(found.json())["metrics"] if "DriftedColumnsCount" in str(m))["value"]["count"]
                if count:  # any column: the whole data set counts as drifted only when half of the columns have
                    said.append(stop - 1)
            return said

        yield f"evidently, any column, windows of {WINDOW}", windows
    except ImportError as error:
        print(f"evidently is not installed: {error}")


def everybody(tail: bool = False) -> Iterator[tuple[str, Callable[..., Any]]]:
    yield "ours", ours
    if tail:
        yield f"ours, tails by the law of {LAW:g}", partial(ours, tail=LAW)
    yield from peers()


def of_change(name: str, runs: list[tuple[Columns, Columns]], change: int) -> None:
    """A table: false alarms before the change, and how late the first one after it was."""
    for who, run in everybody():
        false, late, began = [], [], time.process_time()
        for trusted, stream in runs:
            said = run(trusted, stream)
            if isinstance(said, str):
                print(f"{name} | {who}: {said}")
                continue
            false.append(sum(a < change for a in said))
            late.append(min((a - change + 1 for a in said if a >= change), default=np.inf))
        if late:
            cost = time.process_time() - began
            print(
                f"{name} | {who} | false alarms before {np.sum(false)} in {len(late)} runs ({np.mean(np.array(false) > 0):.2f} of runs) | "
                f"median delay {np.median(late):.0f} | missed {np.mean(np.isinf(late)):.2f} | {cost:.1f} s",
                flush=True,
            )


def victoria() -> None:
    """elec2 in its order: until 2 May 1997 the columns of Victoria hold one value each, then the market is opened."""
    held = pq.read_table(DATA / "streams/elec2.parquet")
    columns = {n: held.column(n).to_numpy().astype(float) for n in ("vicprice", "vicdemand", "transfer")}
    change = int(np.flatnonzero(np.any([v != v[0] for v in columns.values()], axis=0))[0])
    print(f"the market opens at row {change:,}")
    cut, end = change - 10_000, change + 5000
    of_change(
        "elec2, Victoria", [({n: v[cut - 5000 : cut] for n, v in columns.items()}, {n: v[cut:end] for n, v in columns.items()})], 10_000
    )


def shuffled() -> None:
    """elec2 in a random order: nothing changes, and whatever is said is false."""
    held = pq.read_table(DATA / "streams/elec2.parquet")
    columns = {n: held.column(n).to_numpy().astype(float) for n in ("nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")}
    runs = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(held.num_rows)
        mixed = {n: v[order] for n, v in columns.items()}
        runs.append(({n: v[:5000] for n, v in mixed.items()}, {n: v[5000:15_000] for n, v in mixed.items()}))
    of_change("elec2 shuffled", runs, 10_000)


def letters() -> None:
    """A spam filter learnt from short messages, which from one row on is given mails: both real, the change at a known row."""
    sms = pq.read_table(DATA / "sms_spam/sms_spam.parquet").to_pydict()
    mail = pq.read_table(DATA / "spamassassin/spamassassin.parquet").to_pydict()
    view, runs = HashingVectorizer(n_features=1 << 16), []
    short, long = [(_texts(d), _labels(d)) for d in (sms, mail)]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        first, second = rng.permutation(len(short[0])), rng.permutation(len(long[0]))[:1000]
        model = LogisticRegression(C=20, max_iter=300).fit(view.transform(short[0][first[:1500]]), short[1][first[:1500]])

        def events(texts: Any, label: Any, model: Any = model) -> Columns:
            p = model.predict_proba(view.transform(texts))
            size = np.array([float(len(t)) for t in texts])
            return {
                "prediction": model.classes_[p.argmax(1)].astype(str),
                "label": label.astype(str),
                "confidence": p.max(1),
                "length": size,
            }

        trusted = events(short[0][first[1500:3500]], short[1][first[1500:3500]])
        a = events(short[0][first[3500:5500]], short[1][first[3500:5500]])
        b = events(long[0][second], long[1][second])
        runs.append((trusted, {n: np.concatenate((a[n], b[n])) for n in a}))
    of_change("messages, then mails", runs, 2000)


def _texts(data: dict[str, Any]) -> Any:
    name = next(n for n in ("text", "message", "body", "email") if n in data)
    return np.array(data[name], object)


def _labels(data: dict[str, Any]) -> Any:
    name = next(n for n in ("label", "class", "y", "spam", "group") if n in data)
    return np.array([str(v).startswith(("spam", "1", "True")) for v in data[name]])


def nab() -> None:
    """Numenta's series with known causes, their first 15 % trusted, as their rules have it: windows found, and alarms outside them."""
    windows = json.loads((DATA / "streams/nab/combined_windows.json").read_text())
    for path in sorted((DATA / "streams/nab").glob("*.parquet")):
        held = pq.read_table(path)
        stamp = np.array([np.datetime64(str(t)) for t in held.column("timestamp").to_pylist()], "datetime64[s]")
        value = held.column("value").to_numpy().astype(float)
        key = next(k for k in windows if k.removesuffix(".csv").replace("/", "__") == path.stem)
        spans = [tuple(np.datetime64(t[:19]) for t in w) for w in windows[key]]
        cut, seconds = int(0.15 * len(value)), stamp.astype(float)
        columns = {"time": seconds, "value": value}
        for who, run in everybody(tail=True):
            said = run({n: v[:cut] for n, v in columns.items()}, {n: v[cut:] for n, v in columns.items()})
            if isinstance(said, str):
                print(f"{path.stem.split('__')[1]} | {who}: {said}")
                continue
            at = stamp[np.array(said, int) + cut]
            inside = [bool(((at >= a) & (at <= b)).any()) for a, b in spans]
            outside = int(sum(not any(a <= t <= b for a, b in spans) for t in at))
            print(f"{path.stem.split('__')[1]} | {who} | windows {sum(inside)} of {len(inside)} | alarms outside {outside}", flush=True)


if __name__ == "__main__":
    parts = {"victoria": victoria, "shuffled": shuffled, "letters": letters, "nab": nab}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=parts, required=True)
    parts[parser.parse_args().part]()
