"""assay ledger export, assay ledger verifier: what the ledger knows, for the tools of others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from assay.cli.ledger_common import FOLDER, KEY, writer
from assay.cli.ledger_panels import OTHERS


def add(group: typer.Typer) -> None:
    group.command(
        "export", rich_help_panel=OTHERS, help="Write what the ledger knows as Croissant, OpenLineage, CycloneDX, OMS or in-toto."
    )(export)
    group.command(
        "verifier", rich_help_panel=OTHERS, help="Write a one-file verifier that needs only Python and the package cryptography."
    )(verifier)


class Format(StrEnum):
    croissant = "croissant"
    openlineage = "openlineage"
    cyclonedx = "cyclonedx"
    intoto = "intoto"
    oms = "oms"


def export(
    folder: Path = FOLDER,
    format: Format = typer.Option(..., help="croissant, intoto, oms: of a snapshot; cyclonedx: of a model; openlineage: of all steps."),
    out: Path = typer.Option(..., help="Where it goes; nothing is overwritten."),
    snapshot: str | None = typer.Option(None, help="The snapshot."),
    data: Path | None = typer.Option(None, help="Its data: one table file for croissant, any data set for oms."),
    oms_key: Path | None = typer.Option(None, help="For oms: the secret key, PEM; assay ledger key NAME --oms makes one."),
    model: str | None = typer.Option(None, help="The model, for cyclonedx."),
    key: Path | None = KEY,
) -> None:
    """Write it."""
    import json

    from assay.dataset.atomic import whole
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.ledger import export as to
    from assay.ledger import oms, statement
    from assay.ledger.ledger import Ledger

    needed = {
        "croissant": (snapshot, data),
        "intoto": (snapshot,),
        "oms": (snapshot, data, oms_key),
        "cyclonedx": (model,),
        "openlineage": (),
    }[format.value]
    if None in needed:
        more = "give --snapshot (croissant, oms: --data too; oms: --oms-key), or --model"
        raise DataError(f"--format {format.value} needs more", remedy=more)
    ledger = writer(folder, key) if format is Format.intoto else Ledger.open(folder)
    with whole(out) as (file,):
        if format is Format.intoto:
            subject, said = to.snapshot_statement(ledger, str(snapshot))
            _, path = statement.log(ledger, subject, statement.SNAPSHOT, said)
            file.write_bytes((folder / path).read_bytes())
        elif format is Format.oms:
            place = Path(str(data))
            file.write_text(oms.sign(place, Path(str(oms_key)), to.same_snapshot(ledger, str(snapshot), read(place))), encoding="utf-8")
        elif format is Format.openlineage:
            file.write_text("".join(json.dumps(event) + "\n" for event in to.openlineage(ledger)), encoding="utf-8")
        else:
            made = (
                to.cyclonedx(ledger, str(model))
                if format is Format.cyclonedx
                else to.croissant(ledger, str(snapshot), read(Path(str(data))))
            )
            file.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    typer.echo(f"{out}: {format.value}.")


def verifier(out: Path = typer.Option(Path("verify.py"), help="Where it goes.")) -> None:
    """Copy it."""
    from importlib.resources import files

    from assay.dataset.atomic import whole

    with whole(out) as (file,):
        file.write_bytes(files("assay.ledger").joinpath("standalone.py").read_bytes())
    typer.echo(f"{out}: read it, then run python3 {out} --help")
