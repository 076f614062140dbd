"""assay crowd"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.crowd.aggregate import Aggregate
    from assay.crowd.hostile import Hostile
    from assay.crowd.save import Disputed, Study
    from assay.crowd.votes import Votes

HELP = """Labels from several annotators: what is true, how sure, and how good each annotator is.

LABELS is a table in any format that is read: a record a vote (row, annotator, label, perhaps a time), or a record a \
row with a column an annotator. Writes OUT/labels.parquet, OUT/annotators.parquet and OUT/crowd.json.

Annotators who collude, guess, tell the contrary, turn, or copy are named, and their votes left out. Exit code: 0 nobody is \
accused; 1 somebody is; 2 the request or the data is wrong.
"""


class Method(StrEnum):
    dawid_skene = "dawid_skene"
    one_coin = "one_coin"
    mace = "mace"
    glad = "glad"
    weighted = "weighted"
    zbs = "zbs"
    majority = "majority"
    ordinal = "ordinal"
    median = "median"


class FailOn(StrEnum):
    accused = "accused"
    never = "never"


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
    multilabel: bool = typer.Option(
        False, "--multilabel", help="A vote gives several labels, or none: each label is a question of its own."
    ),
    boxes: bool = typer.Option(False, "--boxes", help="A record is a box (x1, y1, x2, y2, or x, y, width, height) that an annotator drew."),
    separator: str = typer.Option("|", help="With --multilabel: what stands between labels in a text."),
    predictions: Path | None = typer.Option(
        None, help="A model's out-of-fold probabilities: the row's name and a column a class. Heard as one more witness."
    ),
    gold: Path | None = typer.Option(
        None, help="Rows whose answer is known (a trusted set, or a table of row and label): annotators are tested on them."
    ),
    method: Method = typer.Option(Method.dawid_skene, help="How votes become labels."),
    keep_accused: bool = typer.Option(False, "--keep-accused", help="Let the votes of accused annotators count."),
    alpha: float = typer.Option(0.01, min=1e-9, max=0.1, help="False discovery rate over annotators, for each way of being hostile."),
    seed: int = typer.Option(0, min=0, help="The same votes, settings and seed give the same answer."),
    fail_on: FailOn = typer.Option(FailOn.accused, help="What makes the exit code 1: accused, or never."),
    out: Path | None = typer.Option(None, help="Folder of the results; nothing is overwritten. Default: NAME.crowd here."),
) -> int:
    """Aggregate, write, print."""
    from functools import partial

    import numpy as np
    from rich.console import Console

    from assay.cli.scan import listed
    from assay.crowd.boxes import read_boxes
    from assay.crowd.gold import codes, read_gold
    from assay.crowd.hostile import hostile
    from assay.crowd.multilabel import hostile_labels
    from assay.crowd.read import read_votes
    from assay.crowd.save import save
    from assay.crowd.terminal import render
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.errors import DataError
    from assay.report.plain import Plain

    out = out or Path.cwd() / f"{labels.stem}.crowd"
    refuse_existing(out)
    if boxes and (multilabel or wide or gold or predictions or method in (Method.ordinal, Method.median)):
        raise DataError("--boxes goes with none of --multilabel, --wide, --gold, --predictions and methods for an order", path=labels)
    drawn = read_boxes(labels, row=row, annotator=annotator, label=label) if boxes else None
    votes = (
        drawn.votes
        if drawn is not None
        else read_votes(
            labels,
            row=row,
            annotator=annotator,
            label=label,
            time=time,
            wide=listed(wide) or None,
            classes=listed(classes) or None,
            duplicates=duplicates.value,
            sets=separator if multilabel else None,
        )
    )
    if method in (Method.ordinal, Method.median) and not multilabel and not classes and not all(map(_number, votes.classes)):
        raise DataError(
            "the classes have no order that is known", path=labels, remedy="give them from the lowest to the highest with --classes"
        )
    if multilabel and (predictions is not None or method in (Method.ordinal, Method.median)):
        raise DataError(
            f"{'--predictions' if predictions else method.value} is not for several labels a row", path=labels, remedy="leave it out"
        )
    study = _labels if multilabel else _classes
    if multilabel and gold is not None:
        raise DataError("--gold is not for several labels a row", path=gold, remedy="leave it out")
    known = None if gold is None else codes(read_gold(gold), votes.rows, votes.classes, gold)
    found = (hostile_labels if multilabel else partial(hostile, known=known))(votes, np.random.default_rng(seed), alpha)
    aggregate, disputed = study(votes, found, method, keep_accused, predictions)
    save(aggregate, votes, found, disputed, out, drawn)
    Console().print(Plain(render(aggregate, votes, found, disputed, out)), highlight=False)
    return 1 if found.accusations and fail_on is FailOn.accused else 0


def _classes(votes: Votes, found: Hostile, method: Method, keep: bool, predictions: Path | None) -> tuple[Study, Disputed]:
    from assay.crowd.aggregate import methods, ordered_methods
    from assay.crowd.disputes import disputes

    trusted = votes if keep else votes.without(found.accused)
    aggregate = _with_model(trusted, predictions) if predictions else (methods() | ordered_methods())[method.value](trusted)
    return aggregate, disputes(aggregate, votes, found)


def _labels(votes: Votes, found: Hostile, method: Method, keep: bool, predictions: Path | None) -> tuple[Study, Disputed]:
    from assay.crowd.aggregate import methods
    from assay.crowd.multilabel import aggregate, disputed_labels

    said = aggregate(votes if keep else votes.without(found.accused), methods()[method.value])
    return said, disputed_labels(said, votes, found)


def _number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _with_model(votes: Votes, predictions: Path) -> Aggregate:
    from assay.crowd.with_model import read_predictions, with_model
    from assay.dataset.errors import DataError

    try:
        return with_model(votes, read_predictions(predictions, votes))
    except ValueError as error:
        raise DataError(str(error), path=predictions, remedy="leave --predictions out") from error
