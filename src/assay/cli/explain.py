"""assay explain"""

from __future__ import annotations

from pathlib import Path

import typer

HELP = """Explain one row of a report.

Shows what the row holds with the artefact marked, the findings it belongs to, what each screen saw, and the rows most \
like it.
"""


def add(app: typer.Typer) -> None:
    app.command("explain", help=HELP, short_help="Explain one row of a report.")(explain)


def explain(
    report: Path = typer.Argument(help="The folder that assay scan wrote."),
    row: int = typer.Argument(help="The row number, as in the report.", min=0),
    data: Path | None = typer.Option(None, help="The data, if it no longer lies where it was scanned."),
) -> None:
    """Explain."""
    from rich.console import Console

    from assay.report import act
    from assay.report.explained import render
    from assay.report.plain import Plain

    Console().print(Plain(render(act.explain(report, row, data))))
