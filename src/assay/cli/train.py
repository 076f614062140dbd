"""assay train"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

HELP = """Train a plain model with a defence against poison, and write it with its record.

CONFIG is a TOML file (--example prints one): data, learner, and a defence: none, weighted (by a scan's report), trimmed, partitioned \
(with certificates), private (differentially) or guarded (networks: robust losses, guards, drills). OUT holds model.json, model.npz and \
record.json; no pickle. --drill also plants a poison, trains a defended and an undefended twin on it, and says what each of them learnt.
"""


def add(app: typer.Typer) -> None:
    app.command("train", help=HELP, short_help="Train a model with a defence against poison.")(train)


def train(
    config: Path | None = typer.Argument(None, help="The TOML file."),
    out: Path | None = typer.Option(None, help="The folder to write; nothing is overwritten. Default: CONFIG's name with .model, here."),
    drill: bool = typer.Option(False, "--drill", help="Plant a poison, and train a defended and an undefended twin."),
    checkpoint: Path | None = typer.Option(
        None, help="Of networks: a file (of an ensemble: a folder) from which training goes on where it was stopped."
    ),
    example: bool = typer.Option(False, "--example", help="Print a configuration to begin with."),
) -> None:
    """Train, write, and say how good it is."""
    from assay.cli.progress import progress_bar
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.errors import DataError
    from assay.train import config as settings
    from assay.train.run import train as trained
    from assay.train.run import write

    if example:
        typer.echo(settings.EXAMPLE, nl=False)
        return
    if config is None:
        raise DataError("no configuration is given", remedy="assay train CONFIG, or assay train --example > train.toml")
    asked = settings.read_config(config)
    place = out or Path(f"{config.stem}.model")
    refuse_existing(place)
    with progress_bar() as progress:
        progress(0.0, 1.0, "training")
        outcome = trained(asked, checkpoint, progress)
        if drill:
            from assay.train.twins import drill as drilled

            progress(0.5, 1.0, "drill")
            outcome.record["drill"] = drilled(asked, outcome.lesson)
        progress(1.0, 1.0, "done")
    write(outcome, place)
    for line in said(outcome.record, asked.defence):
        typer.echo(line)
    typer.echo(f"{place}: model.json, model.npz, record.json")


def said(record: dict[str, Any], defence: str) -> list[str]:
    """The record in lines for people."""
    lines = [f"{defence}: accuracy {_share(record['accuracy'])} on {record['held_out']:,} held-out rows"]
    if "undefended_accuracy" in record:
        lines[0] += f"; undefended {_share(record['undefended_accuracy'])}"
    if "one_class" in record:
        worth = ", and what is certified is worth nothing; fewer partitions or more rows may help" if "certified" in record else ""
        lines.append(f"every held-out row is called {record['one_class']!r}: nothing was learnt but the commonest class{worth}")
    if "certified" in record:
        points = ", ".join(f"{point['share']:.3f} at {point['poisons']}" for point in record["certified"]["curve"])
        lines.append(f"certified accuracy, by {record['certified']['unit']}s that an attacker adds or removes: {points}")
    if "private" in record:
        told = record["private"]
        lines.append(f"epsilon {told['epsilon']:.3f} at delta {told['delta']:g} for each {told['unit']}")
        raised = ", ".join(f"{point['probability']:.3f} by {point['poisons']}" for point in told["is raised to at most"])
        lines.append(f"what has a chance of {told['an outcome of probability']} is raised to at most {raised} poisoned {told['unit']}s")
    if "drill" in record:
        told = record["drill"]
        lines.append(f"drill: {told['kind']}, {told['poisoned']:,} of {told['rows']:,} training rows poisoned")
        for name, model in told["models"].items():
            attack = f", attack success {_share(model['attack_success'])}" if "attack_success" in model else ""
            lines.append(f"  {name}: accuracy {_share(model['accuracy'])}{attack}")
    return lines


def _share(told: dict[str, Any]) -> str:
    return f"{told['share']:.3f}"
