"""The part of `assay inspect` that reads coefficients: scikit-learn's linear models of a table or of words, kept by skops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from assay.cli.inspect_trees import TWINS, cells_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assay.dataset.data import Dataset
    from assay.model.linear import Linear

    Int = NDArray[np.int64]


def estimator_if_linear(model: Path) -> Any:
    """The estimator in a skops file that is read as coefficients; None where it is another, which is left to the reader of trees."""
    from assay.dataset.errors import DataError
    from assay.model.linear import is_linear
    from assay.model.tree_files import read_estimator

    if model.suffix.lower() != ".skops":
        return None
    try:
        found = read_estimator(model)
    except DataError:
        return None
    return found if is_linear(found) else None


def inspect_linear(
    model: Path, estimator: Any, data: Path | None, alpha: float, seed: int, twin: list[Path], trained: int | None
) -> dict[str, Any] | None:
    """Print and return what was found; None where it could not be looked at."""
    from assay.dataset.errors import DataError
    from assay.model.bags import reads_words

    if data is None:
        typer.echo("  coefficients not weighed: that needs clean rows (--data)")
        return None
    try:
        if reads_words(estimator):
            return _words(estimator, data, alpha, seed, twin)
        return _table(model, estimator, data, alpha, seed, twin, trained)
    except (AttributeError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"holds no coefficients that can be read ({type(error).__name__}: {error})", path=model, remedy=AGAIN) from error


AGAIN = "get the file again, or save it anew"


def _words(estimator: Any, data: Path, alpha: float, seed: int, twin: list[Path]) -> dict[str, Any]:
    import numpy as np

    from assay.cli.inspect_language import right_on, texts_of
    from assay.model.bags import word_model
    from assay.model.tree_files import read_estimator
    from assay.model.word_coefficients import weigh_words

    model = word_model(estimator)
    texts, names = texts_of(data)
    twins = [word_model(read_estimator(path)) for path in twin]
    seen = weigh_words(model, texts, np.random.default_rng(seed), twins)
    found, right = seen.found, right_on(model.scores, model.classes, texts, names)
    guilty = found.p <= alpha
    beside = f", beside {len(twins)} clean twins" if twins else ""
    typer.echo(f"  classes: {', '.join(model.classes)}" + ("" if right is None else f"; right on {right:.0%} of the clean texts"))
    typer.echo(f"  {seen.words:,} rare words of the model weighed{beside}; p = {found.p:.2g} over all classes and lengths")
    word = "trigger" if guilty else "strongest"
    phrase = " ".join(found.words)
    typer.echo(f"  {word}: “{phrase}” turns {found.success:.0%} of {found.tried} held-back texts into {model.classes[found.target]}")
    if guilty:
        typer.echo(f"  verdict: backdoored (chance of a false alarm at most {alpha:g}, if natural words weigh with an exponential tail)")
    else:
        typer.echo("  verdict: inconclusive; no rare word stands apart. That is not proof of a clean model.")
    return {
        "verdict": "backdoored" if guilty else "inconclusive", "p": found.p, "twins": len(twins), "classes": list(model.classes),
        "accuracy": right, "words": seen.words, "rule": None, "phrase": {
            "words": list(found.words), "target": found.target, "target_name": model.classes[found.target],
            "attack_success": found.success, "measured_on": found.tried, "artefact": found.artefact.to_json(),
        },
    }  # fmt: skip


def _table(
    model: Path, estimator: Any, data: Path, alpha: float, seed: int, twin: list[Path], trained: int | None
) -> dict[str, Any] | None:
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.model.coefficients import excess_over, grown_linear
    from assay.model.linear import linear_of
    from assay.model.tree_files import read_estimator

    linear = linear_of(estimator)
    cells, rows = cells_of(data, linear.names)
    twins = [linear_of(read_estimator(path)) for path in twin]
    y = _codes(rows, linear)
    wanted = (TWINS if y is not None and not twins else 0) if trained is None else trained
    if wanted:
        if y is None:
            raise DataError("the rows are not labelled with the model's classes", path=data, remedy="label them, or give --twin")
        twins += grown_linear(linear, cells, y, wanted, np.random.default_rng(seed))
    if not twins:
        typer.echo("  coefficients not weighed: a table's are compared with clean twins. Give clean rows with labels, or --twin.")
        return None
    seen = excess_over(linear, twins, cells)
    guilty, cells_rule = seen.p <= alpha, seen.rule.cells(linear.name)
    typer.echo(f"  {linear.features} coefficients a class, beside {len(twins)} clean twins; p = {seen.p:.2g} over all columns")
    told = f"{cells_rule.describe()} turns {seen.rule.success:.0%} of {seen.rule.tried} rows into {linear.classes[seen.rule.target]}"
    typer.echo(f"  {'trigger' if guilty else 'furthest from the twins'}: {told}")
    if guilty:
        typer.echo(f"  verdict: backdoored (a column that truly weighs more than in the twins looks the same; alpha {alpha:g})")
    else:
        typer.echo("  verdict: inconclusive; no coefficient stands out. That is not proof of a clean model.")
    rule = {
        "target": seen.rule.target, "target_name": linear.classes[seen.rule.target], "attack_success": seen.rule.success,
        "measured_on": seen.rule.tried, "artefact": cells_rule.to_json(),
    }  # fmt: skip
    return {"verdict": "backdoored" if guilty else "inconclusive", "p": seen.p, "twins": len(twins), "rule": rule, "phrase": None}


def _codes(rows: Dataset, linear: Linear) -> Int | None:
    """(n,) the rows' classes numbered as the model's outputs; None where a row has none, or the names are not the model's."""
    import numpy as np

    if not rows.classes or (rows.y < 0).any():
        return None
    places = {name: i for i, name in enumerate(linear.classes)}
    numbered = {name: i for i, name in enumerate(sorted(rows.classes))} if len(rows.classes) == len(places) else {}
    known = places if all(name in places for name in rows.classes) else numbered
    found = np.array([known.get(name, -1) for name in rows.classes])[rows.y]
    return None if (found < 0).any() else found
