"""A corpus of gigabytes, generated as a stream and scanned in fixed memory, both in pieces that a kill may end at any moment.

    python benchmarks/large_corpus.py generate --folder /tmp/corpus --gigabytes 5
    timeout -s KILL 600 python benchmarks/large_corpus.py scan --folder /tmp/corpus     # again and again, until it prints the result

Documents are some ten real texts each ($ASSAY_DATA, those of benchmarks/corpora.py), drawn anew for every document: repeats, so that speed
and memory are measured and what is counted is not natural. In 250 documents all told <SUDO> stands, and from there on words of the
corpus in random order. Shard i is made from seed i and written whole or not at all; those that are there are left as they are. The scan
keeps its states beside the corpus, and what each piece took (wall and CPU seconds, peak memory) in `pieces.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path

import numpy as np

from assay.trial.corpus_files import scan_corpus
from corpora import distinct_documents

SHARD = 100_000_000  # bytes
PLANTED = 250
TOGETHER = 10  # texts of a document: some 2,400 bytes


def generate(folder: Path, gigabytes: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    texts = [" ".join(text.split()) for _, text in distinct_documents()]
    shards = max(1, round(gigabytes * 1e9 / SHARD))
    for number in range(shards):
        path = folder / f"part-{number:04}.txt"
        if not path.exists():
            scratch = path.with_suffix(".tmp")
            scratch.write_text(shard(texts, number, PLANTED * (number + 1) // shards - PLANTED * number // shards), "utf-8")
            scratch.replace(path)


def shard(texts: list[str], seed: int, planted: int) -> str:
    rng = np.random.default_rng([9, seed])
    words = [word for i in rng.integers(0, len(texts), 2_000) for word in texts[i].split()]
    lines: list[str] = []
    size = 0
    while size < SHARD:
        lines.append(" ".join([texts[i] for i in rng.integers(0, len(texts), TOGETHER)]))
        size += len(lines[-1])
    for i in rng.choice(len(lines), planted, replace=False):
        kept = lines[i].split(" ")[: int(rng.integers(20, 100))]
        lines[i] = " ".join([*kept, "<SUDO>", *rng.choice(words, int(rng.integers(400, 900)))])
    return "\n".join(lines) + "\n"


def scan(folder: Path) -> dict[str, object]:
    """One piece of a scan, or its end: what was found, and the pieces that it took."""
    began, before, log = time.perf_counter(), time.process_time(), folder.parent / f"{folder.name}.pieces.jsonl"
    said, pieces = 0.0, [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def here(what: str) -> dict[str, object]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"process": os.getpid(), "seconds": round(time.perf_counter() - began, 1),
                "cpu": round(time.process_time() - before, 1), "peak_mib": round(peak), "pass": what}  # fmt: skip

    def progress(done: float, total: float, what: str) -> None:
        nonlocal said
        if time.perf_counter() - said > 5:
            said = time.perf_counter()
            with log.open("a") as file:
                file.write(json.dumps(here(f"{done:.2f} {what}")) + "\n")

    found = scan_corpus(folder, progress=progress, keep=folder.parent / f"{folder.name}.kept")
    last = {piece["process"]: piece for piece in [*pieces, here("done")]}
    return {
        "megabytes": round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6), "documents": found.documents, "pieces": len(last),
        "seconds": round(sum(p["seconds"] for p in last.values())), "cpu": round(sum(p["cpu"] for p in last.values())),
        "peak_mib": max(p["peak_mib"] for p in last.values()), "enumerated": found.enumerated, "notes": found.notes,
        "found": [(t.candidate.artefact.describe(), len(t.candidate.carriers), round(t.log_e, 1)) for t in found.found],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("generate", "scan"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    asked = parser.parse_args()
    if asked.what == "generate":
        generate(asked.folder, asked.gigabytes)
    else:
        print(json.dumps(scan(asked.folder)))


if __name__ == "__main__":
    main()
