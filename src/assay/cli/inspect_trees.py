"""The part of `assay inspect` that walks trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def inspect_trees(model: Path, data: Path | None, alpha: float, seed: int) -> dict[str, Any] | None:
    """Print and return what was found; None where it could not be looked at."""
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.learn.columns import code_columns
    from assay.model.rules import find_rules
    from assay.model.tree_files import read_trees

    if data is None:
        typer.echo("  trees not walked: that needs clean rows (--data)")
        return None
    try:
        trees = read_trees(model)
    except DataError as error:
        typer.echo(f"  trees not walked: {error}")
        return None
    rows = read(data)
    coded = code_columns(rows.table, list(rows.columns.content))
    places = {name: place for place, name in enumerate(coded.names)}
    missing = [name for name in trees.names if name not in places]
    if missing:
        raise DataError("the model reads this column, and it is not among the rows", path=data, column=missing[0])
    cells = coded.cells[:, [places[name] for name in trees.names]] if trees.names else coded.cells
    if not np.isfinite(cells).all():
        raise DataError("cells are missing", path=data, remedy="fill them as for the model, or leave the rows out")
    found = find_rules(trees, cells, np.random.default_rng(seed))
    guilty = found.p <= alpha
    typer.echo(f"  {len(trees.root)} trees, {len(trees.feature):,} nodes, walked; p = {found.p:.2g} over all columns and rules")
    told: dict[str, Any] = {"verdict": "backdoored" if guilty else "inconclusive", "p": found.p, "rule": None}
    if guilty:
        best = found.best
        cells_rule = best.cells(trees)
        typer.echo(f"  trigger: {cells_rule.describe()} turns {best.success:.0%} of {best.tried} rows into class {best.target}")
        told["rule"] = {
            "target": best.target,
            "attack_success": best.success,
            "measured_on": best.tried,
            "artefact": cells_rule.to_json(),
        }
        typer.echo(f"  verdict: backdoored (a rare value that truly decides the class looks the same; alpha {alpha:g})")
    else:
        typer.echo("  verdict: inconclusive; no rare value stands out. That is not proof of a clean model.")
    return told
