"""assay blame"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

import typer

HELP = """Say which rows caused a decision, and test it by leaving them out.

Asked about is a row of PATH (--row), which is then not learnt from, or a record that is not in it (--record: a picture's \
file, a text, or the cells as a JSON object). --decision names the label that your model gave; without it, the label that a \
linear head gives.

Exit code: 0 answered; 2 the request or the data is wrong.
"""


class Depth(StrEnum):
    fast = "fast"
    full = "full"


def add(app: typer.Typer) -> None:
    app.command("blame", help=HELP, short_help="Say which rows caused a decision, and test it by leaving them out.")(blame)


def blame(
    path: Path = typer.Argument(help="The data that the model learnt from."),
    row: int | None = typer.Option(None, min=0, help="The row asked about, by its number."),
    record: str | None = typer.Option(None, help="A record asked about: a picture's file, a text, or cells as a JSON object."),
    decision: str | None = typer.Option(None, help="The label that was given to it."),
    depth: Depth = typer.Option(Depth.fast, help="fast, or full: pictures by a network, which needs torch."),
    most: int = typer.Option(20, min=1, help="Rows to name."),
    retrainings: int = typer.Option(5, min=0, help="Random sets that the probe is trained again without, for comparison."),
    seed: int = typer.Option(0, min=0, help="The same data and seed give the same answer."),
    model: Path | None = typer.Option(None, help="Your network's weights (.safetensors, .pt): its last hidden layer is what is asked."),
    arch: str | None = typer.Option(None, help="module:factory, which makes that network where its weights do not tell. Runs your code."),
    features: Path | None = typer.Option(None, help="Your model's features, .npy: a line a row, and last the record's."),
    content: str | None = typer.Option(None, help="Columns that a model sees, comma-separated.", rich_help_panel="Columns"),
    label: str | None = typer.Option(None, help="Label columns, comma-separated.", rich_help_panel="Columns"),
    json_out: Path | None = typer.Option(None, "--json", help="Write the answer here, too; nothing is overwritten."),
) -> int:
    """Read, blame, print."""
    from rich.console import Console

    from assay import api
    from assay.cli.progress import progress_bar
    from assay.cli.scan import listed
    from assay.dataset.atomic import refuse_existing, whole
    from assay.report.blamed import blame_json, render

    if json_out is not None:
        refuse_existing(json_out)
    with progress_bar() as progress:
        data, answer = api.blamed(
            path,
            row=row,
            record=record,
            decision=decision,
            depth=depth.value,
            most=most,
            retrainings=retrainings,
            seed=seed,
            content=listed(content),
            label=listed(label),
            features=features,
            model=model,
            arch=arch,
            progress=progress,
        )
    if json_out is not None:
        with whole(json_out) as (new,):
            new.write_text(json.dumps(blame_json(data, answer), indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    Console().print(render(data, answer))
    return 0
