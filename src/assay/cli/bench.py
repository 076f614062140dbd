"""assay bench"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

HELP = """Run a benchmark: attacks x defences x data sets, on the same rows, with a random and a perfect filter beside them.

Results are appended to --out as they come; the same command goes on where a run stopped. The data sets are those that are \
at hand in $ASSAY_DATA (docs/data.md) and those that scikit-learn ships.
"""


SUITES_SAID = """smoke: minutes; standard: hours, resumable; full: the field's twelve attacks; deep: poison that shares no \
fixed pixels, is faint or has few carriers; scan: what the scan alone promises; text: power curves of text detectors; clean: clean \
controls of every set, as they are and with what is odd by nature; promises: every published guarantee, tried again in a minute or two."""


class Suite(StrEnum):
    smoke = "smoke"
    standard = "standard"
    full = "full"
    deep = "deep"
    scan = "scan"
    text = "text"
    clean = "clean"
    promises = "promises"


class Against(StrEnum):
    peers = "peers"
    none = "none"


def add(app: typer.Typer) -> None:
    app.command("bench", help=HELP, short_help="Attacks x defences x data sets, measured.")(bench)


def bench(
    suite: Suite = typer.Option(Suite.smoke, help=SUITES_SAID),
    against: Against = typer.Option(Against.peers, help="peers: published defences too; none: ours and the two controls."),
    out: Path | None = typer.Option(None, help="Where results are kept. Default: bench-SUITE.jsonl here."),
    minutes: float = typer.Option(150.0, help="Begin no further cell after so long."),
    jobs: int = typer.Option(1, min=1, help="Cells run at once, a process each."),
    only: str | None = typer.Option(None, help="Only these defences, comma-separated."),
    sets: str | None = typer.Option(None, help="Only the cells of these data sets in this sitting, comma-separated."),
    after: Path | None = typer.Option(None, help="The Parquet beside the page of an earlier run: what it holds is not run again."),
    page: Path | None = typer.Option(None, help="Write the page (Markdown) here, and the records beside it as Parquet."),
    models: Path | None = typer.Option(
        None, help="In place of a suite: train, inspect and repair a zoo of small models, half of them backdoored, in this folder."
    ),
) -> int:
    """Run, record, and write the page."""
    if models is not None:
        return _models(models, minutes)
    if suite is Suite.promises:
        return _promises()
    import pyarrow.parquet as pq

    from assay.bench.page import as_table, markdown
    from assay.bench.page_plot import caught_and_wronged
    from assay.bench.peers.registry import CONTROLS, OURS, defences
    from assay.bench.runner import add_lines, read_lines, run_suite
    from assay.bench.suites import SUITES
    from assay.cli.scan import listed
    from assay.dataset.errors import DataError
    from assay.report.words import count

    chosen = [d for d in defences() if against is Against.peers or d.name.startswith(OURS) or d.name in CONTROLS]
    wanted = listed(only)
    unknown = [name for name in wanted if name not in {d.name for d in defences()}]
    if unknown:
        raise DataError(f"--only: no defence {unknown[0]!r}", remedy=f"choose among {', '.join(d.name for d in defences())}")
    chosen = [d for d in defences() if d.name in wanted] if wanted else chosen
    here, asked = {cell.set for cell in SUITES[suite.value].cells()}, listed(sets)
    if strange := [name for name in asked if name not in here]:
        raise DataError(f"--sets: the suite has no set {strange[0]!r}", remedy=f"choose among {', '.join(sorted(here))}")
    record = out or Path(f"bench-{suite.value}.jsonl")
    if after is not None:
        known = {(x["cell"], x["defence"]) for x in read_lines(record)}
        add_lines(record, [x for x in _earlier(after) if (x["cell"], x["defence"]) not in known])
    absent: dict[str, str] = {}
    with _watched() as progress:
        done, left = run_suite(SUITES[suite.value], record, chosen, minutes, jobs, progress, asked, absent.__setitem__)
    others = f", those of other sets than {', '.join(asked)} among them" if asked and left else ""
    typer.echo(f"{count(done, 'cell')} run, {left} left{others}; results in {record}")
    for name, why in absent.items():
        typer.echo(f"not at hand: {name} ({why}); set ASSAY_DATA to a folder as docs/data.md describes it, and run this again")
    lines = read_lines(record)
    if page is not None and lines:
        command = f"assay bench --suite {suite.value} --against {against.value} --page {page.name}"
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}."
        page.parent.mkdir(parents=True, exist_ok=True)
        drawn, picture = caught_and_wronged(lines, suite.value), page.with_suffix(".svg")
        if drawn is not None:
            picture.write_text(drawn, encoding="utf-8")
        cells, shown = len(SUITES[suite.value].cells()), None if drawn is None else picture.name
        page.write_text(markdown(suite.value, lines, command, machine, cells, shown), encoding="utf-8")
        pq.write_table(as_table(lines), page.with_suffix(".parquet"))
        typer.echo(f"page: {page}")
    failed = sorted({(x["defence"], x["failed"]) for x in lines if x["failed"]})
    for defence, why in failed[:10]:
        typer.echo(f"not run: {defence}: {why}")
    return 3 if left else 0


def _earlier(path: Path) -> list[dict[str, Any]]:
    """The records beside an earlier page. DataError where the file is not one of those."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from assay.bench.page import as_lines
    from assay.dataset.errors import DataError

    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy="name the Parquet file beside the page of an earlier run")
    try:
        lines = as_lines(pq.read_table(path))
        return [line for line in lines if isinstance(line["cell"], str) and isinstance(line["defence"], str)]
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise DataError(
            "holds no records of a benchmark", path=path, remedy="name the Parquet file beside the page of an earlier run"
        ) from error


@contextmanager
def _watched() -> Iterator[Callable[[float, float, str], None]]:
    """A bar with time left where somebody watches; in a log, a line a cell."""
    from assay.cli.progress import progress_bar

    if sys.stderr.isatty():
        with progress_bar() as progress:
            yield progress
        return
    began = time.monotonic()

    def report(done: float, total: float, what: str) -> None:
        left = (time.monotonic() - began) / done * (total - done) / 60
        typer.echo(f"{done:.0f} of {total:.0f} cells, about {left:.0f} min left at this pace: {what}", err=True)

    yield report


def _models(folder: Path, minutes: float) -> int:
    """Go on with the zoo, then print what all of its figures come to; 3 where something is left."""
    from importlib.util import find_spec

    from assay.dataset.errors import DataError

    if find_spec("torch") is None:
        raise DataError("the zoo's models are trained with PyTorch", remedy="pip install 'assay[torch]'")
    from assay.bench.zoo.told import table
    from assay.bench.zoo.turns import go_on

    if folder.exists() and not folder.is_dir():
        raise DataError("is a file", path=folder, remedy="name a folder for the models")
    try:
        done = go_on(folder, minutes, lambda text: typer.echo(text, err=True))
    except FileNotFoundError as error:
        raise DataError(f"the zoo's pictures are not at hand ({error})", remedy="docs/data.md says which, and where to put them") from error
    typer.echo(table(folder))
    if not done:
        typer.echo("not all is done; the same command goes on")
    return 0 if done else 3


def _promises() -> int:
    """Try each, and print it as it comes; 1 where one does not hold."""
    from assay.bench.promises import promises

    broken = 0
    for kept in promises():
        typer.echo(f"{'holds ' if kept.holds else 'BROKEN'}  {kept.promise}\n        {kept.measured}; {kept.seconds:.1f} s")
        broken += not kept.holds
    return 1 if broken else 0
