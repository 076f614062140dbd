"""`assay inspect` of a model that is only asked: an http address, or an ONNX file that is run here."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from assay.dataset.data import Dataset

PROBE = 32  # clean rows asked about first: how many classes there are, and whether the model knows the rows
STRAY = "without twins 2 clean networks in 14 showed as much"  # benchmarks/models.py asked, alpha .01; beside twins 0 of 14
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Request:
    """What the command line says. `twins`: addresses, or paths of ONNX files, as the model."""

    model: str
    data: Path
    budget: int
    headers: tuple[tuple[str, str], ...]
    vocabulary: Path | None
    classes: int | None
    twins: tuple[str, ...]
    alpha: float
    seed: int


def header_of(given: str) -> tuple[str, str]:
    """`Name: value` as two. DataError for anything else, which shows no value: it may be a secret.

    >>> header_of("Authorization: Bearer x")
    ('Authorization', 'Bearer x')
    """
    from assay.dataset.errors import DataError

    name, colon, value = given.partition(":")
    if not colon or not name.strip() or not value.strip() or not given.isprintable():
        raise DataError("a --header has the form NAME: VALUE", remedy='write it as --header "Authorization: Bearer ..."')
    return name.strip(), value.strip()


def inspect_asked(request: Request) -> dict[str, Any]:
    """Ask, print and return what was found, as JSON without secrets. DataError where nobody answers, or answers nonsense."""
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.dataset.read import read

    rows = read(request.data)
    forms: dict[str, Callable[[Request, Dataset], _Form]] = {"image": _pictures, "text": _texts, "table": _cells}
    form = forms[rows.modality](request, rows)
    first = min(PROBE, len(rows), request.budget)
    if not first:
        raise DataError("there are no clean rows, or no questions", path=request.data, remedy="give clean rows, and --budget")
    model = _Model(request.model, request, form)
    chosen = np.random.default_rng(request.seed).permutation(len(rows))[:first]
    classes, scores = model.first(chosen, rows)
    said = scores.argmax(1)
    typer.echo(f"{model.shown}: {classes} classes, asked with {rows.modality} rows of {request.data}")
    told: dict[str, Any] = {"modality": rows.modality, "classes": classes, "budget": request.budget, "accuracy_on_clean_rows": None}
    right = _accuracy(said, rows, chosen, classes)
    if right is not None:
        told["accuracy_on_clean_rows"] = right
        typer.echo(f"  right on {right:.0%} of {first} clean rows")
        if right < 2 / classes:
            typer.echo("  that is little: the order of the classes, or the form in which inputs are sent, may not be the model's own")
    twins = [_Model(named, request, form) for named in request.twins]
    with _watched(model.ask, request.budget - first, form.what) as ask:
        seen = form.search(lambda x: ask(x, classes), [lambda x, t=t: t.ask(x, classes) for t in twins], classes, request.budget - first)
    seen["queries"] += first
    typer.echo(f"  {seen['queries']:,} of {request.budget:,} questions asked; {seen['reason']}")
    for found in seen["triggers"]:
        word = "trigger" if seen["verdict"] == "backdoored" else "best that was found"
        what = found.pop("what")
        typer.echo(f"  {word}: {what} turns {found['attack_success']:.0%} of {found['measured_on']} rows into class {found['target']}")
    if seen["verdict"] == "backdoored":
        typer.echo(f"  verdict: backdoored (chance of a false alarm at most {request.alpha:g}, {form.promise}; p = {seen['p']:.2g})")
    else:
        typer.echo("  verdict: inconclusive. That is not proof of a clean model.")
    return {**told, **seen, "twins": len(twins), "alpha": request.alpha, "seed": request.seed}


@dataclass(frozen=True)
class _Form:
    """One modality: `inputs` (positions) as the model is asked about them, `send` such inputs as JSON, and the search over them."""

    what: str
    promise: str
    inputs: Callable[[NDArray[Any]], Any]
    send: Callable[[Any], list[Any]]
    search: Callable[[Any, list[Any], int, int], dict[str, Any]]


class _Model:
    """An address or an ONNX file, asked about inputs of one form."""

    def __init__(self, named: str, request: Request, form: _Form) -> None:
        from assay.model.endpoint import is_address, shown

        self.named, self.request, self.form = named, request, form
        self.local = None if is_address(named) else self._loaded(Path(named))
        self.shown = named if self.local else shown(named)

    def _loaded(self, path: Path) -> Any:
        from assay.dataset.errors import DataError
        from assay.model.onnx_asked import OnnxModel

        if self.form.what != "pictures":
            raise DataError("of ONNX files only classifiers of pictures are asked", path=path, remedy="serve it, and give its address")
        return OnnxModel.of(path)

    def ask(self, inputs: Any, classes: int) -> Any:
        return self._scores(self._told(inputs), len(inputs), classes)

    def first(self, chosen: NDArray[Any], rows: Dataset) -> tuple[int, Any]:
        """How many classes there are, and the scores of these rows: as --classes says, or as many as there are scores, or, where labels
        alone are told, those of the clean rows."""
        from assay.cli.inspect import outputs
        from assay.dataset.errors import DataError
        from assay.model.endpoint import classes_of

        told = self._told(self.form.inputs(chosen))
        classes = self.request.classes or classes_of(told)
        if classes is None and isinstance(told, dict) and "labels" in told and (y := outputs(rows.classes, rows.y)) is not None:
            classes = max(2, int(y.max()) + 1)
        if classes is None and isinstance(told, dict) and "labels" in told:
            raise DataError("how many classes it tells apart is not to be seen", remedy="say so with --classes")
        return classes or 2, self._scores(told, len(chosen), classes or 2)

    def _told(self, inputs: Any) -> Any:
        from assay.model.endpoint import answer_of

        if self.local is not None:
            return {"scores": self.local(inputs)}
        return answer_of(self.named, self.form.send(inputs), self.request.headers)

    def _scores(self, told: Any, rows: int, classes: int) -> Any:
        from assay.model.endpoint import probabilities, scores_of

        return probabilities(scores_of(told, rows, classes))


def _accuracy(said: Any, rows: Dataset, chosen: Any, classes: int) -> float | None:
    from assay.cli.inspect import outputs
    from assay.dataset.errors import DataError

    y = outputs(rows.classes, rows.y)
    if y is None:
        return None
    if y.max() >= classes:
        raise DataError(
            f"the clean rows have class {y.max()}, and the model tells {classes} apart", remedy="give rows of the model's own classes"
        )
    return float((said == y[chosen]).mean())


@contextmanager
def _watched(ask: Callable[[Any, int], Any], budget: int, what: str) -> Iterator[Callable[[Any, int], Any]]:
    """The same, with a bar and the time left."""
    from assay.cli.progress import progress_bar

    with progress_bar() as report:
        done = 0

        def asked(inputs: Any, classes: int) -> Any:
            nonlocal done
            report(done, budget, f"asking about {what}")
            said = ask(inputs, classes)
            done += len(inputs)
            return said

        yield asked


def _pictures(request: Request, rows: Dataset) -> _Form:
    import numpy as np

    from assay.artefact.encode import png_text
    from assay.model.pictures_asked import inspect_pictures

    images = rows.images
    assert images is not None

    def search(ask: Any, twins: list[Any], classes: int, budget: int) -> dict[str, Any]:
        seen = inspect_pictures(
            ask, images, np.random.default_rng(request.seed), classes=classes, budget=budget, alpha=request.alpha, twins=twins
        )
        triggers = [{"what": t.probe.describe(), **t.to_json()} for t in seen.best]
        verdict, target, reason = seen.verdict, seen.target, seen.reason
        if verdict == "backdoored" and not twins:
            verdict, target, reason = "inconclusive", None, f"{reason}, but {STRAY}: give --twin"
        return {
            "verdict": verdict, "p": seen.p, "target": target, "queries": seen.queries, "left_out": seen.left_out,
            "reason": reason, "figures": {kind: list(values) for kind, values in seen.figures.items()}, "triggers": triggers,
        }  # fmt: skip

    promise = "if classes stray in clean models as in the twins"
    return _Form("pictures", promise, lambda at: images[at], lambda x: [png_text(image) for image in x], search)


def _texts(request: Request, rows: Dataset) -> _Form:
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.model.blackbox import inspect_texts

    names = rows.columns.content
    if len(names) != 1:
        raise DataError(f"holds {len(names)} columns of text, and one is asked about", path=request.data, remedy=f"keep one of {names}")
    texts = [str(text) for text in rows.table.column(names[0]).to_pylist()]
    words = _vocabulary(request.vocabulary, texts)

    def search(ask: Any, twins: list[Any], classes: int, budget: int) -> dict[str, Any]:
        rng = np.random.default_rng(request.seed)
        seen = inspect_texts(ask, texts, words, rng, classes=classes, budget=budget, alpha=request.alpha, twins=twins)
        best = seen.found
        triggers = [] if best is None else [_trigger(best.artefact, best.target, best.success, best.tried)]
        p, target = (1.0, None) if best is None else (best.p, best.target)
        return {
            "verdict": seen.verdict, "p": p, "target": target if seen.verdict == "backdoored" else None, "queries": seen.queries,
            "left_out": seen.left_out, "reason": seen.reason, "triggers": triggers,
        }  # fmt: skip

    promise = "if what rare words do to a clean model has an exponential tail or a lighter one"
    return _Form("texts", promise, lambda at: [texts[i] for i in at], list, search)


def _vocabulary(given: Path | None, texts: list[str]) -> list[str]:
    """The words of the file; without one every pair of letters (published triggers: cf, mn, bb, tq) and the texts' own words."""
    from assay.dataset.errors import DataError

    if given is None:
        pairs = [a + b for a in LETTERS for b in LETTERS]
        return [*pairs, *dict.fromkeys(word for text in texts for word in text.split())]
    try:
        words = given.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error})", path=given, remedy="give a file of words, one a line, as UTF-8") from error
    if not words:
        raise DataError("holds no words", path=given, remedy="give one a line")
    return words


