"""assay review: new, start, status, grade, escalate, export, import, record"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.crowd.queue import Item

HELP = """Have people look at rows, most valuable first, without seeing each other.

new makes a review of the rows that assay crowd disputes or assay scan puts up for review; start is the reviewer's terminal; \
status says what is settled; grade tests reviewers on rows whose answer is known; \
escalate gives what reviewers disagree on to one more; export and import exchange rows and \
decisions with Label Studio, Argilla and Mechanical Turk; record logs decisions in a ledger.
"""

review = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


def add(app: typer.Typer) -> None:
    app.add_typer(review, name="review", short_help="Have people look at rows, most valuable first.")


@review.command("new", short_help="Make a review of rows.")
def new(
    data: Path = typer.Argument(help="The data that the rows are in."),
    source: list[Path] = typer.Option(..., "--from", help="A folder of assay crowd or assay scan; may be given more than once."),
    reviewers: str = typer.Option(..., help="Who looks, comma-separated."),
    out: Path = typer.Option(..., help="The folder of the review; nothing is overwritten."),
    each: int = typer.Option(2, min=1, help="Independent looks a row."),
    rows: int = typer.Option(200, min=1, help="At most this many rows, the most valuable."),
    classes: str | None = typer.Option(None, help="The labels to choose from, comma-separated. Default: the study's, or the data's."),
    id: str | None = typer.Option(None, help="Column of the data that names a row."),
    after: list[Path] | None = typer.Option(
        None, "--after", help="A finished review: its settled rows are left out, and what it found moves the order."
    ),
    gold: Path | None = typer.Option(None, help="Rows whose answer is known, mixed in: a trusted set, or a table of key and label."),
    gold_each: int = typer.Option(20, min=1, help="With --gold: known rows a reviewer. 20 show who is right on less than one in five."),
    answers: Path | None = typer.Option(None, help="Where the known answers go. Default: OUT.gold.json; keep it from the reviewers."),
    seed: int = typer.Option(0, min=0, help="Deals rows to reviewers."),
) -> None:
    """Rank, deal, write."""
    import numpy as np

    from assay.cli.scan import listed
    from assay.crowd.gold import check_answers, plant, read_gold, write_answers
    from assay.crowd.queue import from_crowd, from_scan, ranked
    from assay.crowd.review import new_review
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.data import Columns
    from assay.dataset.read import read

    items: list[Item] = []
    for folder in source:
        items += from_crowd(folder) if (folder / "labels.parquet").exists() else from_scan(folder)
    held = read(data, columns=Columns(id=id) if id else None)
    names = listed(classes) or _classes(source) or held.classes
    queue = _taught(ranked(items), after or [])
    rng, people, chosen = np.random.default_rng(seed), listed(reviewers), queue[:rows]
    known: dict[str, str] = {}
    beside = answers or out.with_name(f"{out.name}.gold.json")
    if gold is not None:
        refuse_existing(beside)
        chosen, known = plant(chosen, read_gold(gold), held, len(people), each, gold_each, rng)
        check_answers(known, names, gold)
    made = new_review(held, chosen, names, people, each, rng, out)
    if gold is not None:
        write_answers(beside, known, made)
    left = f"; {len(queue) - rows:,} of less value are left out (--rows)" if len(queue) > rows else ""
    typer.echo(f"{out}: {len(made.tasks):,} rows, {each} looks each{left}.")
    for name in made.reviewers:
        typer.echo(f"  assay review start {out} --reviewer {name}")
    if gold is not None:
        typer.echo(f"{len(known):,} of the rows have known answers, in {beside}: keep it from the reviewers, then assay review grade.")


@review.command("grade", short_help="How reviewers did on rows whose answer is known.")
def grade(
    folder: Path = typer.Argument(help="The folder of the review."),
    answers: Path | None = typer.Option(None, help="The known answers that review new wrote. Default: FOLDER.gold.json."),
    floor: float = typer.Option(0.7, min=0.05, max=0.95, help="Who is right on fewer is failed."),
    alpha: float = typer.Option(0.01, min=1e-9, max=0.1, help="Chance of failing anybody who is not, however often this is asked."),
) -> int:
    """Exit code: 0 nobody is failed; 1 somebody is."""
    from assay.crowd import gold as room
    from assay.crowd.review import open_review

    opened = open_review(folder)
    grades = room.grade(opened, room.read_answers(answers or folder.with_name(f"{folder.name}.gold.json"), opened), floor, alpha)
    for one in grades:
        typer.echo(f"  {one.reviewer}: {one.right:,} of {one.of:,} right, p {one.p_value:.2g}" + ("  FAILED" if one.failed else ""))
    failed = sum(one.failed for one in grades)
    typer.echo(f"{failed} of {len(grades)} reviewers are right on fewer than {floor:.0%} of rows whose answer is known.")
    return 1 if failed else 0


def _taught(queue: list[Item], after: list[Path]) -> list[Item]:
    from assay.crowd.gold import read_answers
    from assay.crowd.learned import learn, reranked
    from assay.crowd.review import open_review, outcomes

    for folder in after:
        done = open_review(folder)
        beside = folder.with_name(f"{folder.name}.gold.json")
        taught = learn(outcomes(done), read_answers(beside, done) if beside.exists() else ())
        queue = reranked(queue, taught)
        told = ", ".join(
            f"{source} {changed:.0f} (of {expected:.0f} expected)" for source, (changed, expected) in sorted(taught.seen.items())
        )
        typer.echo(f"{folder}: {len(taught.done):,} rows settled; labels changed: {told or 'none'}.")
    return queue


def _classes(source: list[Path]) -> tuple[str, ...]:
    import json

    for folder in source:
        path = folder / "crowd.json"
        if path.exists():
            return tuple(json.loads(path.read_text(encoding="utf-8"))["classes"])
    return ()


@review.command("start", short_help="Look at rows and decide, one after another.")
def start(
    folder: Path = typer.Argument(help="The folder of the review."),
    reviewer: str = typer.Option(..., help="Your name, as the review has it."),
    data: Path | None = typer.Option(None, help="The data, if it no longer lies where it was."),
    show_label: bool = typer.Option(False, "--show-label", help="Show the suspected label and why the row is here: it sways who looks."),
) -> None:
    """Hold the session."""
    import sys

    from rich.console import Console

    from assay.crowd.review import data_of, open_review
    from assay.crowd.session import hold

    opened = open_review(folder)
    opened.pending(reviewer)
    console = Console(highlight=False)

    def ask(prompt: str) -> str:
        console.print(prompt, end="")
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    held = hold(opened, data_of(opened, data), reviewer, ask, console.print, show_label=show_label)
    if held.cut:
        typer.echo(f"A decision that an earlier session left unfinished ({held.cut} bytes) was taken off.")
    typer.echo(f"\n{held.decided:,} decided, {held.left:,} left." + (" Start again to go on." if held.left else " Thank you."))


@review.command("status", short_help="What is settled, open and escalated, and how far reviewers agree.")
def status(folder: Path = typer.Argument(help="The folder of the review.")) -> None:
    """Say it."""
    import math

    from assay.crowd.review import agreement, open_review, outcomes

    opened = open_review(folder)
    found = outcomes(opened)
    count = {state: sum(o.state == state for o in found) for state in ("settled", "open", "escalated")}
    typer.echo(f"{count['settled']:,} settled, {count['open']:,} open, {count['escalated']:,} escalated of {len(found):,} rows.")
    changed = sum(o.state == "settled" and o.task.suspected is not None and o.label != o.task.suspected for o in found)
    typer.echo(f"{changed:,} settled rows have another label than before.")
    alpha = agreement(opened)
    if not math.isnan(alpha):
        typer.echo(f"Krippendorff's alpha {alpha:.2f}: 1 is full agreement, 0 what chance gives; under 0.67 settle the guideline first.")
    for name in opened.reviewers:
        typer.echo(f"  {name}: {len(opened.pending(name)):,} rows to look at")


@review.command("escalate", short_help="Give what reviewers disagree on to one more.")
def escalate(
    folder: Path = typer.Argument(help="The folder of the review."),
    reviewer: str = typer.Option(..., help="Who looks next."),
) -> None:
    """Assign, and say how many."""
    from assay.crowd import review as room

    changed = room.escalate(room.open_review(folder), reviewer)
    typer.echo(f"{len(changed.pending(reviewer)):,} rows for {reviewer}: assay review start {folder} --reviewer {reviewer}")


@review.command("export", short_help="Write the rows for another tool.")
def export(
    folder: Path = typer.Argument(help="The folder of the review."),
    format: str = typer.Option(..., help="label-studio, argilla, mturk or jsonl."),
    out: Path = typer.Option(..., help="The file; nothing is overwritten."),
    data: Path | None = typer.Option(None, help="The data, if it no longer lies where it was."),
) -> None:
    """Write the file, and for Label Studio its interface beside it."""
    from assay.crowd import exchange
    from assay.crowd.review import data_of, open_review
    from assay.dataset.atomic import whole

    opened = open_review(folder)
    text = exchange.export(opened, data_of(opened, data), format)
    with whole(out) as (new,):
        new.write_text(text, encoding="utf-8", newline="")
    typer.echo(f"{out}: {len(opened.tasks):,} rows, without their labels.")
    if format == "label-studio":
        typer.echo(f"Its labelling interface:\n{exchange.label_studio_config(opened)}", nl=False)
    if format == "mturk":
        typer.echo(f"Its design layout:\n{exchange.mturk_layout(opened)}", nl=False)


@review.command("import", short_help="Add decisions that were made in another tool.")
def bring_in(
    folder: Path = typer.Argument(help="The folder of the review."),
    file: Path = typer.Argument(help="What the tool exported."),
    format: str = typer.Option(..., help="label-studio, argilla, mturk or jsonl."),
    who: str | None = typer.Option(None, help="Reviewers behind the tool's names: 10=ann,11=bob."),
    anyone: bool = typer.Option(False, "--anyone", help="People whom the review does not know take the places of who has not looked."),
) -> None:
    """Add them, and say how many."""
    from assay.cli.scan import listed
    from assay.crowd import exchange
    from assay.crowd.review import open_review
    from assay.dataset.errors import DataError

    pairs = [pair.partition("=") for pair in listed(who)]
    wrong = [name for name, sign, _ in pairs if not sign]
    if wrong:
        raise DataError(f"--who {wrong[0]!r} names nobody", remedy="write NAME=REVIEWER, comma-separated")
    added = exchange.bring_in(open_review(folder), file, format, {name: reviewer for name, _, reviewer in pairs}, anyone=anyone)
    typer.echo(", ".join(f"{name}: {count:,} decisions" for name, count in added.items()) or "No decisions in it.")


@review.command("record", short_help="Log the decisions, and the labels they change, in a ledger.")
def record(
    folder: Path = typer.Argument(help="The folder of the review."),
    ledger: Path = typer.Option(..., help="The ledger that holds the rows."),
    key: Path | None = typer.Option(None, "--key", help="The ledger's secret key. Default: LEDGER.key beside the folder."),
    data: Path | None = typer.Option(None, help="The data, if it no longer lies where it was."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be logged, and log nothing."),
) -> None:
    """Log, and say how much."""
    from assay.cli.ledger_common import writer
    from assay.flows.decided import record_review

    done = record_review(writer(ledger, key), folder, data, dry_run=dry_run)
    would = "would be logged" if dry_run else "logged"
    start = f", from event {done.first}" if done.first is not None else ""
    typer.echo(f"{done.decisions:,} decisions and {done.labels:,} new labels {would}{start}; {done.known:,} decisions were logged before.")
    if done.unknown:
        typer.echo(f"{done.unknown:,} of the reviewed rows are not in the ledger.")
    if done.doubles:
        typer.echo(f"{done.doubles:,} of the reviewed rows are the same as one before, to the bit, and were passed over.")
