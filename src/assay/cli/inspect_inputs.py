"""The part of `assay inspect` that tells which inputs of a batch carry a trigger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from assay.model.extract import Extracted
    from assay.model.networks import Network


def inspect_inputs(
    network: Network, images: Any, y: Any, inputs: Path, level: float, triggers: tuple[Extracted, ...] = ()
) -> dict[str, Any]:
    """Hold each input beside the clean pictures, and against the triggers that were found; print and return which are held. DataError:
    inputs of another size, or too few clean pictures for the level."""
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.model.guard import guard_network

    rows = read(inputs)
    if rows.images is None or rows.images.shape[1:] != images.shape[1:]:
        told = "holds no pictures" if rows.images is None else f"pictures of {rows.images.shape[1:]}"
        raise DataError(f"{told}, and the clean ones are {images.shape[1:]}", path=inputs, remedy="give inputs as the network reads them")
    seen = guard_network(network, [found.artefact for found in triggers], images, y, level).look(rows.images)
    held = [int(i) for i in seen.held.nonzero()[0]]
    typer.echo(
        f"  inputs: {len(held)} of {len(rows)} held; of clean ones {level * len(rows):.0f} would be, by steadiness, at most on average"
    )
    typer.echo(f"    all of them together: p = {seen.p_together:.2g} that they are as steady as clean ones")
    for name, p in seen.by.items():
        typer.echo(f"    {name}: {int((p <= level).sum())}")
    if triggers:
        typer.echo(f"    a trigger that was found is there: {int(seen.by_artefact.sum())}")
    if held:
        typer.echo(f"    rows {', '.join(map(str, held[:20]))}{', ..' if len(held) > 20 else ''}")
    return {
        "rows": len(rows), "level": level, "held": held, "p_together": seen.p_together, "p": [float(p) for p in seen.p],
        "by_artefact": [int(i) for i in seen.by_artefact.nonzero()[0]], "by": {name: [float(v) for v in p] for name, p in seen.by.items()},
    }  # fmt: skip
