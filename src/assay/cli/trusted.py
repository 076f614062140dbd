"""assay trusted: draw, freeze, grow, check"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.crowd.trusted import Frozen

HELP = """A set of rows that several people have verified, kept apart from training.

draw takes rows at random from every class and makes a review of them; the people look (assay review start); freeze keeps the rows on \
which all agree, under a seal and with a day on which it expires; \
grow adds what a finished review agrees on; check says whether it is still as it was, and whether any of it is \
in the data trained on.
"""

trusted = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


def add(app: typer.Typer) -> None:
    app.add_typer(trusted, name="trusted", short_help="A set of rows that several people have verified.")


@trusted.command("draw", short_help="Draw rows and make a review of them.")
def draw(
    data: Path = typer.Argument(help="The data to draw from."),
    reviewers: str = typer.Option(..., help="Who verifies, comma-separated."),
    out: Path = typer.Option(..., help="The folder of the review; nothing is overwritten."),
    rows: int = typer.Option(200, min=1, help="How many rows."),
    each: int = typer.Option(2, min=2, help="People who verify each row."),
    label: str | None = typer.Option(None, help="Label column."),
    id: str | None = typer.Option(None, help="Column that names a row."),
    seed: int = typer.Option(0, min=0, help="The same seed draws the same rows."),
) -> None:
    """Draw, deal, write."""
    import numpy as np

    from assay.cli.scan import listed
    from assay.crowd import trusted as room
    from assay.crowd.review import new_review
    from assay.dataset.data import Columns
    from assay.dataset.read import read

    held = read(data, columns=Columns(label=listed(label), id=id))
    rng = np.random.default_rng(seed)
    items = room.draw(held, rows, rng)
    made = new_review(held, items, held.classes, listed(reviewers), each, rng, out, purpose="trusted")
    typer.echo(f"{out}: {len(made.tasks):,} rows of {len(held.classes)} classes, {each} people each.")
    for name in made.reviewers:
        typer.echo(f"  assay review start {out} --reviewer {name}")
    typer.echo(f"Then: assay trusted freeze {out} --out NAME.trusted")


@trusted.command("freeze", short_help="Keep the rows on which all agree.")
def freeze(
    folder: Path = typer.Argument(help="The folder of the review."),
    out: Path = typer.Option(..., help="The folder of the trusted set; nothing is overwritten."),
    days: int = typer.Option(180, min=1, help="Days until it expires: data and classes drift, and what is old is known to attackers."),
    data: Path | None = typer.Option(None, help="The data, if it no longer lies where it was."),
) -> None:
    """Freeze, and print the seal."""
    from assay.crowd import trusted as room
    from assay.crowd.review import data_of, open_review

    review = open_review(folder)
    done = room.freeze(review, data_of(review, data), out, days=days)
    typer.echo(f"{out}: {done.rows:,} rows on which all agree; {done.left_out:,} left out. Expires {done.expires[:10]}.")
    _say(done)


@trusted.command("grow", short_help="Add the rows of a finished review to a trusted set, as a new one.")
def grow(
    folder: Path = typer.Argument(help="The trusted set."),
    review: Path = typer.Argument(help="A finished review of the same data."),
    out: Path = typer.Option(..., help="The folder of the new trusted set; nothing is overwritten."),
    days: int = typer.Option(180, min=1, help="Days until the new rows expire; the set expires with its older half."),
    data: Path | None = typer.Option(None, help="The data, if it no longer lies where it was."),
) -> None:
    """Add, freeze, and print the seal."""
    from assay.crowd import trusted as room
    from assay.crowd.review import data_of, open_review

    opened = open_review(review)
    done = room.grow(folder, opened, data_of(opened, data), out, days=days)
    typer.echo(f"{out}: {done.rows:,} rows on which all agree; {done.left_out:,} of the review left out. Expires {done.expires[:10]}.")
    _say(done)


def _say(done: Frozen) -> None:
    if done.drawn:
        typer.echo(
            f"{done.wrong:,} of {done.drawn:,} drawn rows were labelled otherwise: {done.low:.1%} to {done.high:.1%} of such labels are "
            "wrong (95 %)."
        )
    typer.echo(f"Seal, to be kept elsewhere: {done.seal}")


@trusted.command("check", short_help="Is it as it was, not expired, and not in the training data?")
def check(
    folder: Path = typer.Argument(help="The folder of the trusted set."),
    against: Path | None = typer.Option(None, help="The data trained on."),
    seal: str | None = typer.Option(None, help="The seal that freeze printed."),
) -> int:
    """Exit code: 0 usable; 1 expired, or in the training data; 2 not as it was frozen."""
    from assay.crowd import trusted as room

    found = room.examine(folder, against, seal=seal)
    typer.echo(f"{found.rows:,} rows, as they were frozen. " + ("Expired" if found.expired else "Expires") + f" {found.expires[:10]}.")
    if against is None:
        typer.echo("Whether it is in the training data was not checked: name that with --against.")
    else:
        typer.echo(f"{len(found.leaks):,} rows of {against} are in it.")
        for row, key, how in found.leaks[:10]:
            typer.echo(f"  row {row} is {how} as {key}")
    return 1 if found.expired or found.leaks else 0
