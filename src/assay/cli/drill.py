"""assay drill: new, answer, score"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.govern.drill import Drill

HELP = """Hide poison in a copy for people to find, and score what they find.

new draws a kind of attack, a number of rows and a target, or nothing at all, and seals the truth; people look with whatever means they \
have and answer; score opens the truth.
"""


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="drill", help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    group.command("new", help="Hide poison in a copy of a data set, and seal the truth.")(new)
    group.command("answer", help="Say which rows are poisoned, or that none is.")(answer)
    group.command("score", help="Open the truth, and score every answer.")(score)
    app.add_typer(group, short_help="Hide poison for people to find, and score them.")


def new(
    path: Path = typer.Argument(help="The data set; a copy of it is used."),
    out: Path = typer.Option(..., help="The folder that people are given; nothing is overwritten."),
    truth: Path | None = typer.Option(None, help="Where the truth is kept. Default: OUT.truth.parquet. Not for those who look."),
    kind: str | None = typer.Option(None, help="Kinds of attack to draw from, comma-separated. Default: those that fit the data."),
    clean_chance: float = typer.Option(0.2, min=0.0, max=1.0, help="The chance that nothing is hidden."),
    content: str | None = typer.Option(None, help="Content columns, comma-separated."),
    label: str | None = typer.Option(None, help="Label columns, comma-separated."),
    seed: int | None = typer.Option(None, help="Default: nobody knows. The same seed hides the same poison."),
) -> None:
    """Hide, seal, and say what to give to whom."""
    import numpy as np

    from assay.attack.truth import truth_path
    from assay.cli.scan import listed
    from assay.dataset.data import Columns
    from assay.govern.drill import make

    kept = truth or truth_path(out)
    rng = np.random.default_rng(seed)
    columns = Columns(listed(content), listed(label))
    drill = make(path, out, kept, rng, columns=columns, kinds=listed(kind), clean_chance=clean_chance)
    typer.echo(f"{out}: {drill.rows:,} rows, in which poison may be hidden. Give people this folder, and not the original.")
    typer.echo(f"{kept}: the truth, sealed as {drill.commitment[:16]}…. Keep it where they cannot read it.")
    typer.echo(f"They answer: assay drill answer {out} --by NAME --rows 12,407 --target LABEL")


def answer(
    folder: Path = typer.Argument(help="The folder of the drill."),
    by: str = typer.Option(..., help="Who answers."),
    rows: str | None = typer.Option(None, help="Row numbers, comma-separated; or a file with a column row."),
    report: Path | None = typer.Option(
        None, help="What a report of assay scan found: the rows it quarantines, else those it suspects; clean is --clean."
    ),
    target: str | None = typer.Option(None, help="The label that the poison draws rows to."),
    clean: bool = typer.Option(False, "--clean", help="There is no poison."),
    note: str = typer.Option("", help="What you think was done."),
) -> None:
    """Keep it."""
    from assay.dataset.errors import DataError
    from assay.govern import drill as room

    if rows is not None and report is not None:
        raise DataError("both --rows and --report name rows", remedy="give one of them")
    opened = room.open_drill(folder)
    if report is not None:
        found, nothing = _found(opened, report)
        clean = clean or nothing
    else:
        found = _rows(rows)
    path = room.answer(opened, by, found, clean=clean, target=target, note=note)
    typer.echo(f"{path}: " + ("no poison." if clean else f"{len(set(found)):,} rows."))


def _found(drill: Drill, report: Path) -> tuple[list[int], bool]:
    """(rows, whether there is no poison) as a report has it: what it quarantines, or else the rows of what it suspects."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from assay.dataset.errors import DataError
    from assay.report.report import Report

    opened = Report.open(report)
    if opened.fingerprint != drill.fingerprint:
        raise DataError("is of other data than this drill's", path=report, remedy=f"assay scan {drill.data}")
    if opened.verdict == "clean":
        return [], True
    suspected = pa.array([f.id for f in opened.findings if f.status != "shortcut"], pa.string())
    rows = opened.quarantined if len(opened.quarantined) else np.flatnonzero(pc.is_in(opened.rows["finding"], suspected))
    if not len(rows):
        raise DataError(f"is {opened.verdict} and names no row", path=report, remedy="scan again, or answer with --rows or --clean")
    return [int(row) for row in rows], False


def _rows(rows: str | None) -> list[int]:
    from assay.dataset.errors import DataError

    if rows is None:
        return []
    path = Path(rows)
    if path.is_file():
        from assay.dataset.data import Columns
        from assay.dataset.read import read

        table = read(path, columns=Columns(content=("row",)), task="none").table
        texts = [str(v) for v in table.column("row").to_pylist()]
    else:
        texts = rows.split(",")
    try:
        return [int(text) for text in texts if text.strip()]
    except ValueError as error:
        raise DataError(f"--rows: {error}", remedy="give row numbers, comma-separated, or a file with a column row") from error


def score(
    folder: Path = typer.Argument(help="The folder of the drill."),
    truth: Path | None = typer.Option(None, help="The truth. Default: DRILL.truth.parquet."),
) -> None:
    """Open, score, print."""
    from assay.attack.truth import truth_path
    from assay.govern import drill as room

    told, scores = room.score(room.open_drill(folder), truth or truth_path(folder))
    count = int(told.poisoned.sum())
    if count:
        drawn = f", drawn to {told.asked['target']!r}" if told.asked.get("target") else ""
        typer.echo(f"Hidden was: {told.asked['kind']}, {count:,} of {len(told.row):,} rows{drawn}.")
    else:
        typer.echo("Nothing was hidden.")
    for s in scores:
        rows = f"{s.named:,} rows named" + (
            f", {s.precision:.0%} of them poison, {s.recall:.0%} of the poison" if s.named and count else ""
        )
        goal = "" if s.target is None or not s.named else "; target right" if s.target else "; target wrong"
        said = "right" if s.right else "wrong"
        typer.echo(f"{s.points:>4}  {s.by}: {said} about whether there is poison; {rows}{goal}; after {s.minutes:.0f} minutes")
    if not scores:
        typer.echo("Nobody has answered.")
