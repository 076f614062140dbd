"""assay serve"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.cli import serve_keep
from assay.cli.serve_keep import DATA, DATABASE

if TYPE_CHECKING:
    from assay.serve.settings import Settings

HELP = """Run Assay as a service for a team: an HTTP API and its pages.

Without a command it starts, on 127.0.0.1 and with an embedded data base in --data; the first time it prints a token to log in with, \
once. See docs/serve.md and docs/operations.md.
"""


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="serve", help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
    serve_keep.add(group)
    group.callback(invoke_without_command=True)(serve)
    app.add_typer(group, short_help="Run Assay as a service for a team.")


def serve(
    context: typer.Context,
    data: Path = DATA,
    database: str = DATABASE,
    host: str = typer.Option("127.0.0.1", help="Where it listens. Beyond this machine only behind a proxy with TLS."),
    port: int = typer.Option(8337, min=0, max=65_535, help="On which port."),
    allow_host: list[str] = typer.Option([], help="A further name it is reached by, such as assay.example.com; several times."),
    secure: bool = typer.Option(False, "--secure", help="It is reached over TLS: cookies are sent over nothing else."),
    proxy: list[str] = typer.Option([], help="Address of a proxy whose X-Forwarded-For is believed; several times."),
    allow_webhook: list[str] = typer.Option([], help="A private network (10.1.0.0/16) or host that webhooks may reach; several times."),
    workers: int = typer.Option(1, min=0, help="Worker processes; each holds one data set in memory at a time."),
    memory: float | None = typer.Option(None, min=0.5, help="GiB of address space a worker may take."),
    trainer: list[str] = typer.Option([], help="A way to train again, NAME=COMMAND with {data} and {out} in it; several times."),
    upload_limit: float = typer.Option(4.0, min=0.001, help="GiB that one upload may have."),
) -> None:
    """Start it, unless a command was named."""
    if context.invoked_subcommand is not None:
        return
    from assay.serve.settings import GIB, Bounds, Settings

    settings = Settings(
        data=data,
        database=database,
        host=host,
        port=port,
        hosts=tuple(allow_host),
        secure=secure,
        proxies=tuple(proxy),
        webhooks=tuple(allow_webhook),
        workers=workers,
        memory=None if memory is None else round(memory * GIB),
        bounds=Bounds(upload=round(upload_limit * GIB)),
        trainers=trainers_of(trainer),
    )
    start(settings)


def trainers_of(told: list[str]) -> dict[str, str]:
    """Commands by name. DataError for one without a name.

    >>> trainers_of(["nightly=python train.py {data} {out}"])
    {'nightly': 'python train.py {data} {out}'}
    """
    from assay.dataset.errors import DataError

    made = {}
    for text in told:
        name, sign, command = text.partition("=")
        if not (name.strip() and sign and command.strip()):
            raise DataError(f"{text!r} is no way to train", remedy='--trainer "NAME=python train.py {data} {out}"')
        made[name.strip()] = command.strip()
    return made


def start(settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C."""
    needed()
    import uvicorn

    from assay.serve.app import create_app
    from assay.serve.logs import structured

    structured()
    app = create_app(settings)
    token = app.state.service.first_token
    where = f"http://{'[' + settings.host + ']' if ':' in settings.host else settings.host}:{settings.port}"
    typer.echo(f"Assay at {where}, its data in {settings.data}", err=True)
    if token is not None:
        typer.echo(f"\nThe first admin's token, shown this once and good for 7 days:\n\n    {token}\n", err=True)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
    )


def needed() -> None:
    """Raises DataError where what the service stands on is not installed."""
    from assay.dataset.errors import DataError

    try:
        import alembic  # noqa: F401
        import cryptography  # noqa: F401
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise DataError(f"the service needs the package {error.name}", remedy="pip install 'assay[serve]'") from error
