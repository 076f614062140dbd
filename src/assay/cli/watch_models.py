"""assay watch models: which version serves, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer

FOLDER = typer.Argument(help="The folder of the watch.")
VERSION = typer.Argument(help="The name of the version.")
BY = typer.Option(..., help="Who.")
ALIAS = typer.Option("production", help="The alias that what serves asks for.")


def add(group: typer.Typer) -> None:
    models = typer.Typer(name="models", help="Versions of the model, and which of them serves.", no_args_is_help=True)
    models.command("add", help="Register a version, with the digest of its file.")(add_version)
    models.command("attest", help="Vouch for a version: it may be gone back to.")(attest)
    models.command("point", help="Let an alias mean a version.")(point)
    models.command("rollback", help="Go back to the newest attested version, and withdraw the present one.")(rollback)
    models.command("list", help="Versions, aliases, and every move.")(list_models)
    group.add_typer(models)


def add_version(
    folder: Path = FOLDER,
    version: str = VERSION,
    file: Path | None = typer.Option(None, help="The model's file."),
    note: str = "",
    by: str = BY,
) -> None:
    """Register."""
    from assay.watch.models import Models

    made = Models.open(folder).add(version, file, note, by)
    typer.echo(f"{made.name}: {made.digest or 'no file'}")


def attest(
    folder: Path = FOLDER, version: str = VERSION, by: str = BY, note: str = typer.Option(..., help="What it was tested with.")
) -> None:
    """Vouch."""
    from assay.watch.models import Models

    Models.open(folder).attest(version, by, note)
    typer.echo(f"{version} is attested by {by}.")


def point(
    folder: Path = FOLDER, version: str = VERSION, alias: str = ALIAS, by: str = BY, reason: str = typer.Option(..., help="Why.")
) -> None:
    """Move."""
    from assay.watch.models import Models

    Models.open(folder).point(alias, version, by, reason)
    typer.echo(f"{alias} means {version}.")


def rollback(
    folder: Path = FOLDER,
    alias: str = ALIAS,
    by: str = BY,
    reason: str | None = typer.Option(None, help="Why. Default: the alert that calls for it."),
    automatic: bool = typer.Option(False, "--if-due", help="Only where an alert calls for it, nothing rests, and no limit is reached."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done."),
) -> int:
    """Go back; 1 where --if-due found that it is not due."""
    import time

    from assay.dataset.errors import DataError
    from assay.watch.models import Models, Rule
    from assay.watch.watch import Watch

    models = Models.open(folder)
    if automatic:
        with Watch.open(folder, read_only=True) as watch:
            alert, why = Rule().due(models, alias, watch.alerts, time.time())
        if alert is None:
            typer.echo(f"Not rolled back: {why}.")
            return 1
        reason = reason or f"alert {alert.id}: {alert.title}"
    if reason is None:
        raise DataError("a rollback needs a reason", remedy="give --reason, or --if-due")
    now, target = models.current(alias), models.before(alias)
    if dry_run:
        typer.echo(f"{alias} would go from {now} back to {target}: {reason}")
        return 0
    models.roll_back(alias, by, reason)
    typer.echo(f"{alias} went from {now} back to {target}. {now} is withdrawn.")
    return 0


def list_models(folder: Path = FOLDER) -> None:
    """List."""
    from assay.watch.models import Models

    models = Models.open(folder)
    for version in models.versions.values():
        state = "withdrawn" if version.withdrawn else "attested" if version.attested else "not attested"
        typer.echo(f"{version.name}  {state}  {version.digest or 'no file'}  {version.note}")
    for move in models.moves:
        when = f"{datetime.fromtimestamp(move.time, UTC):%Y-%m-%d %H:%M:%SZ}"
        typer.echo(f"{when}  {move.alias} -> {move.version}{' (back)' if move.back else ''} by {move.by}: {move.reason}")
    typer.echo(f"Head of the history: {models.head}")
