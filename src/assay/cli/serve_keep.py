"""assay serve worker, token, backup, restore, retain"""

from __future__ import annotations

from pathlib import Path

import typer

DATA = typer.Option(Path("assay-data"), "--data", help="The folder of its data base, files and keys.")
DATABASE = typer.Option("", "--database", envvar="ASSAY_DATABASE", help="postgresql://USER:PASSWORD@HOST/NAME. Default: SQLite in --data.")


def add(group: typer.Typer) -> None:
    group.command("worker", help="Run a worker by itself, on this machine or another that shares the files.")(worker)
    group.command("token", help="Make a token for a user, on the server itself: the way back in.")(token)
    group.command("backup", help="Write a backup of records, files and keys; the service may run meanwhile.")(backup)
    group.command("restore", help="Bring a backup back, into an empty folder and an empty data base.")(restore)
    group.command("retain", help="Remove scans, jobs and sessions that have been kept long enough.")(retain)


def worker(
    data: Path = DATA,
    database: str = DATABASE,
    memory: float | None = typer.Option(None, min=0.5, help="GiB of address space it may take."),
    trainer: list[str] = typer.Option([], help="A way to train again, NAME=COMMAND, as the server was told; several times."),
) -> None:
    """Run until SIGTERM."""
    from assay.cli.serve import needed, trainers_of

    needed()
    from assay.serve.logs import structured
    from assay.serve.settings import GIB, Settings
    from assay.serve.worker import main

    structured()
    bytes_ = None if memory is None else round(memory * GIB)
    main(Settings(data.absolute(), database, memory=bytes_, trainers=trainers_of(trainer)))


def token(
    user: str = typer.Argument("admin", help="Whose."),
    data: Path = DATA,
    database: str = DATABASE,
    days: int = typer.Option(1, min=1, max=366, help="How long it is good for."),
) -> None:
    """Make it, and print it."""
    from assay.cli.serve import needed

    needed()
    from assay.dataset.errors import DataError
    from assay.serve import users
    from assay.serve.database import Database
    from assay.serve.errors import ServiceError
    from assay.serve.settings import Settings

    held = Database(Settings(data, database).url)
    try:
        with held.write() as db:
            typer.echo(users.new_token_for(db, user, days))
    except ServiceError as error:
        raise DataError(str(error)) from error
    finally:
        held.close()


def backup(out: Path = typer.Argument(help="The tar file; nothing is overwritten."), data: Path = DATA, database: str = DATABASE) -> None:
    """Write it."""
    from assay.cli.serve import needed

    needed()
    from assay.serve import keeping
    from assay.serve.settings import Settings

    made = keeping.backup(Settings(data.absolute(), database), out)
    typer.echo(f"{out}: {made.records:,} records, {made.files:,} files, {made.bytes:,} bytes. It holds secret keys: keep it as such.")


def restore(source: Path = typer.Argument(help="The backup."), data: Path = DATA, database: str = DATABASE) -> None:
    """Bring it back."""
    from assay.cli.serve import needed

    needed()
    from assay.serve import keeping
    from assay.serve.settings import Settings

    made = keeping.restore(Settings(data.absolute(), database), source)
    typer.echo(f"{data}: {made.records:,} records and {made.files:,} files are back, each as it was written. Browsers must log in again.")


def retain(
    data: Path = DATA,
    database: str = DATABASE,
    days: int | None = typer.Option(None, min=1, help="For projects that do not say themselves how long they keep scans."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be removed, and remove nothing."),
) -> None:
    """Remove it."""
    from assay.cli.serve import needed

    needed()
    from assay.serve import keeping
    from assay.serve.database import Database
    from assay.serve.files import Files
    from assay.serve.settings import Settings

    settings = Settings(data.absolute(), database)
    held = Database(settings.url)
    try:
        done = keeping.retain(held, Files.of(settings), days, dry_run=dry_run)
    finally:
        held.close()
    what = "would be" if dry_run else "were"
    typer.echo(f"{done.scans:,} scans, {done.jobs:,} jobs, {done.sessions:,} sessions and {done.tokens:,} tokens {what} removed.")
