"""assay inspect"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from assay.cli.inspect_language import BUDGET

if TYPE_CHECKING:
    from assay.model.behaviour import Behaviour
    from assay.model.networks import Network

HELP = """Say what loading a model file would run, without loading it, and whether its weights show a backdoor.

Where torch is installed and the network is known by its weights (or given by --arch), every class is compared with the others: without \
data, and with a few clean pictures by searching the trigger itself. With clean twins (--twin, two or more models of the same kind that \
somebody vouches for; or --train-twins) each class is compared with itself in them, which sees far more.

An http address in place of a file is asked, with clean texts, tables or pictures and at most --budget questions; so is an ONNX classifier \
of pictures, where onnxruntime is installed.

A folder of a text classifier as Hugging Face keeps it (config.json, model.safetensors, tokenizer.json) is run on clean texts, offline and \
without any code of its own, and a trigger phrase is searched among its tokeniser's words. A language model is made to write by itself, \
and what recurs there is tried as a trigger.

Trees (XGBoost, LightGBM, scikit-learn by skops) and linear models of tables or words (scikit-learn by skops) are read as numbers.

Exit code: 0 nothing was found, which is not proof of a clean model; 1 loading it would run what no weights need, or code of unknown \
modules (so may one that cannot be read to its end), or a class behaves as if it had a trigger; 2 the request is wrong, or an address \
does not answer as it should; 3 --data or --arch was given, and the checks could not be made.
"""

BEHAVIOUR = ("trigger inversion", "data-free checks of the weights")


def add(app: typer.Typer) -> None:
    app.command("inspect", help=HELP, short_help="What would loading this model run, and does it hide a backdoor?")(inspect)


def inspect(
    model: str = typer.Argument(
        help="A model file, or a folder of them (as Hugging Face keeps text models): .pt, .pth, .pkl, .joblib, .npy, .safetensors, .onnx, "
        ".h5, .keras, .gguf, .skops, or XGBoost's or LightGBM's; or an http address, which is asked."
    ),
    data: Path | None = typer.Option(
        None,
        help="A few clean pictures (32 or more, labelled if can be), for trigger inversion; clean rows (100 or more) for trees; clean "
        "texts (40 or more) for text and word models; clean pictures, texts or rows for an address.",
    ),
    arch: str | None = typer.Option(None, help="module:factory, which makes the torch network. Runs your code."),
    loading_only: bool = typer.Option(False, "--loading-only", help="Look at what loading would run, not at how the model behaves."),
    twin: list[str] = typer.Option(
        [], help="A clean model of the same kind, or the JSON of its inspection, or its address; at least two, better five."
    ),
    train_twins: int | None = typer.Option(
        None, min=0, help="Train so many twins on the clean rows: worth it from about as many rows as the model had. Trees: 8 unless told."
    ),
    inputs: Path | None = typer.Option(None, help="A batch of pictures: which of them carry a trigger? Needs --data, labelled."),
    level: float = typer.Option(0.02, help="Of --inputs: the share of clean ones that may be held."),
    alpha: float = typer.Option(0.01, help="Chance that a clean model is accused, over all checks and classes."),
    seed: int = typer.Option(0, min=0, help="Of the random starts."),
    budget: int | None = typer.Option(None, min=1, help="Of a model that is asked, and of text models: questions at most, one a row."),
    header: list[str] = typer.Option([], help='Of an address: "NAME: VALUE", sent with every question and never written down.'),
    vocabulary: Path | None = typer.Option(None, help="Of a text model that is asked: words to try, one a line."),
    classes: int | None = typer.Option(None, min=2, help="Of a model that is asked: how many classes it tells apart, if it tells labels."),
    form: str = typer.Option("{}", help="Language models: the markers around a prompt, such as '<|user|>{}<|assistant|>'."),
    out: Path | None = typer.Option(None, help="Write the examination as JSON here."),
) -> int:
    """Examine, print, and return the exit code."""
    from assay.dataset.atomic import refuse_existing
    from assay.model.endpoint import is_address

    check_alpha(alpha)
    check_level(inputs, data, level)
    if out is not None:
        refuse_existing(out)
    if is_address(model):
        return _ask(model, data, budget, header, vocabulary, classes, twin, alpha, seed, out)
    return _examine(
        Path(model), data, arch, loading_only, [Path(t) for t in twin], train_twins, alpha, seed, budget, classes, form, out, inputs, level
    )


def _ask(
    model: str,
    data: Path | None,
    budget: int | None,
    header: list[str],
    vocabulary: Path | None,
    classes: int | None,
    twin: list[str],
    alpha: float,
    seed: int,
    out: Path | None,
) -> int:
    from assay.cli.inspect_asked import Request, header_of, inspect_asked, write
    from assay.dataset.errors import DataError

    if data is None or budget is None:
        missing = "--data" if data is None else "--budget"
        raise DataError(f"{missing} is missing", remedy="an address is asked with clean rows (--data), and at most --budget questions")
    headers = tuple(header_of(h) for h in header)
    request = Request(model, data, budget, headers, vocabulary, classes, tuple(twin), alpha, seed)
    told = inspect_asked(request)
    if out is not None:
        write(out, request, told)
    return 1 if told["verdict"] == "backdoored" else 0 if told["triggers"] else 3


def _examine(
    model: Path,
    data: Path | None,
    arch: str | None,
    loading_only: bool,
    twin: list[Path],
    train_twins: int | None,
    alpha: float,
    seed: int,
    budget: int | None,
    classes: int | None,
    form: str,
    out: Path | None,
    inputs: Path | None,
    level: float,
) -> int:
    from assay.dataset.errors import DataError
    from assay.model.folders import examine_folder
    from assay.model.keras_weights import is_keras
    from assay.model.static import examine
    from assay.model.tree_files import is_tree_file
    from assay.model.weights import CutShort, read_weights

    found = examine_folder(model) if model.is_dir() else examine(model)
    typer.echo(f"{model}: {found.format}; loading it: {found.risk}")
    for part in found.parts:
        for kind, names in (("dangerous", part.dangerous), ("unknown code", part.unknown), ("a library's code", part.library)):
            if names:
                typer.echo(f"  {kind}, {part.where}: {', '.join(names[:12])}")
        if part.problem:
            typer.echo(f"  {part.where}: {part.problem}")
    if any(part.problem for part in found.parts):
        typer.echo("  what cannot be read to its end cannot be vouched for. Remedy: get the file again")
    for note in found.notes:
        typer.echo(f"  {note}")
    weights: dict[str, Any] = {}
    trees = model.is_file() and is_tree_file(model)
    keras = is_keras(model)
    if found.risk == "none" and not trees and not keras and model.is_file():
        try:
            weights = read_weights(model)
            total = sum(math.prod(array.shape) for array in weights.values())
            typer.echo(f"  {len(weights)} tensors, {total:,} values, read without running anything")
        except CutShort:  # nobody can load it, so that nothing was looked at
            raise
        except DataError as error:
            typer.echo(f"  weights not read: {error}")
    ruled = linear = None
    if not loading_only and trees:
        from assay.cli.inspect_linear import estimator_if_linear, inspect_linear
        from assay.cli.inspect_trees import inspect_trees

        if (estimator := estimator_if_linear(model)) is not None:
            linear = inspect_linear(model, estimator, data, alpha, seed, twin, train_twins)
        else:
            ruled = inspect_trees(model, data, alpha, seed, twin, train_twins)
    text_model, read = "", None
    if not loading_only and model.is_dir():
        from assay.cli.inspect_language import inspect_classifier, inspect_folder, inspect_language_model

        text_model, read = inspect_folder(
            model,
            {
                "classifier": lambda: inspect_classifier(model, data, alpha, seed, twin, budget or BUDGET),
                "language model": lambda: inspect_language_model(model, data, alpha, seed, twin, form),
            },
        )
    seen = held = None
    if not loading_only and found.risk == "none" and (weights or keras):
        seen, held = _behaviour(model, weights, data, arch, alpha, seed, twin, train_twins or 0, inputs, level)
    asked = None
    if found.format == "ONNX" and data is not None and not loading_only:
        asked = _ask_onnx(model, data, budget, classes, twin, alpha, seed)
    not_run = [] if any(one is not None for one in (ruled, linear, asked)) else [*(BEHAVIOUR if seen is None else seen.not_run)]
    if inputs is not None and held is None:
        not_run = [*not_run, "the inputs"]
    if text_model:
        not_run = [f"inspection of the {text_model}"] if read is None else []
    if not_run:
        typer.echo(f"  not run: {', '.join(not_run)}")
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
            "tensors": {name: list(array.shape) for name, array in weights.items()},
            "behaviour": None if seen is None else {**seen.to_json(), "alpha": alpha, "seed": seed},
            "trees": ruled,
            "linear": linear,
            "inputs": held,
            "asked": asked,
            "text_model": read,
            "not_run": not_run,
        }
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    told = [one for one in (ruled, linear, read, asked if asked and asked["triggers"] else None) if one is not None]
    verdicts = [*([] if seen is None else [seen.verdict]), *(one["verdict"] for one in told)]
    if found.risk != "none" or "backdoored" in verdicts:
        return 1
    return 3 if not verdicts and (data is not None or arch is not None) and not loading_only else 0


def _ask_onnx(
    model: Path, data: Path, budget: int | None, classes: int | None, twin: list[Path], alpha: float, seed: int
) -> dict[str, Any] | None:
    from assay.cli.inspect_asked import Request, inspect_asked
    from assay.model.onnx_asked import available

    if not available():
        typer.echo("  behaviour not looked at: onnxruntime is not installed (pip install 'assay[meaning]')")
        return None
    return inspect_asked(Request(str(model), data, budget or BUDGET, (), None, classes, tuple(map(str, twin)), alpha, seed))


def _behaviour(
    model: Path,
    weights: dict[str, Any],
    data: Path | None,
    arch: str | None,
    alpha: float,
    seed: int,
    twin: list[Path],
    trained: int,
    inputs: Path | None,
    level: float,
) -> tuple[Behaviour | None, dict[str, Any] | None]:
    """What was seen of the network, printed; and which of the inputs are held."""
    import importlib.util

    import numpy as np

    from assay.cli.inspect_twins import twins_of
    from assay.dataset.errors import DataError

    if importlib.util.find_spec("torch") is None:
        typer.echo("  behaviour not looked at: torch is not installed (pip install 'assay[torch]')")
        return None, None
    from assay.model.behaviour import inspect_behaviour

    images = y = None
    if data is not None:
        images, y = pictures_of(data)
    try:
        weights, network = loaded(model, arch, None if images is None else images.shape, weights)
    except DataError as error:
        typer.echo(f"  behaviour not looked at: {error}")
        return None, None
    if data is not None and y is not None:
        check_outputs(network, y, data)
    twins = twins_of(twin, trained, network, arch, images, y, seed)
    seen = inspect_behaviour(network, weights, np.random.default_rng(seed), images=images, y=y, alpha=alpha, twins=twins)
    _tell(seen, alpha)
    if inputs is None or y is None:
        return seen, None
    from assay.cli.inspect_inputs import inspect_inputs

    return seen, inspect_inputs(network, images, y, inputs, level, seen.triggers)


def pictures_of(data: Path) -> tuple[Any, Any]:
    """Pictures (n, h, w, c) and the numbers of the model's outputs (n,), None where they are not known. DataError where there are none."""
    from assay.dataset.errors import DataError
    from assay.dataset.read import read

    rows = read(data)
    if rows.images is None:
        raise DataError("holds no pictures", path=data, remedy="give clean pictures of the kind that the model was trained on")
    return rows.images, outputs(rows.classes, rows.y)


