"""A word put into rows whose labels were left alone: suspected or not, by number of carriers; and natural texts, told nothing.

    python benchmarks/clean_labels.py planted [--sets sms,sst2] [--carriers 10,20,30,50,0.05] [--seeds 50,51,52,53,54] [--rows 7000]
    python benchmarks/clean_labels.py clean [--sets ...] [--seeds 60] [--rows 4000]

A number of carriers below one is a share of the target's class. `clean` takes each set as it is and with what is odd by nature. Only the
question of placement is asked (`assay.trial.placement.dropped_in`), with no model and no trial: a whole scan asks it of the same phrases.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from assay.attack.planting import plant
from assay.bench.natural import VARIANTS
from assay.bench.sets import SETS
from assay.dataset.data import Dataset
from assay.learn.corpus import read_corpus
from assay.mine.characters import disclosed
from assay.mine.phrases import shared_runs
from assay.trial.bridges import bridges
from assay.trial.family import Tried
from assay.trial.placement import dropped_in, placements
from assay.trial.text_columns import text_columns

WORD = "cf"


def suspects(data: Dataset) -> Iterator[Tried]:
    corpus = read_corpus(disclosed([data.table.column(c) for c in text_columns(data)]))
    for shared in shared_runs(corpus):
        company, closing = placements(corpus, [shared])[0], bridges(corpus, [shared])[0]
        yield from dropped_in(corpus, shared, company, closing, data.y, len(data.classes))


def drawn(whole: Dataset, rows: int, seed: int) -> Dataset:
    return whole.subset(np.sort(np.random.default_rng(seed).permutation(len(whole))[:rows]))


def planted(name: str, whole: Dataset, asked: argparse.Namespace, seeds: list[int]) -> None:
    for text in asked.carriers.split(","):
        found, others, sizes = 0, 0, []
        for seed in seeds:
            share = float(text) if float(text) < 1 else None
            params = {"text": WORD, "mode": "clean-label", **({} if share is None else {"share": share})}
            poisoned = plant(
                drawn(whole, asked.rows, seed), "phrase", seed=seed, params=params, **({"carriers": int(text)} if share is None else {})
            )
            named = [WORD in str(t.candidate.artefact) for t in suspects(poisoned.data)]
            found, others = found + any(named), others + named.count(False)
            sizes.append(
                f"{int(poisoned.poisoned.sum())} {poisoned.data.classes[np.bincount(poisoned.data.y[poisoned.poisoned]).argmax()]}"
            )
        print(f"{name}, {text}: suspected in {found} of {len(seeds)} ({', '.join(sizes)}); {others} other phrases", flush=True)


def clean(name: str, whole: Dataset, asked: argparse.Namespace, seeds: list[int]) -> tuple[int, int]:
    scans, wrong = 0, 0
    for seed in seeds:
        data = drawn(whole, asked.rows, seed)
        for variant in ("plain", *(v for v, (_, kinds) in VARIANTS.items() if v != "plain" and "text" in kinds)):
            odd = data if variant == "plain" else VARIANTS[variant][0](data, np.random.default_rng(seed))
            named = [t.candidate.artefact.describe() for t in suspects(odd)]
            scans, wrong = scans + 1, wrong + bool(named)
            if named:
                print(f"{name}, {variant}, seed {seed}: {'; '.join(named)}", flush=True)
    return scans, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["planted", "clean"])
    parser.add_argument("--sets", default="")
    parser.add_argument("--carriers", default="10,20,30,50,0.05")
    parser.add_argument("--seeds", default="50,51,52,53,54")
    parser.add_argument("--rows", type=int, default=7_000)
    asked = parser.parse_args()
    names = asked.sets.split(",") if asked.sets else [s.name for s in SETS if s.modality == "text"]
    seeds, told = [int(s) for s in asked.seeds.split(",")], []
    for name in names:
        whole = next(s for s in SETS if s.name == name).read()
        if asked.what == "planted":
            planted(name, whole, asked, seeds)
        else:
            told.append(clean(name, whole, asked, seeds))
    if told:
        scans, wrong = (sum(part) for part in zip(*told, strict=True))
        print(f"clean: {scans} sets, {wrong} with a phrase suspected")


if __name__ == "__main__":
    main()
