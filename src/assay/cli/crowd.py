"""assay crowd"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

HELP = """Labels from several annotators: what is true, how sure, and how good each annotator is.

LABELS is a table in any format that is read: a record a vote (row, annotator, label, perhaps a time), or a record a \
row with a column an annotator. Writes OUT/labels.parquet, OUT/annotators.parquet and OUT/crowd.json.
"""


class Method(StrEnum):
    dawid_skene = "dawid_skene"
    one_coin = "one_coin"
    mace = "mace"
    glad = "glad"
    weighted = "weighted"
    zbs = "zbs"
    majority = "majority"


class Duplicates(StrEnum):
    refuse = "refuse"
    first = "first"
    last = "last"
    all = "all"


def add(app: typer.Typer) -> None:
    app.command("crowd", help=HELP, short_help="Labels from several annotators, and who cannot be trusted.")(crowd)


def crowd(
    labels: Path = typer.Argument(help="The votes: a file, or a folder."),
    row: str | None = typer.Option(None, help="Column that names the row voted on.", rich_help_panel="Columns"),
    annotator: str | None = typer.Option(None, help="Column that says who voted.", rich_help_panel="Columns"),
    label: str | None = typer.Option(None, help="Column of the label given.", rich_help_panel="Columns"),
    time: str | None = typer.Option(None, help="Column that says when.", rich_help_panel="Columns"),
    wide: str | None = typer.Option(None, help="Columns of annotators, comma-separated, of a wide table.", rich_help_panel="Columns"),
    classes: str | None = typer.Option(None, help="The labels there are, comma-separated; others are refused."),
    duplicates: Duplicates = typer.Option(Duplicates.refuse, help="An annotator's second vote on the same row."),
    method: Method = typer.Option(Method.dawid_skene, help="How votes become labels."),
    out: Path | None = typer.Option(None, help="Folder of the results; nothing is overwritten. Default: NAME.crowd here."),
) -> int:
    """Aggregate, write, print."""
    from rich.console import Console

    from assay.cli.scan import listed
    from assay.crowd.aggregate import methods
    from assay.crowd.read import read_votes
    from assay.crowd.save import save
    from assay.crowd.terminal import render
    from assay.dataset.atomic import refuse_existing

    out = out or Path.cwd() / f"{labels.stem}.crowd"
    refuse_existing(out)
    votes = read_votes(
        labels,
        row=row,
        annotator=annotator,
        label=label,
        time=time,
        wide=listed(wide) or None,
        classes=listed(classes) or None,
        duplicates=duplicates.value,
    )
    found = methods()[method.value](votes)
    save(found, out)
    Console().print(render(found, out), highlight=False)
    return 0
