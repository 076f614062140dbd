"""assay watch gate: what users bring is held, tried and reviewed before a model learns it."""

from __future__ import annotations

import json
from pathlib import Path

import typer

FOLDER = typer.Argument(help="The folder of the gate.")


def add(group: typer.Typer) -> None:
    gate = typer.Typer(name="gate", help="What users bring, held and reviewed before a model learns it.", no_args_is_help=True)
    gate.command("init", help="Make a gate from trusted rows with labels.")(init)
    gate.command("submit", help="Take rows in, and review the rounds that are due. Exit 1 if anything but a full share was refused.")(
        submit
    )
    gate.command("status", help="What waits, who is suspended, what was decided.")(status)
    gate.command("pardon", help="Let a suspended contributor bring rows again.")(pardon)
    group.add_typer(gate)


def init(
    folder: Path = FOLDER,
    trusted: Path = typer.Argument(help="Trusted rows with labels, 400 or more: .parquet, .csv or .jsonl."),
    label: str = typer.Option("label", help="The column of labels."),
    contributor: str = typer.Option("contributor", help="The column that says who brought a row."),
    text: str | None = typer.Option(None, help="The column of text that is judged."),
    feature: str | None = typer.Option(None, help="Columns of numbers that are judged, comma-separated."),
    size: int = typer.Option(500, "--round", min=50, help="Rows reviewed together."),
    delay: int = typer.Option(500, min=0, help="Rows that must have come after a round before it is reviewed."),
    cap: float = typer.Option(0.05, min=0.001, max=1, help="Share of a round that one contributor may fill."),
    unlabelled: bool = typer.Option(False, "--unlabelled", help="What users bring has no labels: it is judged by what the reference says."),
    barred: str | None = typer.Option(None, help="Kinds that are held while there is more of them than usual, comma-separated."),
    seed: int = typer.Option(0, min=0, help="Divides the trusted rows into those that teach and the anchor set."),
) -> None:
    """Make."""
    from assay.cli.scan import listed
    from assay.watch.gate import Settings
    from assay.watch.gate_folder import GateFolder
    from assay.watch.table_files import events_table

    settings = Settings(round=size, delay=delay, cap=cap, barred=frozenset(listed(barred)))
    with GateFolder.create(
        folder,
        events_table(trusted),
        label=label,
        contributor=contributor,
        text=text,
        features=listed(feature),
        settings=settings,
        labelled=not unlabelled,
        seed=seed,
    ) as made:
        scores = made.gate.scores()
    typer.echo(f"{folder}: on its frozen anchor set the model is right in {scores['anchor']:.3f}.")
    typer.echo(f"Next: assay watch gate submit {folder} ROWS; what may be learnt will lie in {folder / 'admitted'}.")


def submit(
    folder: Path = FOLDER,
    rows: Path = typer.Argument(help="Rows: .parquet, .csv or .jsonl."),
    name: str | None = typer.Option(None, help="A name for these rows: rows of a name that was taken before are passed over."),
    flush: bool = typer.Option(False, "--flush", help="Review what is left too, however short it is."),
) -> int:
    """Take in."""
    from assay.watch.gate_folder import GateFolder
    from assay.watch.table_files import events_table

    table = events_table(rows)
    with GateFolder(folder) as gate:
        decided = gate.submit(table, name=name)
        if flush:
            decided += gate.flush()
        waiting, suspended = gate.gate.waiting, sorted(gate.gate.suspended)
    for one in decided:
        typer.echo(f"Round {one.round}: {one.reason}" + (f"; {one.rolled_back} rounds were learnt again" if one.rolled_back else ""))
        for who in one.accused:
            typer.echo(f"  {who.contributor}: {who.rows} of {who.of} rows that look like {who.expected} brought as {who.brought}")
        for expected, brought in one.drift:
            typer.echo(f"  more than usual: {brought} where {expected} was expected")
    typer.echo(f"{waiting:,} rows wait. Suspended: {', '.join(suspended) or 'nobody'}.")
    return 1 if any(one.accused or one.drift or not one.promoted for one in decided) else 0


def status(folder: Path = FOLDER, as_json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """Print it."""
    from assay.watch.gate_folder import GateFolder

    with GateFolder(folder, read_only=True) as gate:
        said = {
            "waiting": gate.gate.waiting,
            "rounds": gate.gate.rounds,
            "suspended": sorted(gate.gate.suspended),
            "scores": gate.gate.scores(),
            "decisions": gate.decisions(),
        }
    if as_json:
        typer.echo(json.dumps(said, allow_nan=False))
        return
    typer.echo(
        f"{said['waiting']:,} rows wait; {said['rounds']} rounds were reviewed. Suspended: {', '.join(gate.gate.suspended) or 'nobody'}."
    )
    for one in gate.decisions()[-20:]:
        typer.echo(f"Round {one['round']}: {one['reason']}")


def pardon(folder: Path = FOLDER, contributor: str = typer.Argument(help="Who.")) -> None:
    """Pardon."""
    from assay.watch.gate_folder import GateFolder

    with GateFolder(folder) as gate:
        gate.pardon(contributor)
    typer.echo(f"{contributor} may bring rows again.")
