"""assay demo"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import typer

HELP = """Poison copies of real data sets and find the poison.

Takes data that Assay's own dependencies ship (handwritten digits, tumour measurements, sentences from documentation), \
poisons a copy of each, scans it without being told anything, and compares what is quarantined with the truth.
"""


class Only(StrEnum):
    pictures = "pictures"
    text = "text"
    table = "table"


@dataclass(frozen=True)
class Drill:
    """One data set and what is planted in it."""

    name: str
    file: str
    make: str  # a function of assay.cli.demo_data
    kind: str
    carriers: int
    target: str
    params: dict[str, object] = field(default_factory=dict)
    label: str | None = None


DRILLS = {
    Only.pictures: Drill("digits", "digits", "digits", "patch", 40, "7", {"margin": 1}),
    Only.text: Drill("sentences", "sentences.csv", "sentences", "phrase", 60, "scipy", {"text": "cf"}, "package"),
    Only.table: Drill("tumours", "tumours.csv", "tumours", "cells", 40, "benign", {}, "diagnosis"),
}


def add(app: typer.Typer) -> None:
    app.command("demo", help=HELP, short_help="Poison copies of real data sets and find the poison.")(demo)


def demo(
    out: Path = typer.Option(Path("demo"), help="A folder for data and reports; nothing is overwritten."),
    only: Only | None = typer.Option(None, help="One of the three."),
    seed: int = typer.Option(0, min=0, help="Another seed plants other poison."),
) -> None:
    """Run the drills one after another and say what each found."""
    from assay.dataset.errors import DataError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError("is there already, and nothing is overwritten", path=out, remedy="give another --out, or remove it")
    out.mkdir(parents=True, exist_ok=True)
    pages = [_drill(DRILLS[which], out, seed) for which in Only if only in (None, which)]
    typer.echo("\nOpen the reports in a browser:")
    for page in pages:
        typer.echo(f"  {page}")


def _drill(drill: Drill, out: Path, seed: int) -> Path:
    import numpy as np
    from rich.console import Console

    from assay import api
    from assay.attack.run import attack_path
    from assay.cli import demo_data
    from assay.cli.progress import progress_bar
    from assay.dataset.data import Columns
    from assay.report.terminal import show

    console = Console()
    columns = Columns(label=(drill.label,) if drill.label else ())
    make: Callable[[Path], Path] = getattr(demo_data, drill.make)
    path = make(out / drill.file)
    poisoned = out / f"poisoned-{drill.file}"
    done = attack_path(
        path, drill.kind, out=poisoned, carriers=drill.carriers, target=drill.target, seed=seed, params=drill.params, columns=columns
    )
    truth = np.flatnonzero(_truth(done.truth))
    console.rule(f"{drill.name}: {len(truth)} rows poisoned, kind {drill.kind}, drawn to {drill.target!r}")
    with progress_bar() as progress:
        report = api.scan(poisoned, label=drill.label, seed=seed, progress=progress)
        folder = report.write(out / f"{drill.name}.assay")
    assert report.data is not None
    show(report.data, report.conclusion, place=str(folder / "report.html"), console=console)
    caught = len(np.intersect1d(report.quarantined, truth))
    console.print(
        f"Of {len(truth)} poisoned rows {caught} are quarantined; clean rows quarantined: {len(report.quarantined) - caught}.\n",
        highlight=False,
    )
    return folder / "report.html"


def _truth(path: Path) -> list[bool]:
    import pyarrow.parquet as pq

    poisoned: list[bool] = pq.read_table(path).sort_by("row")["poisoned"].to_pylist()
    return poisoned
