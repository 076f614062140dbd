"""assay restore"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Put back what assay clean left out.

The copy is then the original, byte for byte. A copy that was changed since is refused (exit 2).
"""


def add(app: typer.Typer) -> None:
    app.command("restore", help=HELP, short_help="Put back what assay clean left out.")(restore)


def restore(path: Path = typer.Argument(help="The copy that assay clean wrote.")) -> None:
    """Restore."""
    from assay.report import act

    typer.echo(f"{act.restore(path)}: as it was before.")
