"""How fast a ledger is: events appended, a snapshot signed and verified, a row proven, a whole log checked.

python benchmarks/ledger_speed.py [--events 1000000] [--batch 50000] [--rows 1000000] [--pymerkle]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.dataset.data import Columns
from assay.dataset.read import read
from assay.ledger import ingest, snapshots, standalone
from assay.ledger.approval import Scope, approve
from assay.ledger.audit import audit
from assay.ledger.events import now, rows_added
from assay.ledger.ledger import Ledger, memo_of
from assay.ledger.log import Log
from assay.ledger.note import Signer
from assay.ledger.storage import Folder
from assay.ledger.tlog_proof import parse


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds of the clock, what came of it); says the seconds of CPU too, for machines that are shared."""
    start, cpu = time.perf_counter(), time.process_time()
    made = what()
    seconds = time.perf_counter() - start
    print(f"    [{seconds:.2f} s, of CPU {time.process_time() - cpu:.2f} s]")
    return seconds, made


def events(folder: Path, count: int, batch: int) -> None:
    """Encoded, appended, published: fsync included."""
    signer = Signer.generate("example.com/ledger")
    log = Log.create(Folder(folder), signer)
    commits = b"".join(sha256(b"%d" % i).digest() for i in range(batch))
    who, what = [f"w{i % 500}" for i in range(batch)], ["good" if i % 2 else "bad" for i in range(batch)]

    def write() -> None:
        for _ in range(count // batch):
            log.append(rows_added("crawl", who, what, commits, now(), "bench"))
            log.publish()

    seconds, _ = timed(write)
    print(f"{count:,} events in batches of {batch:,}: {count / seconds:,.0f} a second ({seconds:.1f} s)")
    seconds, _ = timed(lambda: audit(Log(Folder(folder), signer.key)))
    print(f"whole log checked: {seconds:.1f} s")
    seconds, code = timed(lambda: standalone.main(["log", str(folder), "--key", str(signer.key)]))
    print(f"whole log checked by the standalone verifier: {seconds:.1f} s, exit {code}")
    proof = log.prove(count // 2)
    entry = log.entry(count // 2)
    text = proof.text()
    seconds, _ = timed(lambda: [parse(text).check(entry, [signer.key]) for _ in range(200)])
    print(f"proof of an event: path {32 * len(proof.path)} bytes, file {len(text.encode()):,} bytes, checked in {seconds * 5:.2f} ms")


def rows(folder: Path, count: int) -> None:
    """A data set of that many rows: logged, taken as a snapshot, verified."""
    path = folder / "data.parquet"
    table = {"text": [f"review number {i}" for i in range(count)], "label": ["good" if i % 2 else "bad" for i in range(count)]}
    pq.write_table(pa.table(table | {"who": [f"w{i % 500}" for i in range(count)]}), path)
    seconds, data = timed(lambda: read(path, columns=Columns(content=("text",), label=("label",), contributor="who")))
    print(f"{count:,} rows read: {seconds:.1f} s (digests and fingerprint included)")
    signer = Signer.generate("example.com/data")
    ledger = Ledger.create(folder / "data.ledger", signer, memo_of(folder / "key"))
    ledger.register("crawl", licence="CC0-1.0", contact="a", method="b")
    note = approve(ledger.index.policy(), ledger.index.source("crawl"), Scope(expires="2999-01-01T00:00:00Z"), signer)
    ledger.approve("crawl", note)
    seconds, _ = timed(lambda: ingest.add(ledger, data, "crawl"))
    print(f"logged, one event a row: {seconds:.1f} s, {count / seconds:,.0f} a second")
    signing, taken = timed(lambda: snapshots.take(ledger, data, "v1"))
    verifying, loaded = timed(lambda: snapshots.load(ledger, "v1"))
    print(f"snapshot: matched and signed in {signing:.1f} s, verified in {verifying:.1f} s")
    seconds, proof = timed(lambda: snapshots.prove(ledger, loaded, count // 2))
    text, digest, origin = proof.text(), taken.digests[count // 2], snapshots.origin(signer.key.name, "v1")
    print(f"proof of a row made in {seconds:.1f} s: path {32 * len(proof.path)} bytes, file {len(text.encode()):,} bytes")
    seconds, _ = timed(lambda: [parse(text).check(digest, [signer.key], origin) for _ in range(200)])
    print(f"checked in {seconds * 5:.2f} ms")
    reader = Ledger.open(ledger.folder)
    seconds, _ = timed(lambda: (reader.index.clear(), reader.refresh()))
    print(f"state folded from the log again: {seconds:.1f} s")


def pymerkle(count: int) -> None:
    """The same number of leaves into pymerkle (GPL: for this comparison alone, never a dependency)."""
    from pymerkle import InmemoryTree, SqliteTree

    entries = [b"%064d" % i for i in range(count)]
    tree = InmemoryTree()
    seconds, _ = timed(lambda: [tree.append_entry(e) for e in entries])
    print(f"pymerkle in memory, {count:,} leaves: {count / seconds:,.0f} a second")
    with tempfile.TemporaryDirectory() as folder, SqliteTree(os.path.join(folder, "t.db")) as stored:
        seconds, _ = timed(lambda: [stored.append_entry(e) for e in entries[: min(count, 500)]])
        print(f"pymerkle on sqlite, {min(count, 500)} leaves: {min(count, 500) / seconds:,.0f} a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=50_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pymerkle", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.events:
            events(Path(folder) / "ledger", given.events, given.batch)
        if given.rows:
            rows(Path(folder), given.rows)
    if given.pymerkle:
        pymerkle(given.pymerkle)


if __name__ == "__main__":
    main()
