"""Near-duplicates in real texts: our hashed shingles beside datasketch and rensa, CPU seconds and pairs found.

    python benchmarks/near_copies.py DATA [--rows 20000]

`DATA` is the folder of docs/data.md. Five in a hundred texts are planted copies with one word in thirty replaced. All three use the same
number of permutations and the same banding (8 bands of 4); ours then checks each pair that met, which costs a part of its time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.screen.shingles import BANDS, ROWS_A_BAND, near_text_groups

SHINGLE, CHANGED, COPIES = 7, 30, 0.05  # one word in so many is replaced: a resemblance of some .8
PERMUTATIONS = BANDS * ROWS_A_BAND


def texts(data: Path, rows: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Distinct texts, and of the last ones which earlier text each is a copy of."""
    news = pq.read_table(data / "ag_news/ag_news_style_train.parquet", columns=["text"]).column("text").to_pylist()
    tweets = pq.read_table(data / "hate_davidson/davidson.parquet", columns=["tweet"]).column("tweet").to_pylist()
    found = [t for t in dict.fromkeys([*news, *tweets]) if len(t.split()) > 12][:rows]
    copied = rng.choice(len(found), int(COPIES * len(found)), replace=False)
    for i in copied:
        words = found[i].split()
        for at in range(int(rng.integers(CHANGED)), len(words), CHANGED):
            words[at] = "word" + str(rng.integers(10**6))
        found.append(" ".join(words))
    return found, copied


def shingles(text: str) -> set[str]:
    folded = " ".join(text.lower().split())
    return {folded[i : i + SHINGLE] for i in range(max(len(folded) - SHINGLE + 1, 1))}


def ours(given: list[str]) -> Callable[[int, int], bool]:
    group = near_text_groups(pa.array(given, pa.large_string()), np.random.default_rng(0))
    return lambda a, b: bool(group[a] == group[b])


def datasketch(given: list[str]) -> Callable[[int, int], bool]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS_A_BAND))
    sketches = list(MinHash.generator([[s.encode() for s in shingles(t)] for t in given], num_perm=PERMUTATIONS))
    for i, sketch in enumerate(sketches):
        index.insert(i, sketch)
    near = [set(index.query(sketch)) for sketch in sketches]
    return lambda a, b: b in near[a]


def rensa(given: list[str]) -> Callable[[int, int], bool]:
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=0.7, num_perm=PERMUTATIONS, num_bands=BANDS)
    sketches = RMinHash.from_token_sets([list(shingles(t)) for t in given], PERMUTATIONS, 1)
    for i, sketch in enumerate(sketches):
        index.insert(i, sketch)
    near = [set(index.query(sketch)) for sketch in sketches]
    return lambda a, b: b in near[a]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    asked = parser.parse_args()
    given, copied = texts(asked.data, asked.rows, np.random.default_rng(0))
    for name, find in {"ours": ours, "datasketch": datasketch, "rensa": rensa}.items():
        began = time.process_time()
        same = find(given)
        seconds = time.process_time() - began
        first = len(given) - len(copied)
        hit = np.mean([same(first + j, int(i)) for j, i in enumerate(copied)])
        print(
            f"{name}: {len(given):,} texts, {seconds:.1f} CPU s, {len(given) / seconds:,.0f} a second; planted copies met: {hit:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
