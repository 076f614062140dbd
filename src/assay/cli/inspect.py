"""assay inspect"""

from __future__ import annotations

import json
import math
from pathlib import Path

import typer

HELP = """Say what loading a model file would run, without loading it, and what weights it holds.

Exit code: 0 it holds data alone; 1 loading it would run what no weights need, or code of unknown modules; 2 the request is wrong. \
Whether the weights themselves hold a backdoor is not looked at by this version.
"""

NOT_RUN = ("trigger inversion", "data-free checks of the weights", "repair")


def add(app: typer.Typer) -> None:
    app.command("inspect", help=HELP, short_help="What would loading this model run?")(inspect)


def inspect(
    model: Path = typer.Argument(help="A model file: .pt, .pth, .pkl, .joblib, .npy, .safetensors, .onnx, .h5, .keras, .gguf."),
    out: Path | None = typer.Option(None, help="Write the examination as JSON here."),
) -> int:
    """Examine, print, and return the exit code."""
    from assay.dataset.errors import DataError
    from assay.model.static import examine
    from assay.model.weights import read_weights

    found = examine(model)
    typer.echo(f"{model}: {found.format}; loading it: {found.risk}")
    for part in found.parts:
        for kind, names in (("dangerous", part.dangerous), ("unknown code", part.unknown), ("a library's code", part.library)):
            if names:
                typer.echo(f"  {kind}, {part.where}: {', '.join(names[:12])}")
        if part.problem:
            typer.echo(f"  {part.where}: {part.problem}")
    for note in found.notes:
        typer.echo(f"  {note}")
    weights: dict[str, tuple[int, ...]] = {}
    if found.risk == "none":
        try:
            weights = {name: tuple(array.shape) for name, array in read_weights(model).items()}
            total = sum(math.prod(shape) for shape in weights.values())
            typer.echo(f"  {len(weights)} tensors, {total:,} values, read without running anything")
        except DataError as error:
            typer.echo(f"  weights not read: {error}")
    typer.echo(f"  not run: {', '.join(NOT_RUN)}")
    if out is not None:
        document = {
            "schema": "assay.inspection/1",
            "file": model.name,
            "format": found.format,
            "risk": found.risk,
            "parts": [
                {"where": p.where, "dangerous": p.dangerous, "unknown": p.unknown, "library": p.library, "problem": p.problem}
                for p in found.parts
            ],
            "tensors": {name: list(shape) for name, shape in weights.items()},
            "not_run": list(NOT_RUN),
        }
        if out.exists():
            raise DataError("is there already", path=out, remedy="give another --out")
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if found.risk == "none" else 1
