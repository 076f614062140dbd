"""assay model audit"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

HELP = """Audit a model: what loading it would run, whether it hides a backdoor, and how it behaves on labelled pictures: by slices, under \
ordinary corruption, in its confidence, against adversarial examples.

MODEL is a file of weights as assay inspect reads them (nothing in it is run); DATA holds labelled pictures in the model's own size. DIR \
gets model.json, model.html, model.sarif and CARD.md, a section for a model card.

Exit code: 0 no finding reaches --fail-on; 1 one does; 2 the request is wrong.
"""

LEVELS = ("error", "warning", "note")
ADVERSARIAL_ROWS = 500


def audited(
    model: Path = typer.Argument(help="A file of weights: .pt, .pth, .safetensors."),
    data: Path = typer.Argument(help="Labelled pictures, 100 or more; their classes are the model's outputs, by number or in order."),
    out: Path = typer.Option(..., help="A new folder."),
    arch: str | None = typer.Option(None, help="module:factory, which makes the torch network. Runs your code."),
    twin: list[Path] = typer.Option([], help="A clean model of the same kind, or the JSON of its inspection; at least two, better five."),
    alpha: float = typer.Option(0.01, help="Of the backdoor inspection, as for assay inspect."),
    fail_on: str = typer.Option("error", help="error, warning or never: exit 1 if a finding is that bad."),
    seed: int = typer.Option(0, min=0, help="Of every random draw."),
) -> int:
    """Audit, write, and return the exit code."""
    import numpy as np

    from assay.cli.inspect import check_alpha
    from assay.cli.inspect_twins import twins_of
    from assay.cli.model_common import subject
    from assay.dataset.atomic import whole
    from assay.dataset.errors import DataError
    from assay.dataset.removal import sha256_of
    from assay.model.static import examine
    from assay.report.audited import as_json, card, findings, html, sarif

    if fail_on not in ("error", "warning", "never"):
        raise DataError(f"--fail-on {fail_on}", remedy="use error, warning or never")
    check_alpha(alpha)
    weights, network, images, y = subject(model, data, arch, "an audit needs")
    import torch

    from assay.harden.adversarial import robustness
    from assay.model.audit import audit
    from assay.model.behaviour import inspect_behaviour
    from assay.model.networks import as_input

    loading = examine(model)
    with whole(out) as (folder,):
        behaviour = audit(network, images, y, np.random.default_rng(seed), typer.echo)
        typer.echo("backdoor")
        twins = twins_of(twin, 0, network, arch, images, y, seed)
        seen = inspect_behaviour(network, weights, np.random.default_rng(seed), images=images, y=y, alpha=alpha, twins=twins)
        typer.echo("adversarial examples")
        chosen = np.sort(np.random.default_rng(seed).permutation(len(y))[:ADVERSARIAL_ROWS])
        tried = robustness(network.module, as_input(images[chosen]), torch.from_numpy(y[chosen]), seed=seed)
        inspection = seen.to_json()
        for told, check in zip(inspection["checks"], seen.checks, strict=True):
            told["stands_out"] = check.target
        document: dict[str, Any] = {
            "schema": "assay.model-audit/1",
            "file": model.name,
            "sha256": sha256_of(model),
            "network": network.family,
            "loading": {"risk": loading.risk, "parts": [{"dangerous": p.dangerous, "unknown": p.unknown} for p in loading.parts]},
            "inspection": {**inspection, "alpha": alpha},
            "behaviour": behaviour.to_json(),
            "adversarial": tried.to_json(),
            "not_run": list(seen.not_run),
            "seed": seed,
        }
        folder.mkdir()
        (folder / "model.json").write_text(json.dumps(as_json(document), indent=2) + "\n", encoding="utf-8")
        (folder / "model.html").write_text(html(document), encoding="utf-8")
        (folder / "model.sarif").write_text(json.dumps(sarif(document), indent=2) + "\n", encoding="utf-8")
        (folder / "CARD.md").write_text(card(document), encoding="utf-8")
    told = findings(document)
    typer.echo(f"{model}: {network.family}; right on {behaviour.overall.value:.1%} of {behaviour.overall.rows:,} rows")
    for finding in told:
        typer.echo(f"  {finding.level}: {finding.text}")
    typer.echo(f"  {out}: model.html, model.json, model.sarif, CARD.md")
    bad = [] if fail_on == "never" else LEVELS[: LEVELS.index(fail_on) + 1]
    return int(any(f.level in bad for f in told))
