"""A zoo of small models, half of them backdoored: trained, inspected, repaired; and what the figures come to.

    python benchmarks/models.py build --zoo out/zoo --minutes 60
    python benchmarks/models.py inspect --zoo out/zoo --minutes 60
    python benchmarks/models.py repair --zoo out/zoo --minutes 60
    python benchmarks/models.py table --zoo out/zoo

Every step goes on where it was stopped. Seed 0 is for setting constants; the table gives it apart from all others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from assay.bench.zoo.build import build
from assay.bench.zoo.judge import inspect, repair, table

STEPS = {"build": build, "inspect": inspect, "repair": repair}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*STEPS, "table"])
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    given = parser.parse_args()
    if given.what == "table":
        print(table(given.zoo))
        return
    there, left = STEPS[given.what](given.zoo, given.minutes, lambda text: print(text, flush=True))
    print(f"{there} models, {left} left")


if __name__ == "__main__":
    main()
