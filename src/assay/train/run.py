"""Train as a configuration says, and write the model with its record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assay.dataset.atomic import whole
from assay.dataset.data import Columns, Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import sha256_of
from assay.harden.private import PrivateClassifier
from assay.harden.private_network import PrivateNetworkClassifier
from assay.harden.votes import Certified
from assay.harden.weights import weights_of
from assay.report.act import same
from assay.report.report import Report
from assay.stats.interval import clopper_pearson
from assay.train.config import Config
from assay.train.features import Features, features_for
from assay.train.learners import Progress, fit
from assay.train.saved import Model, model_of
from assay.train.sentences import encoder
from assay.version import __version__

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

SCHEMA = "assay.training-record/1"
DEALT = "dealt.parquet"
RADII = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)  # of the certified-accuracy curve, as far as any prediction reaches
POISONS = (1, 2, 5, 10, 20, 50)  # of what epsilon buys
UNLIKELY = 0.01  # the chance, without poison, of the outcome that k poisons try to bring about


@dataclass(frozen=True)
class Lesson:
    """What is trained on and what is held out, as `split` parts it. `weights` (n,) of the training rows, where a report gave them."""

    train: Dataset
    held_out: Dataset
    features: Features
    weights: Floats | None = None


@dataclass(frozen=True)
class Outcome:
    """The model, its record as a document, and the parted data for a drill."""

    model: Model
    record: dict[str, Any]
    lesson: Lesson
    partition: Int | None = None  # (n,) of each training row, where members have rows of their own


def train(config: Config, checkpoint: Path | None = None, progress: Progress | None = None) -> Outcome:
    """Train, and measure on held-out rows. Nothing is written but the checkpoint while it is needed, and the cache of sentences.

    DataError where data, report, checkpoint and configuration do not go together.
    """
    report = Report.open(config.asked["report"]) if config.reports else None
    data, weights = _read(config, report)
    lesson = split(config, data, weights)
    model = fit_on(config, lesson.train, lesson.features, lesson.weights, checkpoint, progress)
    found = model[0].certify(lesson.held_out.rows)
    record = {
        "schema": SCHEMA,
        "assay": __version__,
        "settings": json.loads(json.dumps(config.sections)),
        "seed": config.seed,
        "data": {"fingerprint": data.fingerprint, "rows": len(data), "classes": list(data.classes), "notes": list(data.notes)},
        "report": None if report is None else _told(config, report),
        "trained_on": int(len(lesson.train) if lesson.weights is None else (lesson.weights > 0).sum()),
        "held_out": len(lesson.held_out),
        "accuracy": accuracy_of(found.prediction, lesson.held_out.y),
    }
    if len(np.unique(found.prediction)) < 2:
        record["one_class"] = data.classes[int(found.prediction[0])]
    if config.defence == "partitioned":
        record["certified"] = curve_of(found, lesson.held_out.y, config.by_contributor)
    if config.defence == "trimmed":
        record["trimmed"] = {"share": model[1].share_, "rows": int((~model[1].kept_).sum())}
    if config.defence == "private":
        record["private"] = _privacy(model[1], config.by_contributor)
    if config.defence != "none":
        record["undefended_accuracy"] = accuracy(undefended(config, lesson.train, lesson.features), lesson.held_out)
    if config.cache is not None:
        encoder(config.sentences).keep(config.cache)
    dealt = model[1].partition_ if config.defence == "partitioned" else None
    return Outcome(model[0], record, lesson, dealt)


def write(outcome: Outcome, out: Path) -> None:
    """The folder `out` with model.json, model.npz, record.json and, of partitioned models, dealt.parquet, whole or not at all; the record
    names the files' SHA-256."""
    with whole(out) as (made,):
        made.mkdir()
        outcome.model.save(made)
        names = ["model.json", "model.npz"]
        if outcome.partition is not None:
            pq.write_table(dealt(outcome.lesson.train, outcome.partition), made / DEALT)
            names.append(DEALT)
        files = {name: sha256_of(made / name) for name in names}
        text = json.dumps(outcome.record | {"files": files}, indent=1, ensure_ascii=False) + "\n"
        (made / "record.json").write_text(text, encoding="utf-8")


def dealt(data: Dataset, partition: Int) -> pa.Table:
    """Which training row (by digest, in the order of training) feeds which partition: what forgetting exactly needs."""
    digests = pa.array([digest.tobytes() for digest in data.digest], pa.binary(32))
    return pa.table({"digest": digests, "partition": pa.array(partition, pa.int64())})


def fit_on(
    config: Config,
    data: Dataset,
    features: Features,
    weights: Floats | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Model, Any]:
    """The model that the configuration's defence makes of labelled rows, and the estimator behind it."""
    contributors = None
    if config.by_contributor:
        contributors = [str(v) for v in data.values(data.columns.contributor) or ()]
    estimator = fit(config, features, features.of(data.rows), data.y, weights, contributors, checkpoint, progress)
    return model_of(estimator, features, data.classes), estimator