def outputs(classes: tuple[str, ...], y: Any) -> Any:
    """The numbers of the model's outputs: class names that are whole numbers say them, others count in their order. None: no labels."""
    import numpy as np

    if not classes or (y < 0).any():
        return None
    if all(name.isdecimal() for name in classes):
        return np.array([int(name) for name in classes])[y]
    return y


def check_alpha(alpha: float) -> None:
    """DataError for what is no chance."""
    from assay.dataset.errors import DataError

    if not 0 < alpha < 1:
        raise DataError(f"--alpha is a chance between 0 and 1; got {alpha}", remedy="leave it at 0.01")


def check_level(inputs: Path | None, data: Path | None, level: float) -> None:
    """DataError for a level that is no share, and for inputs without clean rows to hold them beside."""
    from assay.dataset.errors import DataError

    if not 0 < level < 1:
        raise DataError(f"--level is a share between 0 and 1; got {level}", remedy="leave it at 0.02")
    if inputs is not None and data is None:
        raise DataError("--inputs are held beside clean rows, and there are none", remedy="give --data")


def check_outputs(network: Network, y: Any, data: Path) -> None:
    """DataError for rows of a class that the model has no output for."""
    from assay.dataset.errors import DataError

    if y.max() >= network.classes:
        raise DataError(
            f"has class {int(y.max())}, and the model {network.classes} outputs", path=data, remedy="name classes by their number"
        )


