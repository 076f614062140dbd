"""assay unlearn"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.train.forget import Forgotten

HELP = """Take rows out of a model exactly, as if it had never seen them.

MODEL is what assay train wrote with [defence] kind = "partitioned"; DATA is its data set without the rows, as assay clean or \
assay ledger purge leaves it. Only the members that the rows fed are trained again; the result is bit for bit what training without \
the rows gives.
"""


def add(app: typer.Typer) -> None:
    app.command("unlearn", help=HELP, short_help="Take rows out of a trained model, exactly.")(unlearn)


def unlearn(
    model: Path = typer.Argument(help="The folder that assay train wrote."),
    data: Path = typer.Argument(help="The data set without the rows."),
    out: Path = typer.Option(..., help="The folder to write; nothing is overwritten."),
) -> None:
    """Forget, write, and say what was trained again."""
    from assay.dataset.atomic import refuse_existing
    from assay.train.forget import forget, write

    refuse_existing(out)
    done = forget(model, data)
    write(done, out)
    typer.echo(f"{out}: {said(done)}")


def said(done: Forgotten) -> str:
    """What was done, in a line."""
    told = done.record["forgotten"]
    after = f"; accuracy {told['accuracy']['share']:.3f} on {told['accuracy']['rows']:,} held-out rows" if "accuracy" in told else ""
    return f"{done.gone:,} rows forgotten, {len(done.retrained)} of {done.members} members trained again{after}"
