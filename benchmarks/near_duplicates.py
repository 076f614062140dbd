"""Near-duplicate texts by MinHash, Assay's and datatrove's, over the same file on the same cores.

    python benchmarks/near_duplicates.py make --folder /tmp/near --rows 100000
    python benchmarks/near_duplicates.py assay --folder /tmp/near
    /path/to/a/venv/with/datatrove/bin/python benchmarks/near_duplicates.py datatrove --folder /tmp/near

`make` draws real texts of 40 words and more ($ASSAY_DATA, those of benchmarks/corpora.py; beyond them, they come again with every fifth
word drawn anew, which makes them no duplicates) and adds a near-duplicate of every twentieth: one word in thirty replaced. Each of the
others reads the file, groups the texts and prints one line of JSON: wall and CPU seconds of everything after imports, peak memory, the
share of planted pairs that share a group, and how many further texts were put with another. datatrove runs as it comes (5-grams of words,
14 bands of 8 hashes), its three stages with one task, in this process.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

FEWEST_WORDS = 40
PLANTED = 20  # one near-duplicate for so many texts
SWAPPED = 30  # one word of so many is replaced


def make(folder: Path, rows: int) -> None:
    from corpora import distinct_documents

    rng = np.random.default_rng(0)
    real = [text.split() for _, text in distinct_documents()]
    real = [words for words in real if len(words) >= FEWEST_WORDS]
    drawn = np.array([words[int(i)] for words, i in zip(real, rng.integers(0, FEWEST_WORDS, len(real)), strict=True)])

    def changed(words: list[str], one_in: int) -> list[str]:
        swapped = list(words)
        for i in rng.choice(len(words), max(1, len(words) // one_in), replace=False):
            swapped[int(i)] = str(rng.choice(drawn))
        return swapped

    order = rng.permutation(len(real))
    texts = [real[order[i % len(real)]] if i < len(real) else changed(real[order[i % len(real)]], 5) for i in range(rows)]
    copies = list(range(0, rows, PLANTED))
    texts += [changed(texts[i], SWAPPED) for i in copies]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for i, words in enumerate(texts):
            file.write(json.dumps({"id": str(i), "text": " ".join(words)}) + "\n")
    (folder / "planted.json").write_text(json.dumps([(i, rows + j) for j, i in enumerate(copies)]))


def ours(folder: Path) -> Callable[[], np.ndarray]:
    import pyarrow as pa
    import pyarrow.json

    from assay.screen.shingles import near_text_groups

    def work() -> np.ndarray:
        texts = pyarrow.json.read_json(folder / "texts.jsonl").column("text")
        return near_text_groups(pa.concat_arrays(texts.cast(pa.large_string()).chunks), np.random.default_rng(0))

    return work


def theirs(folder: Path) -> Callable[[], np.ndarray]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.utils.logging import logger

    logger.remove()

    def work() -> np.ndarray:
        scratch, config = tempfile.mkdtemp(prefix="near-", dir=folder), MinhashConfig()
        stages = (
            ([JsonlReader(str(folder), glob_pattern="texts.jsonl"), MinhashDedupSignature(f"{scratch}/signatures", config)], 1),
            ([MinhashDedupBuckets(f"{scratch}/signatures", f"{scratch}/buckets", config=config)], config.num_buckets),
            ([MinhashDedupCluster(f"{scratch}/buckets", f"{scratch}/removed", config, save_cluster_id=True)], 1),
        )
        for number, (pipeline, tasks) in enumerate(stages):
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{scratch}/log{number}", skip_completed=False).run()
        rows = sum(1 for _ in (folder / "texts.jsonl").open("rb"))
        group = np.arange(rows)
        for document, cluster in struct.iter_unpack("<II", Path(scratch, "removed", "000000.clusters").read_bytes()):
            group[document] = rows + cluster
        return group

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "assay", "datatrove"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    if asked.what == "make":
        make(asked.folder, asked.rows)
        return
    work = (ours if asked.what == "assay" else theirs)(asked.folder)
    began, cpu = time.perf_counter(), time.process_time()
    group = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    planted = np.array(json.loads((asked.folder / "planted.json").read_text()))
    together = group[planted[:, 0]] == group[planted[:, 1]]
    joined = len(group) - len(np.unique(group)) - int(together.sum())
    print(json.dumps({
        "by": asked.what, "texts": len(group), "megabytes": round((asked.folder / "texts.jsonl").stat().st_size / 1e6, 1),
        "seconds": round(seconds, 1), "cpu": round(cpu, 1), "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "planted_found": round(float(together.mean()), 4), "further_joined": joined,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
