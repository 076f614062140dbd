"""assay watch audits: scans and inspections on a schedule, their results kept."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.watch.audits import Result

FOLDER = typer.Argument(help="The folder of the watch.")
NAME = typer.Argument(help="The name of the audit.")


def add(group: typer.Typer) -> None:
    audits = typer.Typer(name="audits", help="Scans and inspections on a schedule, their results kept.", no_args_is_help=True)
    audits.command("add", help="Put a command on the schedule.")(add_audit)
    audits.command("remove", help="Take it off the schedule; its results stay.")(remove_audit)
    audits.command("run", help="Run what is due. What is found becomes an alert. Exit 1 if anything was found, 3 if it could not be done.")(
        run
    )
    audits.command("list", help="The schedule, and what came of each audit last.")(list_audits)
    group.add_typer(audits)


def add_audit(
    folder: Path = FOLDER,
    name: str = NAME,
    command: str = typer.Argument(help="What is run: 'assay scan data/ --out {out}'. {out} becomes a folder that is kept."),
    every: str = typer.Option("1d", help="90s, 10m, 12h, 7d, 4w."),
    limit: str = typer.Option("6h", help="After which it is stopped."),
) -> None:
    """Add."""
    from assay.watch import audits

    audits.add(folder, audits.Audit(name, audits.seconds_of(every), audits.words_of(command), audits.seconds_of(limit)))
    typer.echo(f"{name} is on the schedule; it runs with: assay watch audits run {folder}")


def remove_audit(folder: Path = FOLDER, name: str = NAME) -> None:
    """Remove."""
    from assay.watch import audits

    audits.remove(folder, name)
    typer.echo(f"{name} is off the schedule.")


def run(
    folder: Path = FOLDER,
    loop: float | None = typer.Option(None, min=1, help="Go on for ever, and look so many seconds later what is due."),
) -> int:
    """Run."""
    from assay.watch.audits import run_due

    code = 0
    while True:
        for result in run_due(folder, time.time):
            after = "" if result.code is None else f" after {result.seconds:.0f} s"
            typer.echo(f"{result.audit} {result.number}: {result.end}{after}, {result.verdict or 'no report'}")
            code = max(code, 0 if result.code == 0 else 1 if result.code == 1 else 3)
            if result.problem:
                _alert(folder, result)
        if loop is None:
            return code
        time.sleep(loop)


def list_audits(folder: Path = FOLDER) -> None:
    """List."""
    from assay.watch.audits import results, said_of, schedule

    for audit in schedule(folder):
        typer.echo(said_of(audit, next(iter(results(folder, audit.name)[::-1]), None)))


def _alert(folder: Path, result: Result) -> None:
    """Make it an alert of the watch; where another process writes to it, its result is kept all the same, and said here."""
    from assay.dataset.errors import DataError
    from assay.watch.audits import evidence_of
    from assay.watch.watch import FILE, Watch

    if not (folder / FILE).exists():
        return
    try:
        with Watch.open(folder) as watch:
            assert result.problem is not None
            watch.raise_alert(f"audit/{result.audit}", "critical" if result.code == 1 else "warning", result.problem, evidence_of(result))
    except DataError as error:
        print(f"assay: no alert was written: {error}", file=sys.stderr)
