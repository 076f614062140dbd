"""assay model test, and where assay model audit is added"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from assay.cli.model_audit import HELP as AUDIT
from assay.cli.model_audit import audited

HELP = """Try a model: how many rows it tells right once each is changed a little, so as to mislead it (FGSM and PGD).

MODEL is a file of weights as assay inspect reads them (nothing in it is run); DATA holds labelled pictures in the model's own size. \
A row that no attack turned may yet be turned by another: these figures are upper bounds. What a backdoor would do is the business of \
assay inspect.

Exit code: 0 tried; 1 with --at-least, fewer rows withstood PGD; 2 the request is wrong.
"""


def add(app: typer.Typer) -> None:
    group = typer.Typer(help="Try a trained model.", no_args_is_help=True)
    group.command("test", help=HELP, short_help="Adversarial examples: how many rows withstand them?")(tried)
    group.command("audit", help=AUDIT, short_help="Backdoor, slices, corruption, calibration: one report.")(audited)
    app.add_typer(group, name="model", short_help="Audit a trained model, or try it with adversarial examples.")


def tried(
    model: Path = typer.Argument(help="A file of weights: .pt, .pth, .safetensors, .npz."),
    data: Path = typer.Argument(help="Labelled pictures; their classes are the model's outputs, by number or in order."),
    arch: str | None = typer.Option(None, help="module:factory, which makes the torch network. Runs your code."),
    reach: float = typer.Option(
        8.0, min=0.0, help="Largest change: of a pixel, of 255 (--norm inf); of the picture as a whole (--norm 2)."
    ),
    steps: int = typer.Option(20, min=1, help="Of PGD: more is stronger and slower."),
    norm: str = typer.Option("inf", help="inf or 2."),
    rows: int = typer.Option(1000, min=1, help="Rows tried, drawn by --seed."),
    at_least: float | None = typer.Option(None, help="Exit 1 if a smaller share of rows withstands PGD."),
    seed: int = typer.Option(0, min=0, help="Of the rows and the starts."),
    out: Path | None = typer.Option(None, help="Write the figures as JSON here."),
) -> int:
    """Attack, print, and return the exit code."""
    import numpy as np

    from assay.cli.model_common import subject
    from assay.cli.progress import progress_bar
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.errors import DataError

    if norm not in ("inf", "2"):
        raise DataError(f"--norm {norm}", remedy="use inf or 2")
    if out is not None:
        refuse_existing(out)
    _, network, images, y = subject(model, data, arch, "adversarial examples need")
    import torch

    from assay.harden.adversarial import robustness
    from assay.model.networks import as_input

    chosen = np.sort(np.random.default_rng(seed).permutation(len(y))[:rows])
    with progress_bar() as progress:
        found = robustness(
            network.module,
            as_input(images[chosen]),
            torch.from_numpy(y[chosen]),
            reach / 255,
            steps,
            "inf" if norm == "inf" else "2",
            seed,
            progress,
        )
    typer.echo(f"{model}: {network.family}; {found.rows:,} rows, reach {reach:g}/255 in norm {norm}")
    for name, what in (("clean", "untouched"), ("fgsm", "FGSM"), ("pgd", f"PGD, {steps} steps")):
        share, low, high = getattr(found, name)
        typer.echo(f"  {what}: {share:.3f} told right (95 % {low:.3f} to {high:.3f})")
    if out is not None:
        document = {"schema": "assay.model-test/1", "file": model.name, "network": network.family, "steps": steps, "seed": seed}
        out.write_text(json.dumps(document | found.to_json(), indent=2) + "\n", encoding="utf-8")
    return int(at_least is not None and found.pgd[0] < at_least)
