"""A zoo of small models, half of them backdoored: trained, inspected, also by published ways, repaired; and what the figures come to.

    python benchmarks/models.py all --zoo out/zoo --minutes 60         # the next five by turns
    python benchmarks/models.py build --zoo out/zoo --minutes 60
    python benchmarks/models.py free --zoo out/zoo --minutes 60        # the checks without data
    python benchmarks/models.py inspect --zoo out/zoo --minutes 60
    python benchmarks/models.py peers --zoo out/zoo --minutes 60
    python benchmarks/models.py repair --zoo out/zoo --minutes 60
    python benchmarks/models.py pruned --zoo out/zoo --minutes 30      # adversarial pruning, alone and before unlearning
    python benchmarks/models.py asked --zoo out/zoo --minutes 20       # the picture models, asked as black boxes
    python benchmarks/models.py guard --zoo out/zoo --minutes 20       # which inputs of the picture models carry a trigger
    python benchmarks/models.py tables --zoo out/zoo --minutes 20      # tree models: trained and inspected at once
    python benchmarks/models.py texts --zoo out/zoo --minutes 20       # text models, asked as black boxes
    python benchmarks/models.py arrived --zoo out/zoo --minutes 30     # published backdoored networks: inspected and repaired
    python benchmarks/models.py table --zoo out/zoo

Every step goes on where it was stopped. Seed 0 is for setting constants; the table gives it apart from all others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from assay.bench.zoo.arrived import arrived
from assay.bench.zoo.asked import ask
from assay.bench.zoo.guards import guard
from assay.bench.zoo.pruning import prune_attacked_models
from assay.bench.zoo.tables import tables
from assay.bench.zoo.texts import texts
from assay.bench.zoo.told import table
from assay.bench.zoo.turns import STEPS as TURNS
from assay.bench.zoo.turns import go_on

STEPS = {name: step for name, (step, _) in TURNS.items()} | {
    "pruned": prune_attacked_models,
    "asked": ask,
    "guard": guard,
    "tables": tables,
    "texts": texts,
    "arrived": arrived,
}


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["all", *STEPS, "table"])
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    if given.what == "table":
        print(table(given.zoo))
        return
    if given.what == "all":
        go_on(given.zoo, given.minutes, say)
        return
    there, left = STEPS[given.what](given.zoo, given.minutes, say)
    print(f"{there} models, {left} left")


if __name__ == "__main__":
    main()
