"""assay watch sign, verify: who stands for a watch's baseline and its history of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.ledger.note import Key

FOLDER = typer.Argument(help="The folder of the watch.")
TRUST = typer.Option(..., "--trust", help="A public key, or the file that holds it, got from elsewhere; several times.")


def add(group: typer.Typer) -> None:
    group.command("sign", help="Sign the baseline.")(sign)
    group.command("verify", help="Check the signatures of the baseline and of the history of models. Exit 1 if something is not signed.")(
        verify
    )


def sign(folder: Path = FOLDER, key: Path = typer.Option(..., "--key", help="A secret key: assay ledger key.")) -> None:
    """Sign."""
    from assay.ledger.keys import read_key
    from assay.watch.baseline import Baseline
    from assay.watch.signed import sign_baseline
    from assay.watch.watch import FILE

    signer, baseline = read_key(key), Baseline.read(folder / FILE)
    sign_baseline(folder, baseline.digest, signer)
    typer.echo(f"Baseline {baseline.digest} is signed. Those who trust you need: --trust {signer.key}")


def verify(folder: Path = FOLDER, trust: list[str] = TRUST) -> int:
    """Check."""
    from assay.watch.models import FILE, Models
    from assay.watch.signed import check_steps

    typer.echo(f"Baseline {check_trusted(folder, trust)}")
    if not (folder / FILE).exists():
        return 0
    models = Models.open(folder)
    found = check_steps(folder / FILE, _keys(trust))
    lines, signed = len(found.by), sum(key is not None for key in found.by)
    typer.echo(
        f"History of models: {lines} steps, {signed} signed; the last {lines - found.vouched} no signature vouches for. Head {models.head}"
    )
    return 1 if found.vouched < lines else 0


def check_trusted(folder: Path, trust: list[str]) -> str:
    """Say who signed the baseline. Raises DataError where none of these keys did."""
    from assay.watch.baseline import Baseline
    from assay.watch.signed import check_baseline
    from assay.watch.watch import FILE

    baseline = Baseline.read(folder / FILE)
    return f"{baseline.digest} is signed by {check_baseline(folder, baseline.digest, _keys(trust))}"


def _keys(trust: list[str]) -> list[Key]:
    from assay.cli.ledger_common import trusted

    return [key for text in trust if (key := trusted(text)) is not None]
