"""assay remediate"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Rid data, ledger and model of what a report found, and keep a record of it.

Quarantine, revoke the source, purge, roll back the model, train again, verify, sign: each step is shown and kept on disk. Interrupted, \
the same command goes on. --dry-run shows all of it and does nothing; --undo takes it back, and says what cannot be taken back.

Exit code: 0 done and verified; 1 done, and the second scan still finds something; 2 refused, or the request is wrong.
"""


def add(app: typer.Typer) -> None:
    app.command("remediate", help=HELP, short_help="Rid data, ledger and model of what a report found.")(remediate)


def remediate(
    path: Path | None = typer.Argument(None, metavar="DATA", help="The data that was scanned. Not needed with --undo."),
    report: Path | None = typer.Option(None, help="The folder that assay scan wrote. Not needed with --undo."),
    out: Path = typer.Option(..., help="The folder of this remediation: cleaned data, journal, record."),
    ledger: Path | None = typer.Option(None, help="The ledger that holds the rows."),
    key: Path | None = typer.Option(None, "--key", help="The ledger's secret key. Default: LEDGER.key beside the folder."),
    snapshot: str | None = typer.Option(None, help="Name of the new snapshot. Default: remediated-REPORT."),
    revoke_source: list[str] = typer.Option([], help="Revoke this source, named as a confirmation; several times."),
    as_: Path | None = typer.Option(None, "--as", help="An approver's secret key, to revoke with."),
    registry: Path | None = typer.Option(None, help="The folder of the watch whose models are rolled back."),
    alias: str = typer.Option("production", help="The alias to move."),
    train: str | None = typer.Option(
        None, help="The command that trains again; {data}, {out} in it, or ASSAY_CLEAN_DATA, ASSAY_MODEL_DIR."
    ),
    reason: str | None = typer.Option(None, help="Why, for all who read ledger and registry. Default: findings and report."),
    by: str = typer.Option("assay remediate", help="Who."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show every step, and do nothing."),
    undo: bool = typer.Option(False, "--undo", help="Take the steps back, last first."),
) -> int:
    """Run, show or undo it."""
    from assay.cli.ledger_common import key_file
    from assay.cli.progress import progress_bar
    from assay.dataset.errors import DataError
    from assay.flows import remediate as flow
    from assay.flows.plan import Asked
    from assay.flows.undo import asked_in
    from assay.flows.undo import undo as take_back

    if undo:
        if dry_run:
            raise DataError("--undo and --dry-run are two requests", remedy="give one of them")
        before = asked_in(out)
        secret = None if before.ledger is None else key_file(before.ledger, key)
        take_back(asked_in(out, secret), _tell)
        return 0
    if path is None or report is None:
        raise DataError("DATA and --report are missing", remedy="assay remediate DATA --report DIR --out FOLDER")
    secret = None if ledger is None else key_file(ledger, key)
    revoked = tuple(revoke_source)
    asked = Asked(path, report, out, ledger, secret, snapshot, revoked, as_, registry, alias, train, by, reason)
    if dry_run:
        for number, (step, would) in enumerate(flow.preview(asked), 1):
            typer.echo(f"{number} {step:<10} {would}")
        typer.echo("Nothing was done.")
        return 0
    with progress_bar() as progress:
        record = flow.remediate(asked, tell=_tell, progress=progress)
    if record["verified"]:
        typer.echo(f"Done, and verified. To take it back: assay remediate --undo --out {out}")
        return 0
    typer.echo(f"NOT verified: see {out / 'verify' / 'report.html'}. To take it back: assay remediate --undo --out {out}")
    return 1


def _tell(step: str, state: str, said: str) -> None:
    typer.echo(f"{step:<10} {state}: {said}")
