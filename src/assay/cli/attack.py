"""assay attack"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

HELP = """Poison a copy of a data set, for drills and tests.

Writes the copy in the format of the original, and OUT.truth.parquet beside it: row, key, poisoned, attack, cover. The \
original is never touched. What each kind does, and its parameters, are in docs/attacks.md.

Pictures: patch, sticker, glasses, trojan-square, blend, sig, low-frequency, ftrojan, bpp, wanet, tact, adap-patch, \
adap-blend, diluted, decoys, label-consistent, unlearnable; with PyTorch: issba, input-aware, narcissus, feature-collision, \
bullseye, gradient-matching, sleeper-agent.

Texts: phrase, sentence, paraphrase, syntax, style, homoglyph, zero-width; without labels: vpi, constant-count, poisoned-rag, \
insecure-code.

Tables: cells, noisy-cells, guided-cells.

Labels of any data: flip, boundary, group-bias, insider, sybils, sleeper, whitewash, frog-boil, burst.
"""


def add(app: typer.Typer) -> None:
    app.command("attack", help=HELP, short_help="Poison a copy of a data set, for drills and tests.")(attack)


def attack(
    path: Path = typer.Argument(help="The data; a copy of it is poisoned."),
    kind: str = typer.Option(..., help="The kind of attack."),
    out: Path = typer.Option(..., help="Where the copy goes; nothing is overwritten."),
    rate: float | None = typer.Option(None, help="Share of the rows to poison."),
    carriers: int | None = typer.Option(None, help="Number of rows to poison, instead of a rate."),
    target: str | None = typer.Option(None, help="The label that the trigger is to draw rows to."),
    seed: int = typer.Option(0, min=0, help="The same seed plants the same poison."),
    param: list[str] | None = typer.Option(None, help="name=value, once for each parameter of the kind."),
    content: str | None = typer.Option(None, help="Content columns, comma-separated."),
    label: str | None = typer.Option(None, help="Label columns, comma-separated."),
    contributor: str | None = typer.Option(None, help="Column that says who added a row."),
    time: str | None = typer.Option(None, help="Column that says when a row was added."),
) -> None:
    """Attack, and say what was planted."""
    from assay.attack.run import attack_path
    from assay.cli.scan import listed
    from assay.dataset.data import Columns
    from assay.report.words import count

    columns = Columns(listed(content), listed(label), contributor=contributor, time=time)
    done = attack_path(
        path,
        kind,
        out=out,
        rate=rate,
        carriers=carriers,
        target=target,
        seed=seed,
        params=parameters(param or []),
        columns=columns,
    )
    for note in done.notes:
        typer.echo(note, err=True)
    typer.echo(f"{done.out}: {count(int(done.planted.poisoned.sum()), 'row')} poisoned; the truth is in {done.truth}.")


def parameters(given: list[str]) -> dict[str, Any]:
    """Values are JSON where they are JSON, else text. DataError for one without "=".

    >>> parameters(["size=3", "words=cf", "place=[1, 2]"])
    {'size': 3, 'words': 'cf', 'place': [1, 2]}
    """
    from assay.dataset.errors import DataError

    made: dict[str, Any] = {}
    for entry in given:
        name, sign, value = entry.partition("=")
        if not sign or not name:
            raise DataError(f"--param {entry!r} is not name=value", remedy="write for example --param size=3")
        try:
            made[name] = json.loads(value)
        except json.JSONDecodeError:
            made[name] = value
    return made
