"""assay certify, assay recheck"""

from __future__ import annotations

from pathlib import Path

import typer

CERTIFY = """Write what a model certifies of rows, as a file that others can check.

MODEL is what assay train wrote with [defence] kind = "partitioned"; DATA its data set, whose rows that the model did not learn from are \
judged, or else those of --rows. OUT says for each row what is predicted and how many training rows (or contributors) an attacker could \
add or remove without changing it, and holds the votes that show it.
"""
RECHECK = """Check a certificate against the data, without trusting the model or who trained it.

Elects again, lets the worst attacker within each radius play, deals every training row again by its SHA-256, and trains --members of the \
members again. Exit code: 0 it stands; 1 it does not, and why; 2 the request or the data is wrong.
"""
SHOWN = 20  # faults that are printed


def add(app: typer.Typer) -> None:
    app.command("certify", help=CERTIFY, short_help="Write what a trained model certifies, for others to check.")(certify)
    app.command("recheck", help=RECHECK, short_help="Check a certificate against the data.")(recheck)


def certify(
    model: Path = typer.Argument(help="The folder that assay train wrote."),
    data: Path = typer.Argument(help="The data set that it was trained on."),
    rows: Path | None = typer.Option(None, help="Other rows to judge, in the same columns; they need no label."),
    sentences: Path | None = typer.Option(None, help="Where the model's sentence encoder lies now, if elsewhere."),
    out: Path = typer.Option(..., help="The file to write; nothing is overwritten."),
) -> None:
    """Certify, write, and say how far it reaches."""
    import numpy as np

    from assay.dataset.atomic import refuse_existing
    from assay.train import certificate

    refuse_existing(out)
    claim = certificate.certify(model, data, rows, sentences)
    certificate.write(claim, out)
    radius = claim.certificate.radius
    typer.echo(
        f"{out}: {len(radius):,} rows; half of the predictions withstand {int(np.median(radius)):,} {claim.unit}s or more that are added "
        f"or removed, the most {int(radius.max()):,}"
    )


def recheck(
    certificate: Path = typer.Argument(help="What assay certify wrote."),
    data: Path = typer.Argument(help="The data set that the model was trained on."),
    rows: Path | None = typer.Option(None, help="The rows that were judged, if they are not in DATA."),
    model: Path | None = typer.Option(None, help="A model whose votes are to be those in the certificate."),
    sentences: Path | None = typer.Option(None, help="Where the sentence encoder lies here, if elsewhere."),
    members: int = typer.Option(5, min=0, help="How many members to train again, drawn by the seed."),
    seed: int = typer.Option(0, min=0, help="Of that draw."),
) -> int:
    """Check, and say what is wrong."""
    import numpy as np

    from assay.train.certificate import check, open_claim

    found = check(open_claim(certificate), data, rows, np.random.default_rng(seed), members, model, sentences)
    if not found.wrong:
        again = f"{found.members} of {found.of} members trained again"
        typer.echo(f"{certificate}: stands ({found.rows:,} rows judged, {found.trained:,} training rows dealt again, {again})")
        return 0
    for line in found.wrong[:SHOWN]:
        typer.echo(f"{certificate}: {line}")
    if len(found.wrong) > SHOWN:
        typer.echo(f"{certificate}: and {len(found.wrong) - SHOWN:,} more")
    return 1
