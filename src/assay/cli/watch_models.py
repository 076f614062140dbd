"""assay watch models: which version serves, and the way back."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.watch.alerts import Alert
    from assay.watch.models import Models
    from assay.watch.rollback import Rule

FOLDER = typer.Argument(help="The folder of the watch.")
VERSION = typer.Argument(help="The name of the version.")
BY = typer.Option(..., help="Who.")
ALIAS = typer.Option("production", help="The alias that what serves asks for.")
KEY = typer.Option(None, "--key", help="A secret key (assay ledger key): what is written is signed with it.")
TELL = typer.Option([], "--tell", help="What serves, and is told: mlflow:http://HOST:PORT/MODEL, or command:PROGRAM; several times.")
FIRINGS = typer.Option(2, min=1, help="How often a cause must have fired since the last move.")
REST = typer.Option(3600.0, min=0, help="Seconds after any move in which nothing is moved again.")
LIMIT = typer.Option(2, min=1, help="Rollbacks a day.")


def add(group: typer.Typer) -> None:
    models = typer.Typer(name="models", help="Versions of the model, and which of them serves.", no_args_is_help=True)
    models.command("add", help="Register a version, with the digest of its file.")(add_version)
    models.command("attest", help="Vouch for a version: it may be gone back to.")(attest)
    models.command("point", help="Let an alias mean a version.")(point)
    models.command("rollback", help="Go back to the newest attested version, and withdraw the present one.")(rollback)
    models.command("tell", help="Bring what serves in line with the history. Exit 3 if that did not succeed.")(tell_places)
    models.command("sync", help="Write into the history what an MLflow registry holds: its versions, and moves made there.")(sync)
    models.command("list", help="Versions, aliases, and every move.")(list_models)
    group.add_typer(models)


def opened(folder: Path, key: Path | None = None) -> Models:
    """The registry, with the key that signs what is added."""
    from assay.watch.models import Models

    if key is None:
        return Models.open(folder)
    from assay.ledger.keys import read_key

    return Models.open(folder, read_key(key))


def told(models: Models, alias: str, places: Sequence[str], by: str) -> int:
    """Tell them, and say so; 3 where one was not reached."""
    from assay.watch.rollback import tell
    from assay.watch.serving import serving

    found = tell(models, alias, {place: serving(place) for place in places}, by)
    for one in found:
        if one.problem:
            print(f"assay: {one.place} was not told: {one.problem}. Try again: assay watch models tell", file=sys.stderr)
        elif one.moved:
            typer.echo(f"{one.place}: {alias} means {models.current(alias)} now.")
    return 3 if any(one.problem for one in found) else 0


def after_alerts(folder: Path, alias: str, alerts: list[Alert], rule: Rule, places: list[str], key: Path | None) -> None:
    """What `assay watch ingest --roll-back` does after a batch; what it cannot do is said, and never stops the watching."""
    import time

    from assay.dataset.errors import DataError
    from assay.watch.rollback import automatic

    try:
        models = opened(folder, key)
        if models.current(alias) is None:
            raise DataError(f"{alias!r} means no version", remedy="assay watch models point")
        now = models.current(alias)
        move, why = automatic(models, alias, alerts, rule, time.time(), "assay watch")
        if move is not None:
            typer.echo(f"ROLLED BACK: {alias} from {now} to {move.version}. {now} is withdrawn. Because of {why}")
        told(models, alias, places, "assay watch")
    except DataError as error:
        print(f"assay: no rollback: {error}", file=sys.stderr)


def add_version(
    folder: Path = FOLDER,
    version: str = VERSION,
    file: Path | None = typer.Option(None, help="The model's file."),
    note: str = "",
    by: str = BY,
    key: Path | None = KEY,
) -> None:
    """Register."""
    made = opened(folder, key).add(version, file, note, by)
    typer.echo(f"{made.name}: {made.digest or 'no file'}")


def attest(
    folder: Path = FOLDER,
    version: str = VERSION,
    by: str = BY,
    note: str = typer.Option("", help="What it was tested with."),
    report: Path | None = typer.Option(None, help="The report of assay scan on what it learnt from: it must be clean."),
    key: Path | None = KEY,
) -> None:
    """Vouch."""
    from assay.dataset.errors import DataError

    if not note and report is None:
        raise DataError("nothing says why this version may be trusted", remedy="give --report DIR, or --note")
    path = report / "report.json" if report is not None and report.is_dir() else report
    opened(folder, key).attest(version, by, note, path)
    typer.echo(f"{version} is attested by {by}" + (", and by a clean report." if report else "."))


def point(
    folder: Path = FOLDER,
    version: str = VERSION,
    alias: str = ALIAS,
    by: str = BY,
    reason: str = typer.Option(..., help="Why."),
    tell: list[str] = TELL,
    key: Path | None = KEY,
) -> int:
    """Move."""
    models = opened(folder, key)
    models.point(alias, version, by, reason, counts=_counts(folder))
    typer.echo(f"{alias} means {version}.")
    return told(models, alias, tell, by)


def rollback(
    folder: Path = FOLDER,
    alias: str = ALIAS,
    by: str = BY,
    reason: str | None = typer.Option(None, help="Why. Default: the alert that calls for it."),
    automatic: bool = typer.Option(False, "--if-due", help="Only where an alert calls for it, nothing rests, and no limit is reached."),
    firings: int = FIRINGS,
    rest: float = REST,
    limit: int = LIMIT,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done."),
    tell: list[str] = TELL,
    key: Path | None = KEY,
) -> int:
    """Go back; 1 where --if-due found that it is not due, 3 where what serves was not reached."""
    import time

    from assay.dataset.errors import DataError
    from assay.watch.rollback import Rule
    from assay.watch.watch import Watch

    models = opened(folder, key)
    if automatic:
        with Watch.open(folder, read_only=True) as watch:
            alert, why = Rule(firings=firings, rest=rest, limit=limit).due(models, alias, watch.alerts, time.time())
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
    models.roll_back(alias, by, reason, counts=_counts(folder))
    typer.echo(f"{alias} went from {now} back to {target}. {now} is withdrawn.")
    return told(models, alias, tell, by)


def tell_places(folder: Path = FOLDER, alias: str = ALIAS, by: str = BY, tell: list[str] = TELL, key: Path | None = KEY) -> int:
    """Tell."""
    return told(opened(folder, key), alias, tell, by)


def sync(
    folder: Path = FOLDER,
    registry: str = typer.Argument(help="mlflow:http://HOST:PORT/MODEL"),
    by: str = BY,
    key: Path | None = KEY,
) -> None:
    """Take over."""
    from assay.dataset.errors import DataError
    from assay.watch.serving import MLflow, serving, take_over

    held = serving(registry)
    if not isinstance(held, MLflow):
        raise DataError("only an MLflow registry holds versions", remedy="give mlflow:http://HOST:PORT/MODEL")
    for line in take_over(opened(folder, key), held, by) or ["Nothing is new."]:
        typer.echo(line)


def list_models(folder: Path = FOLDER) -> None:
    """List."""
    models = opened(folder)
    for version in models.versions.values():
        state = "withdrawn" if version.withdrawn else "attested" if version.attested else "not attested"
        report = f" by the clean report {version.report[:16]}" if version.report else ""
        typer.echo(f"{version.name}  {state}{report}  {version.digest or 'no file'}  {version.note}")
    for move in models.moves:
        when = f"{datetime.fromtimestamp(move.time, UTC):%Y-%m-%d %H:%M:%SZ}"
        typer.echo(f"{when}  {move.alias} -> {move.version}{' (back)' if move.back else ''} by {move.by}: {move.reason}")
    typer.echo(f"Head of the history: {models.head}")


def _counts(folder: Path) -> dict[str, int]:
    """How often each open cause has fired; a registry may stand in a folder without a watch."""
    from assay.watch.rollback import counts_of
    from assay.watch.watch import FILE, Watch

    if not (folder / FILE).exists():
        return {}
    with Watch.open(folder, read_only=True) as watch:
        return counts_of(watch.alerts)