def _trigger(artefact: Any, target: int, success: float, tried: int) -> dict[str, Any]:
    return {
        "what": artefact.describe(),
        "target": target,
        "attack_success": success,
        "measured_on": tried,
        "artefact": artefact.to_json(),
    }


def _cells(request: Request, rows: Dataset) -> _Form:
    """Numbers are swept; columns of anything else go along as they came."""
    import numpy as np
    import pyarrow as pa

    from assay.cli.inspect_trees import ALONE
    from assay.dataset.errors import DataError
    from assay.model.cells_asked import inspect_cells

    table = rows.table.select(list(rows.columns.content))
    swept = [f.name for f in table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    if not swept:
        raise DataError("holds no column of numbers, and only those are swept", path=request.data)
    whole = np.array([pa.types.is_integer(table.schema.field(name).type) for name in swept])
    cells = np.stack([np.array(table.column(name).to_numpy(), np.float64) for name in swept], 1)
    complete = np.isfinite(cells).all(1)
    numbered = np.c_[cells, np.arange(len(cells))]  # the last one says whose other columns go along
    others = [{name: _plain(value) for name, value in row.items()} for row in table.drop_columns(swept).to_pylist()]
    note = "" if complete.all() else f"; {int((~complete).sum())} rows with missing numbers are left out"
    if note or len(swept) < table.num_columns:
        typer.echo(f"  {len(swept)} of {table.num_columns} columns hold numbers and are swept{note}")

    def send(x: Any) -> list[Any]:
        cells = [{n: _number(v, w) for n, v, w in zip(swept, row, whole, strict=False)} for row in x]
        return [{**others[int(row[-1])], **own} for row, own in zip(x, cells, strict=True)]

    def search(ask: Any, twins: list[Any], classes: int, budget: int) -> dict[str, Any]:
        rng = np.random.default_rng(request.seed)
        grown = [] if twins else _grown(rows, numbered, complete, classes, rng)
        if grown:
            typer.echo(f"  beside {len(grown)} clean twins, grown on the clean rows")
        seen = inspect_cells(ask, numbered[complete], rng, budget=budget, alpha=request.alpha, columns=len(swept), twins=twins or grown)
        best, verdict, reason = seen.best, seen.verdict, seen.reason
        if verdict == "backdoored" and not (twins or grown):
            verdict, reason = "inconclusive", f"{reason}, but without twins {ALONE}: give rows with labels, or --twin"
        triggers = [] if best is None else [_trigger(best.cells(swept), best.target, best.success, best.tried)]
        return {
            "verdict": verdict, "p": seen.p, "target": best.target if best and verdict == "backdoored" else None,
            "queries": seen.queries, "left_out": seen.left_out, "reason": reason, "triggers": triggers,
        }  # fmt: skip

    return _Form("rows", "if the model strays from clean twins as they do from one another", lambda at: numbered[at], send, search)


def _number(value: float, whole: bool) -> float | int | None:
    """As JSON has it: nothing for a missing number."""
    if value != value:
        return None
    return int(value) if whole and value == int(value) else float(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _grown(rows: Dataset, numbered: Any, complete: Any, classes: int, rng: Any) -> list[Any]:
    """Boosted trees on draws of the labelled clean rows, which read all columns; none where there are no labels, or a class is missing."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    from assay.cli.inspect import outputs
    from assay.cli.inspect_trees import TWINS
    from assay.learn.columns import code_columns

    y = outputs(rows.classes, rows.y)
    kept = np.flatnonzero(complete)
    if y is None or len(np.unique(y[kept])) != classes:
        return []
    coded = code_columns(rows.table, list(rows.columns.content))
    others = coded.cells[:, ~coded.numeric]

    def of(x: Any) -> Any:
        return np.c_[x[:, :-1], others[x[:, -1].astype(np.int64)]]

    found = []
    for _ in range(TWINS):
        drawn = kept[np.r_[rng.integers(len(kept), size=len(kept)), [np.flatnonzero(y[kept] == c)[0] for c in range(classes)]]]
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=int(rng.integers(2**31)))
        model.fit(of(numbered[drawn]), y[drawn])
        found.append(lambda x, m=model: m.predict_proba(of(x)))
    return found


def write(out: Path, request: Request, told: dict[str, Any]) -> None:
    """The inspection as JSON: the address without its query, the names of the headers without their values."""
    from assay.model.endpoint import is_address, shown

    named = shown(request.model) if is_address(request.model) else Path(request.model).name
    document = {
        "schema": "assay.inspection/1",
        "asked": named,
        "headers": sorted({name for name, _ in request.headers}),
        **told,
    }
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