def undefended(config: Config, data: Dataset, features: Features) -> Model:
    """The same learner on the same features, without the defence."""
    plain = Config(config.path, config.data, config.learner, config.seed, config.held_out, "none", {}, config.sections)
    return fit_on(plain, data, features)[0]


def split(config: Config, data: Dataset, weights: Floats | None) -> Lesson:
    """Labelled rows in two parts, the same share of each class held out, drawn by the seed. Rows of weight 0 are in neither part's measure:
    they may be trained on (with weight 0) but are not held out."""
    known = np.flatnonzero(data.y >= 0)
    trusted = known if weights is None else known[weights[known] > 0]
    rng, out = np.random.default_rng(config.seed), []
    for code in range(len(data.classes)):
        own = rng.permutation(trusted[data.y[trusted] == code])
        out.append(own[: round(config.held_out * len(own))])
    held = np.sort(np.concatenate(out))
    rest = np.setdiff1d(known, held)
    if not len(held) or len(np.unique(data.y[rest])) < 2:
        raise DataError("too few labelled rows to train on some and hold out others", path=data.path, remedy="give more rows")
    if config.cache is not None:
        encoder(config.sentences).recall(config.cache)
    bits, private = config.sections.get("features", {}).get("bits"), config.defence == "private"
    features = features_for(data, bits, config.bounds, private, config.learner == "network", config.sentences)
    return Lesson(data.subset(rest), data.subset(held), features, None if weights is None else weights[rest])


def accuracy(model: Model, data: Dataset) -> dict[str, Any]:
    """`share` of rows told right, with a 95 % interval over rows."""
    return accuracy_of(model.predict(data.rows), data.y)


def accuracy_of(said: Int, y: Int) -> dict[str, Any]:
    """The same of predictions (n,) and the truth (n,)."""
    right = int((said == y).sum())
    low, high = clopper_pearson(right, len(y))
    return {"share": right / len(y), "low": low, "high": high, "rows": len(y)}


def curve_of(found: Certified, y: Int, by_contributor: bool) -> dict[str, Any]:
    """Certified accuracy: the share of rows that are told right and stay so whatever `poisons` units are added or removed.

    Of certified predictions of n rows and the truth (n,).
    """
    right = found.prediction == y
    reach = int(found.radius.max())
    points = [{"poisons": r, "share": float((right & (found.radius >= r)).mean())} for r in RADII if r <= max(reach, 0)]
    half = int(np.median(np.where(right, found.radius, -1)))
    return {"unit": "contributor" if by_contributor else "row", "curve": points, "half_withstand": max(half, 0) if half >= 0 else None}


def _privacy(model: PrivateClassifier | PrivateNetworkClassifier, by_contributor: bool) -> dict[str, Any]:
    return {
        "unit": "contributor" if by_contributor else "row",
        "epsilon": model.epsilon_,
        "delta": model.delta,
        "noise_multiplier": model.noise_multiplier_,
        "steps": model.steps_,
        "noise": "drawn from the system, not from the seed: the model cannot be made again",
        "covers": "the model; not the accuracies here, which are measured on the rows themselves",
        "an outcome of probability": UNLIKELY,
        "is raised to at most": [{"poisons": k, "probability": model.raised(UNLIKELY, k)} for k in POISONS],
    }


def read_as(path: Path, told: Mapping[str, Any]) -> Dataset:
    """A data set by the columns that the settings' [data] names."""
    columns = Columns(tuple(told.get("content", ())), (told["label"],), contributor=told.get("contributor"))
    return read(path, columns=columns, task="classification")


def read_judged(path: Path, features: Features) -> Dataset:
    """Rows to be judged, by the columns that the model reads: they may have no label, or all the same."""
    return read(path, columns=Columns(() if features.modality == "image" else features.columns), task="none")


def _read(config: Config, report: Report | None) -> tuple[Dataset, Floats | None]:
    told: Mapping[str, Any] = config.sections["data"]
    if report is None:
        data = read_as(config.data, told)
    else:
        data = same(config.data, report, config.asked["report"])
        if data.columns.label != (told["label"],) or data.task != "classification":
            held = ", ".join(data.columns.label) or "no label"
            raise DataError(
                f"the report was made with {held} as the label, and this is to learn {told['label']!r}",
                path=config.asked["report"],
                remedy=f"scan again with --label {told['label']}",
            )
    if len(data.classes) < 2:
        raise DataError("has fewer than two classes", path=config.data, remedy="name another label column")
    if report is None:
        return data, None
    rows = report.rows.filter(pc.is_valid(report.rows["digest"]))
    action = np.array(rows["action"].to_pylist(), str)
    score = np.array([np.nan if s is None else s for s in rows["score"].to_pylist()], np.float64)
    return data, weights_of(action, score)


def _told(config: Config, report: Report) -> dict[str, Any]:
    told = sha256_of(Path(config.asked["report"]) / "report.json")
    return {"sha256": told, "verdict": report.verdict, "quarantined": len(report.quarantined)}
