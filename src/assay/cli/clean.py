"""assay clean"""

from __future__ import annotations

from pathlib import Path

import typer

from assay.cli.scan import Engine

HELP = """Copy a data set without the rows that a report quarantines.

The copy has the format of the original. What is left out is kept in OUT.removed with a manifest: assay restore OUT \
puts it back. Data that is not, to the bit, what was scanned is refused (exit 2).
"""


def add(app: typer.Typer) -> None:
    app.command("clean", help=HELP, short_help="Copy a data set without the quarantined rows.")(clean)


def clean(
    path: Path = typer.Argument(help="The data that was scanned."),
    report: Path = typer.Option(..., help="The folder that assay scan wrote."),
    out: Path = typer.Option(..., help="Where the copy goes; nothing is overwritten."),
    engine: Engine = typer.Option(Engine.local, help="Where shards are read and written: this machine, or a Ray cluster."),
    address: str | None = typer.Option(None, help="Of a Ray cluster, such as auto. Without it one is started here."),
    workers: int | None = typer.Option(None, help="Processes to use. Default: this one, or all that the cluster has."),
) -> None:
    """Clean, and say what was left out."""
    from assay.api import at_work
    from assay.report import act
    from assay.report.words import count

    with at_work(engine.value, address, workers):
        done = act.clean(path, report, out)
    kept = done.records - len(done.removed)
    if not done.removed:
        typer.echo(f"Nothing to quarantine: {done.out} holds all {count(done.records, 'row')}.")
        return
    typer.echo(f"{done.out}: {count(kept, 'row')} kept, {len(done.removed):,} left out and kept in {done.kept_in}.")
    typer.echo(f"To put them back: assay restore {done.out}")
