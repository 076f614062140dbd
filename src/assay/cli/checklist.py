"""assay checklist"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.govern.checklist import Checklist

HELP = """What can be shown of a data set and its models, against the eight points of trustworthy training.

PATH is a data set, or the folder of a project: the ledger, reports, reviews, models, watch and incident plan in it are found by what they \
hold, or named in assay.toml. What can be run is run: the log is verified, fingerprints are compared, models examined, the way back tried. \
What is missing is said with the command that would make it.

Exit code: 0 all eight are shown; 1 something is missing, only said, or broken; 2 the request is wrong.
"""

MARKS = {"shown": ("✓", "green"), "said": ("~", "yellow"), "missing": ("✗", "red"), "broken": ("!", "bold red")}
PLACE = "Where things lie"


def add(app: typer.Typer) -> None:
    app.command("checklist", help=HELP, short_help="Eight points: what can be shown, what is missing.")(checklist)


def checklist(
    path: Path | None = typer.Argument(None, help="The data set, or the folder of the project. Default: here."),
    report: Path | None = typer.Option(None, help="The folder that assay scan wrote.", rich_help_panel=PLACE),
    ledger: Path | None = typer.Option(None, help="The ledger.", rich_help_panel=PLACE),
    model: Path | None = typer.Option(None, help="The model's file.", rich_help_panel=PLACE),
    watch: Path | None = typer.Option(None, help="The watch.", rich_help_panel=PLACE),
    trust: str | None = typer.Option(None, help="The ledger's public key, got from elsewhere."),
    accept_statements: bool = typer.Option(False, "--accept-statements", help="A point that a person only states is enough."),
    out: Path | None = typer.Option(None, help="Write the checklist as JSON here: an audit on file."),
    plan: Path | None = typer.Option(None, help="Write a template of an incident plan here, and do nothing else."),
) -> int:
    """Look, print, and return the exit code."""
    from assay.dataset.atomic import whole
    from assay.govern.checklist import checklist as make
    from assay.govern.incident import template

    if plan is not None:
        with whole(plan) as (file,):
            file.write_text(template(), encoding="utf-8")
        typer.echo(f"{plan}: fill in what stands in <...>.")
        return 0
    given = {n: p for n, p in (("report", report), ("ledger", ledger), ("models", model), ("watch", watch)) if p is not None}
    found = make(path or Path(), given=given, trust=trust)
    if out is not None:
        with whole(out) as (file,):
            file.write_text(json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _show(found)
    return 0 if found.passes(statements=accept_statements) else 1


def _show(found: Checklist) -> None:
    from rich.console import Console
    from rich.text import Text

    from assay.dataset.printable import printable

    console = Console(highlight=False)
    for point in found.points:
        mark, style = MARKS[point.state]
        console.print(Text.assemble((f"{mark} {point.number} {point.title}", style), (f"  {point.state}", "dim")))
        for sentences, sign in ((point.broken, "!"), (point.held, "+"), (point.said, "~"), (point.lacks, "-")):
            for sentence in sentences:
                console.print(Text(f"    {sign} {printable(sentence)}"))
        if point.state != "shown":
            for command in point.next:
                console.print(Text(f"      {printable(command)}", "cyan"), soft_wrap=True)
    counts = {state: sum(p.state == state for p in found.points) for state in MARKS}
    console.print(Text("\n" + ", ".join(f"{n} {state}" for state, n in counts.items() if n) + "."))
