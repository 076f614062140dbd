"""The part of `assay inspect` that measures clean twins, with which the classes of a network are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from assay.model.behaviour import Figures
    from assay.model.networks import Network


def twins_of(paths: list[Path], trained: int, network: Network, arch: str | None, images: Any, y: Any, seed: int) -> tuple[Figures, ...]:
    """The figures of the models in `paths` (or of their inspections, as JSON), and of `trained` twins made from the clean rows."""
    import numpy as np

    from assay.cli.inspect import loaded
    from assay.dataset.errors import DataError
    from assay.model.behaviour import figures, inspect_behaviour
    from assay.model.retrain import retrained
    from assay.model.static import examine

    found: list[Figures] = []
    for path in paths:
        if path.suffix.lower() == ".json":
            found.append(_inspected(path))
            continue
        if examine(path).risk != "none":
            raise DataError("loading it would run code, and it is not loaded", path=path, remedy="assay inspect says why")
        weights, twin = loaded(path, arch, None if images is None else images.shape)
        typer.echo(f"  twin: {path}")
        found.append(figures(inspect_behaviour(twin, weights, np.random.default_rng(seed), images=images, y=y)))
    if trained and y is None:
        raise DataError("--train-twins needs labelled clean rows", remedy="give --data with labels, or --twin")
    for number in range(trained):
        typer.echo(f"  twin {number + 1} of {trained} is trained on {len(y)} clean rows")
        twin = retrained(network, images, y, np.random.default_rng([seed, number]))
        state = {name: value.numpy() for name, value in twin.module.state_dict().items()}
        found.append(figures(inspect_behaviour(twin, state, np.random.default_rng(seed), images=images, y=y)))
    return tuple(found)


def _inspected(path: Path) -> Figures:
    from assay.dataset.errors import DataError
    from assay.dataset.files import existing
    from assay.model.behaviour import figures

    existing(path)
    try:
        return figures(json.loads(path.read_text(encoding="utf-8"))["behaviour"])
    except (KeyError, TypeError, ValueError, IsADirectoryError) as error:
        raise DataError(
            f"is no inspection with behaviour ({type(error).__name__}: {error})", path=path, remedy="give the JSON of assay inspect --out"
        ) from error
