"""What the benchmarks of power share: the options of a run, and the plantings that are there already."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from assay.bench.runner import Line, read_lines

PLANTINGS, MINUTES = 10, 60.0  # of a cell; of a run


def options(doc: str | None) -> argparse.ArgumentParser:
    """--out, --plantings, --minutes and --table; each benchmark adds its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="one line a planting; those that are there are not run again")
    parser.add_argument("--plantings", type=int, default=PLANTINGS)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    return parser


def there_already(chosen: argparse.Namespace, table: Callable[[list[Line]], str], *names: str) -> set[tuple[object, ...]]:
    """The fields of those names of every planting that is there. With --table their table is printed, and that is all."""
    lines = read_lines(chosen.out)
    if chosen.table:
        print(table(lines))
        sys.exit()
    return {tuple(line[name] for name in names) for line in lines}