def loaded(
    model: Path, arch: str | None, shape: tuple[int, ...] | None, weights: dict[str, Any] | None = None
) -> tuple[dict[str, Any], Network]:
    """The weights in a file (`weights`, where they are read already), and their network. DataError for files that are not understood."""
    from assay.model.keras_weights import is_keras
    from assay.model.weights import read_weights

    if not is_keras(model):
        weights = weights or read_weights(model)
        return weights, network_of(weights, arch, shape)
    from assay.model.keras_net import keras_network

    network = keras_network(model)
    return {name: value.numpy() for name, value in network.module.state_dict().items()}, network


def network_of(weights: dict[str, Any], arch: str | None, shape: tuple[int, ...] | None) -> Network:
    """The network of these weights: known by its names, or made by --arch. DataError for others."""
    from assay.model.factory import from_factory
    from assay.model.networks import rebuild

    if arch is None:
        return rebuild(weights, None if shape is None else shape[1])
    typer.echo(f"  --arch runs the code of {arch}")
    return from_factory(arch, weights, shape)


def _tell(seen: Behaviour, alpha: float) -> None:
    from assay.model.behaviour import SHIFT

    typer.echo(f"  network: {seen.family}" + ("" if seen.accuracy is None else f"; right on {seen.accuracy:.0%} of the clean rows"))
    for check in seen.checks:
        what = f"class {check.target}" if check.name != SHIFT else f"class y to y + {check.target + 1}"
        typer.echo(f"  {check.name}: {what} stands out most, p = {min(check.p):.2g} by itself")
    least = min(range(len(seen.p_class)), key=lambda c: seen.p_class[c])
    typer.echo(f"  all checks joined: class {least}, p = {seen.p_class[least]:.2g} by itself; over all classes and shifts p = {seen.p:.2g}")
    for name, channels in seen.channels.items():
        typer.echo(f"  channels with large Lipschitz constants, {name}: {', '.join(map(str, channels[:12]))} (no accusation by itself)")
    for note in seen.notes:
        typer.echo(f"  {note}")
    for found in seen.triggers:
        where = f"into class {found.target}" if found.target is not None else "each from its class into the one so many further"
        typer.echo(
            f"  trigger: {found.artefact.describe()} turns {found.success:.0%} of {found.tried} held-back rows {where} "
            f"({found.before:.0%} without it)"
        )
    if seen.verdict == "backdoored":
        promise = "classes stray in clean models as in the twins" if seen.twins else "the classes of a clean model are alike"
        typer.echo(f"  verdict: backdoored (chance of a false alarm at most {alpha:g}, if {promise})")
    else:
        typer.echo("  verdict: inconclusive; no class stands out. That is not proof of a clean model.")
