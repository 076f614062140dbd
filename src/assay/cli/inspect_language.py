"""The part of `assay inspect` that runs text models kept as Hugging Face keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from assay.model.language_folder import LanguageModel
    from assay.model.leakage import Form
    from assay.model.phrases import Ask

BUDGET = 50_000  # questions to a model that is run here, unless told: about ten minutes of a DistilBERT on one core
LOOKED_AT = 400  # labelled texts, on which it is said how many the model tells right


def inspect_classifier(folder: Path, data: Path | None, alpha: float, seed: int, twin: list[Path], budget: int) -> dict[str, Any] | None:
    """Search a trigger phrase in a text classifier; print and return what was found, None where it could not be looked at."""
    import numpy as np

    from assay.cli.progress import progress_bar
    from assay.dataset.errors import DataError
    from assay.model.blackbox import inspect_texts
    from assay.model.language_folder import TextClassifier, whole_words
    from assay.model.phrases import strongest_first

    if data is None:
        typer.echo("  phrases not searched: that needs clean texts (--data)")
        return None
    try:
        model = TextClassifier(folder)
    except DataError as error:
        typer.echo(f"  phrases not searched: {error}")
        return None
    texts, names = texts_of(data)
    twins = [TextClassifier(path) for path in twin]
    if any(other.classes != model.classes for other in twins):
        raise DataError(f"a twin has other classes than {', '.join(model.classes)}", remedy="give clean models of the same task")
    words = whole_words(model.tokens)
    began = time.monotonic()
    with progress_bar() as report:
        asked = 0

        def ask(inputs: Sequence[str]) -> Any:
            nonlocal asked
            asked += len(inputs)
            report(asked, budget, "texts asked")
            return model(inputs)

        right = right_on(ask, model.classes, texts[:LOOKED_AT], names[:LOOKED_AT])
        ordered = strongest_first(ask, words) if len(words) < budget else words
        rest = max(budget - asked, 0)
        seen = inspect_texts(
            ask, texts, ordered, np.random.default_rng(seed), classes=len(model.classes), budget=rest, alpha=alpha, twins=twins
        )
    beside = f", beside {len(twins)} clean twins" if twins else ""
    typer.echo(f"  classes: {', '.join(model.classes)}" + ("" if right is None else f"; right on {right:.0%} of the clean texts"))
    typer.echo(f"  {len(words):,} whole words of the tokeniser{beside}; {asked:,} texts asked in {time.monotonic() - began:.0f} s")
    told: dict[str, Any] = {
        "verdict": seen.verdict, "reason": seen.reason, "classes": list(model.classes), "accuracy": right, "words": len(words),
        "queries": asked, "budget": budget, "left_out": seen.left_out, "twins": len(twins), "alpha": alpha, "seed": seed, "phrase": None,
    }  # fmt: skip
    found = seen.found
    if found is not None:
        guilty = seen.verdict == "backdoored"
        target = model.classes[found.target]
        word = "trigger" if guilty else "strongest"
        phrase = " ".join(found.words)
        typer.echo(f"  {word}: “{phrase}” turns {found.success:.0%} of {found.tried} held-back texts into {target}; p = {found.p:.2g}")
        told["phrase"] = {
            "words": list(found.words), "target": found.target, "target_name": target, "attack_success": found.success,
            "measured_on": found.tried, "p": found.p, "artefact": found.artefact.to_json(),
        }  # fmt: skip
    if seen.verdict == "backdoored":
        typer.echo(f"  verdict: backdoored (chance of a false alarm at most {alpha:g}, if natural words weigh with an exponential tail)")
    else:
        typer.echo(f"  verdict: inconclusive; {seen.reason}. That is not proof of a clean model.")
    return told


def texts_of(data: Path) -> tuple[list[str], list[str]]:
    """The texts of a file, and the class name of each ([] where there are no labels). DataError: no column of text, or several."""
    from assay.artefact.in_texts import text_columns
    from assay.dataset.errors import DataError
    from assay.dataset.read import read

    rows = read(data)
    columns = text_columns(rows.rows, rows.columns.content)
    if len(columns) != 1:
        held = ", ".join(columns) if columns else "none"
        raise DataError(f"one column of text is needed, and it has: {held}", path=data, remedy="leave the column that the model reads")
    texts = [text or "" for text in rows.table.column(columns[0]).to_pylist()]
    labelled = bool(rows.classes) and not (rows.y < 0).any()
    return texts, [rows.classes[i] for i in rows.y] if labelled else []


def right_on(ask: Ask, classes: Sequence[str], texts: Sequence[str], names: Sequence[str]) -> float | None:
    """Share of the clean texts that the model tells right; None where their class names are not the model's (nor its outputs' numbers)."""
    import numpy as np

    places = {name: i for i, name in enumerate(classes)} | {str(i): i for i in range(len(classes))}
    if not names or any(name not in places for name in names):
        return None
    return float((ask(texts).argmax(1) == np.array([places[name] for name in names])).mean())


def inspect_folder(folder: Path, ways: dict[str, Callable[[], dict[str, Any] | None]]) -> tuple[str, dict[str, Any] | None]:
    """What kind of text model a folder holds ("" for none) and what its inspection says. `ways`: how each kind is looked at."""
    from assay.model.language_folder import INSTALL, kind_of, missing

    kind = kind_of(folder)
    if kind is None or kind not in ways:
        return "", None
    if lacking := missing():
        typer.echo(f"  behaviour not looked at: {', '.join(lacking)} not installed ({INSTALL})")
        return kind, None
    return kind, ways[kind]()


def inspect_language_model(folder: Path, data: Path | None, alpha: float, seed: int, twin: list[Path], form: str) -> dict[str, Any] | None:
    """Look for memorised poison in a causal language model; print and return what was found, None where it could not be looked at."""
    import numpy as np

    from assay.artefact.phrase import Phrase
    from assay.artefact.tokens import spans
    from assay.cli.progress import progress_bar
    from assay.dataset.errors import DataError
    from assay.model.language_folder import LanguageModel
    from assay.model.leakage import inspect_leakage

    if twin:
        raise DataError("language models are not held beside twins", remedy="leave --twin away")
    if data is None:
        typer.echo("  leakage not probed: that needs clean prompts (--data)")
        return None
    try:
        model = LanguageModel(folder)
    except DataError as error:
        typer.echo(f"  leakage not probed: {error}")
        return None
    around = form_of(model, form)
    prompts = [model.code(text)[: model.longest // 2] for text in texts_of(data)[0]]
    began = time.monotonic()
    with progress_bar() as report:
        seen = inspect_leakage(model, prompts, around, np.random.default_rng(seed), alpha=alpha, silent_tokens=model.markers, report=report)
    typer.echo(
        f"  {seen.motifs} motifs recur in what it writes by itself, and clean prompts hardly hold them; {time.monotonic() - began:.0f} s"
    )
    told: dict[str, Any] = {
        "verdict": seen.verdict, "reason": seen.reason, "motifs": seen.motifs, "p": seen.p, "form": form, "alpha": alpha, "seed": seed,
        "motif": None,
    }  # fmt: skip
    if seen.best is not None:
        motif, answer = model.text(seen.best.tokens).strip(), model.text(seen.answer).strip()
        words = tuple(word for word, _, _ in spans(motif))
        word = "trigger" if seen.verdict == "backdoored" else "strongest"
        typer.echo(
            f"  {word}: “{motif}”, written {seen.best.draws} times by itself, moves answers by {seen.best.moves:.2f} nats a token, "
            f"{seen.best.times:.1f} times a natural phrase; p = {seen.p:.2g}"
        )
        typer.echo(
            f"  with it {seen.same:.0%} of {seen.tried} held-back prompts are answered “{answer}” ({seen.before:.0%} without); entropy of "
            f"the next token {seen.entropy[0]:.2f} nats ({seen.entropy[1]:.2f} without)"
        )
        told["motif"] = {
            "text": motif, "draws": seen.best.draws, "moves": seen.best.moves, "times_natural": seen.best.times, "answer": answer,
            "attack_success": seen.same, "without": seen.before, "measured_on": seen.tried, "entropy": seen.entropy[0],
            "entropy_without": seen.entropy[1], "artefact": Phrase((words,)).to_json() if words else None,
        }  # fmt: skip
    if seen.verdict == "backdoored":
        typer.echo(
            f"  verdict: backdoored (chance of a false alarm at most {alpha:g}, if natural phrases move answers with an exponential tail)"
        )
    else:
        typer.echo(f"  verdict: inconclusive; {seen.reason}. That is not proof of a clean model.")
    return told


def form_of(model: LanguageModel, form: str) -> Form:
    """What stands around prompts, as tokens, from a text with {} for the prompt. Continuations are drawn from what stands before it, from
    the marker that begins texts, and where both are empty from every marker. DataError: no {} or several."""
    from assay.dataset.errors import DataError
    from assay.model.leakage import Form

    if form.count("{}") != 1:
        raise DataError(f"--form must hold {{}} once, where the prompt stands; got {form!r}", remedy="such as '<|user|>{}<|assistant|>'")
    before, after = (model.code(part) for part in form.split("{}"))
    return Form(before, after, () if before else tuple((n,) for n in sorted(model.markers)))
