"""A poison drill: plant a known poison, train a defended and an undefended twin on it, and see what each of them learnt."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.attack.measure import success
from assay.attack.planting import plant
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.harden.weights import weights_of
from assay.pipeline import Settings, run
from assay.train.config import Config
from assay.train.run import Lesson, accuracy, fit_on, undefended
from assay.train.saved import Model

KINDS = {"text": "phrase", "image": "patch", "table": "cells"}  # planted where the configuration names none


def drill(config: Config, lesson: Lesson) -> dict[str, Any]:
    """What the drill showed, for the record: attack success and accuracy of three models on held-out rows.

    `defended` and `undefended` saw the poisoned training rows, `clean` (undefended) those without the poison: what it gives for the attack
    is what the trigger does by itself. The weighted twin scans the poisoned rows itself, as one would, and is not told where the poison
    lies. Poison that has no trigger (flips) is judged by accuracy alone.
    """
    asked = config.sections.get("drill", {})
    kind = asked.get("kind", KINDS[lesson.train.modality])
    planted = plant(lesson.train, kind, rate=asked.get("rate"), target=asked.get("target"), seed=config.seed, params=asked.get("params"))
    poisoned, features = planted.data, lesson.features
    weights = _scanned(poisoned, config.seed) if config.reports else None
    models = {
        "defended": fit_on(config, poisoned, features, weights)[0],
        "undefended": undefended(config, poisoned, features),
        "clean": undefended(config, lesson.train, features),
    }
    shown: dict[str, Any] = {name: {"accuracy": accuracy(model, lesson.held_out)} for name, model in models.items()}
    if planted.triggers:
        for name, model in models.items():
            if name == "clean":
                continue
            hit = success(_of(model), _of(models["clean"]), planted, lesson.held_out, np.random.default_rng([config.seed, 1]))
            shown[name]["attack_success"] = {"share": hit.rate, "low": hit.low, "high": hit.high, "rows": hit.rows}
            shown["clean"]["attack_success"] = {"share": hit.clean_rate, "rows": hit.rows}
    found = None if weights is None else {"poisoned_rows_weighed_0": int((weights[planted.poisoned] == 0).sum())}
    return {"kind": kind, "poisoned": int(planted.poisoned.sum()), "rows": len(poisoned), "scan": found, "models": shown}


def _scanned(data: Dataset, seed: int) -> Any:
    conclusion = run(data, Settings(seed=seed, canaries=False))
    return weights_of(np.array(conclusion.action, str), np.asarray(conclusion.score, np.float64))


def _of(model: Model) -> Any:
    def predict(rows: Rows) -> Any:
        return model.predict(rows)

    return predict
