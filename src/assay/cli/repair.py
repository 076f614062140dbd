"""assay repair"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from assay.cli.ledger_common import KEY

if TYPE_CHECKING:
    from assay.artefact.base import Artefact
    from assay.model.networks import Network

HELP = """Take a backdoor out of a model and write a mended one; the original is never changed.

unlearn: with the artefacts that `assay inspect --out` extracted, or a scan confirmed (--artefacts), and a few clean labelled rows. \
tune, anp: with clean rows alone. prune: without any. Before and after, and again after 100 plain fine-tuning steps, the accuracy on \
clean rows that were held back is measured, and what each artefact still turns.

Exit code: 0 the artefacts no longer work, and accuracy is kept; 1 they still do, or came back, or accuracy fell by more than 2 points, or \
nothing could be measured: the mended model is written all the same; 2 the request is wrong.
"""

GONE = 0.05  # share of rows that an artefact may still turn beyond those that go there anyhow
LOST = 0.02  # accuracy that may be lost
HELD = 0.25  # of the clean rows, kept back for measuring


class Way(StrEnum):
    unlearn = "unlearn"
    tune = "tune"
    anp = "anp"
    prune = "prune"


def add(app: typer.Typer) -> None:
    app.command("repair", help=HELP, short_help="Take a backdoor out of a model.")(repair)


def repair(
    model: Path = typer.Argument(help="A model file whose network is known, or --arch."),
    out: Path = typer.Option(..., help="The mended weights: a new .safetensors; OUT.json beside it says what was done."),
    way: Way = typer.Option(Way.unlearn, help="unlearn, tune, anp or prune; see above."),
    data: Path | None = typer.Option(None, help="Clean labelled pictures: 64 or more, 256 are better."),
    artefacts: Path | None = typer.Option(None, help="The JSON of assay inspect --out, or report.json of a scan."),
    arch: str | None = typer.Option(None, help="module:factory, which makes the torch network. Runs your code."),
    seed: int = typer.Option(0, min=0, help="Of the batches and the rows that are held back."),
    ledger: Path | None = typer.Option(None, help="Record the mended model in this ledger."),
    key: Path | None = KEY,
) -> int:
    """Repair, measure, write, and return the exit code."""
    import numpy as np

    from assay.cli.inspect import check_outputs, network_of, pictures_of
    from assay.cli.repair_record import record
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.errors import DataError
    from assay.model import repair as ways
    from assay.model.static import examine
    from assay.model.weights import read_weights, write_weights

    beside = out.with_name(out.name + ".json")
    for path in (out, beside):
        refuse_existing(path)
    if way is not Way.prune and data is None:
        raise DataError(f"{way.value} needs clean rows", remedy="give --data, or --way prune")
    found = examine(model)
    if found.risk != "none":
        raise DataError(f"loading it means {found.risk}, and it is not loaded", path=model, remedy="assay inspect says why")
    weights = read_weights(model)
    images, y = (None, None) if data is None else pictures_of(data)
    if data is not None and y is None:
        raise DataError("the rows have no labels", path=data, remedy="give labelled rows")
    network = network_of(weights, arch, None if images is None else images.shape)
    if data is not None:
        check_outputs(network, y, data)
    wanted = artefacts_of(artefacts)
    rng = np.random.default_rng(seed)
    held = rng.permutation(0 if y is None else len(y))[: 0 if y is None else int(HELD * len(y))]
    kept = np.setdiff1d(np.arange(0 if y is None else len(y)), held)
    if way is Way.prune:
        done = ways.prune(network, weights)
    else:
        assert images is not None
        assert y is not None
        rows = images[kept], y[kept]
        known = tuple(artefact for artefact, _ in wanted)
        goals = tuple({goal: np.array(goal) for _, goal in wanted if goal is not None}.values())
        without = ways.tune if way is Way.tune else ways.prune_attacked
        done = ways.unlearn(network, *rows, known, rng, goals) if way is Way.unlearn else without(network, *rows, rng)
    typer.echo(f"{way.value}: {done.what}")
    measured: dict[str, Any] = {}
    if images is not None and y is not None:
        stages = {"before": network, "after": done.network}
        stages["after 100 fine-tuning steps"] = ways.fine_tuned(done.network, images[kept], y[kept], rng)
        measured = {name: measure(stage, images[held], y[held], wanted) for name, stage in stages.items()}
        for name, figures in measured.items():
            turned = ", ".join(f"{share:.0%}" for share in figures["turned"]) or "no artefact given"
            typer.echo(f"  {name}: right on {figures['accuracy']:.1%} of {len(held)} held-back rows; artefacts turn {turned}")
    else:
        typer.echo("  not measured: there are no clean rows (--data)")
    state = {name: value.numpy() for name, value in done.network.module.state_dict().items()}
    write_weights(out, state)
    record(model, out, beside, way.value, done.what, measured, seed, ledger, key)
    typer.echo(f"  {out}: written; {model}: unchanged")
    return 0 if measured and good(measured) else 1


def good(measured: dict[str, Any]) -> bool:
    """Whether no artefact turns more than GONE beyond what goes there anyhow, now and after fine-tuning, and accuracy is kept."""
    before = measured["before"]["accuracy"]
    after = [figures for name, figures in measured.items() if name != "before"]
    return all(f["accuracy"] >= before - LOST and all(t <= GONE + a for t, a in zip(f["turned"], f["anyhow"], strict=True)) for f in after)


def artefacts_of(path: Path | None) -> list[tuple[Artefact, tuple[int, ...] | None]]:
    """The artefacts in the JSON of an inspection or a scan, and where each sends rows of each class, if that is known."""
    from assay.artefact.registry import from_json
    from assay.dataset.errors import DataError
    from assay.dataset.files import existing

    if path is None:
        return []
    existing(path)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if "findings" in told:
            return [(from_json(f["artefact"]), None) for f in told["findings"] if f["status"] == "confirmed"]
        return [(from_json(t["artefact"]), tuple(t["wanted"])) for t in (told["behaviour"] or {"triggers": []})["triggers"]]
    except (KeyError, TypeError, ValueError, IsADirectoryError) as error:
        raise DataError(
            f"holds no artefacts ({type(error).__name__}: {error})",
            path=path,
            remedy="give what assay inspect --out wrote, or report.json",
        ) from error


def measure(network: Network, images: Any, y: Any, wanted: list[tuple[Artefact, tuple[int, ...] | None]]) -> dict[str, Any]:
    """Accuracy; for each artefact the share of rows that it turns (to where it leads, or else away from their class), and how many are
    said to be there anyhow."""
    import numpy as np

    from assay.model.networks import predict

    plain = predict(network, images)
    turned, anyhow = [], []
    for artefact, goals in wanted:
        said = predict(network, artefact.insert(images))
        if goals is None:
            turned.append(float((said != plain).mean()))
            anyhow.append(0.0)
            continue
        goal = np.array(goals)[y]
        others = goal != y
        turned.append(float((said[others] == goal[others]).mean()))
        anyhow.append(float((plain[others] == goal[others]).mean()))
    return {"accuracy": float((plain == y).mean()), "turned": turned, "anyhow": anyhow, "rows": len(y)}
