"""The part of `assay inspect` that walks trees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.dataset.data import Dataset

    Floats = NDArray[np.float64]

TWINS = 8  # grown where nothing is asked and the rows have labels: seconds
ALONE = "one clean model in four showed as much"  # 8 of 32 at alpha .01: docs/evidence/H-models.md


def inspect_trees(model: Path, data: Path | None, alpha: float, seed: int, twin: list[Path], trained: int | None) -> dict[str, Any] | None:
    """Print and return what was found; None where it could not be looked at. With twins, in files or grown on the clean rows (`trained`;
    None: where there are labels and no files), the model's rules are compared with theirs. Without, with one another, which accuses nobody:
    what stands out is handed over to be looked at."""
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.model.rule_twins import grown_twins, rules_beside
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
    cells, rows = cells_of(data, trees.names)
    rng = np.random.default_rng(seed)
    twins = [read_trees(path) for path in twin]
    labelled = bool(rows.classes) and not (rows.y < 0).any()
    if trained is None:
        trained = TWINS if labelled and not twins and len(np.unique(rows.y)) == trees.classes else 0
    if trained:
        if not labelled:
            raise DataError("the rows have no labels, and --train-twins needs them", path=data, remedy="give labelled rows, or --twin")
        twins += grown_twins(trees, cells, rows.y, trained, rng)
    beside = rules_beside(trees, twins, cells, rng) if twins else None
    if twins:
        p, rule = (1.0, None) if beside is None else (beside.p, beside.best)
    else:
        alone = find_rules(trees, cells, rng)
        p, rule = alone.p, alone.best if alone.singles or alone.several else None
    beside_them = f" beside {len(twins)} clean twins" if twins else ""
    typer.echo(f"  {len(trees.root)} trees, {len(trees.feature):,} nodes, walked{beside_them}; p = {p:.2g} over all columns and rules")
    best = rule if p <= alpha else None
    guilty = best is not None and bool(twins)
    told: dict[str, Any] = {"verdict": "backdoored" if guilty else "inconclusive", "p": p, "twins": len(twins), "rule": None}
    if best is not None:
        cells_rule = best.cells(trees.name)
        word = "trigger" if guilty else "to look at"
        typer.echo(f"  {word}: {cells_rule.describe()} turns {best.success:.0%} of {best.tried} rows into class {best.target}")
        told["rule"] = {
            "target": best.target,
            "attack_success": best.success,
            "measured_on": best.tried,
            "artefact": cells_rule.to_json(),
        }
    if guilty:
        typer.echo(f"  verdict: backdoored (a rare value that truly decides the class looks the same; alpha {alpha:g})")
    elif best is not None:
        typer.echo(f"  verdict: inconclusive; without twins {ALONE}. Give clean rows with labels, or --twin.")
    else:
        typer.echo("  verdict: inconclusive; no rare value stands out. That is not proof of a clean model.")
    return told


def cells_of(data: Path, names: Sequence[str]) -> tuple[Floats, Dataset]:
    """(n, features) the cells of the columns that a model reads (all, where `names` is empty), and the rows. DataError: one is missing."""
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.learn.columns import code_columns

    rows = read(data)
    if rows.images is not None:
        raise DataError("holds pictures, and the model reads a table", path=data, remedy="give rows with the columns of training")
    coded = code_columns(rows.table, list(rows.columns.content))
    places = {name: place for place, name in enumerate(coded.names)}
    missing = [name for name in names if name not in places]
    if missing:
        raise DataError("the model reads this column, and it is not among the rows", path=data, column=missing[0])
    cells = coded.cells[:, [places[name] for name in names]] if names else coded.cells
    if not np.isfinite(cells).all():
        raise DataError("cells are missing", path=data, remedy="fill them as for the model, or leave the rows out")
    return cells, rows
