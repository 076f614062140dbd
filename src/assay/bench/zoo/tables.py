"""The zoo's table models: trees, trained and inspected in one go, since both take seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from assay.artefact.cells import Cells
from assay.attack.planting import plant
from assay.bench.sets import SETS, in_memory
from assay.bench.zoo.small import Spec, run
from assay.dataset.data import Dataset
from assay.learn.columns import code_columns
from assay.model.rule_twins import grown_twins, rules_beside
from assay.model.rules import find_rules
from assay.model.trees import of_estimator

Floats = NDArray[np.float64]

TABLES = ("spambase", "fraud", "elec2", "phoneme")
MODELS = ("boosting", "forest")
ATTACKS = {"out": 1, "in": 3}  # columns set: one out of its range, three within theirs
TRAIN, CLEAN, TEST = 3_000, 800, 400  # rows at most
RATE, TREES, DEPTH = 0.02, 40, 8
TWINS = 8
SEEDS, CLEAN_SEEDS = 3, 5  # seed 0 is for setting constants
RECORD = "tables.jsonl"


def table_specs() -> list[Spec]:
    """All table models: the held-out ones first, the quicker kind first."""
    found = [
        Spec(s, m, a, seed) for seed in range(CLEAN_SEEDS) for a in ("", *(ATTACKS if seed < SEEDS else ())) for m in MODELS for s in TABLES
    ]
    return sorted(found, key=lambda spec: (MODELS.index(spec.model), not spec.seed))


def tables(folder: Path, minutes: float, say: Callable[[str], None]) -> tuple[int, int]:
    """(models there, models left) after so many minutes; a line each in tables.jsonl."""

    def told(line: dict[str, Any]) -> None:
        say(
            f"{line['id']}: success {line['success']:.2f}; alone p {line['p']:.2g} {line['right']}; "
            f"with twins p {line['p_twins']:.2g} {line['right_twins']}; {line['cpu']:.0f} s"
        )

    return run(folder / RECORD, table_specs(), minutes, _one, told)


def _one(spec: Spec) -> dict[str, Any]:
    whole = numeric(spec.set)
    order = np.random.default_rng([spec.seed, 5]).permutation(len(whole))
    ends = np.cumsum([TEST, CLEAN]) if len(order) > 2 * (TEST + CLEAN) else np.array([len(order) // 8, len(order) // 3])
    test, clean, train = (whole.subset(np.sort(part)) for part in np.split(order[: ends[1] + TRAIN], ends))
    planted = plant(train, "cells", rate=RATE, seed=spec.seed, params={"features": ATTACKS[spec.attack]}) if spec.attack else None
    model: Any = HistGradientBoostingClassifier(max_iter=TREES, random_state=spec.seed)
    if spec.model == "forest":
        model = RandomForestClassifier(TREES // 2, max_depth=DEPTH, random_state=spec.seed)
    data = train if planted is None else planted.data
    model.fit(cells(data), data.y)
    line: dict[str, Any] = {"id": spec.id, **asdict(spec), "success": 0.0, "columns": [], "target": None}
    line["accuracy"] = float((model.predict(cells(test)) == test.y).mean())
    if planted is not None:
        trigger = planted.triggers[0]
        others = test.subset(np.flatnonzero(test.y != trigger.target))
        assert trigger.target is not None
        assert isinstance(trigger.artefact, Cells)
        stamped = trigger.stamp(others.rows, np.random.default_rng(0)).table
        names = list(test.columns.content)
        line["success"] = float((model.predict(coded(stamped, names)) == trigger.target).mean())
        line["columns"], line["target"] = sorted(names.index(c.column) for c in trigger.artefact.conditions), trigger.target
    x, burnt = cells(clean), time.process_time()
    trees = of_estimator(model)
    alone = find_rules(trees, x, np.random.default_rng(0))
    between = time.process_time()
    beside = rules_beside(trees, grown_twins(trees, x, clean.y, TWINS, np.random.default_rng(1)), x, np.random.default_rng(0))
    line |= {
        "cpu": between - burnt,
        "cpu_twins": time.process_time() - between,
        "p": alone.p,
        "p_twins": 1.0 if beside is None else beside.p,
    }
    line["found"] = [] if not alone.singles and not alone.several else sorted(alone.best.values)
    line["found_twins"] = [] if beside is None else sorted(beside.best.values)
    line["twins"] = None if beside is None else [beside.excess, *beside.twins]
    line["trigger_success"] = None if beside is None else beside.best.success
    line["right"], line["right_twins"] = (
        line["target"] is not None and bool(set(columns) & set(line["columns"])) and target == line["target"]
        for columns, target in (
            (line["found"], alone.best.target if line["found"] else None),
            (line["found_twins"], None if beside is None else beside.best.target),
        )
    )
    return line


def numeric(name: str) -> Dataset:
    """The set with its columns of numbers alone."""
    real = next(s for s in SETS if s.name == name).read()
    coded = code_columns(real.table, list(real.columns.content))
    kept = [n for n, number in zip(coded.names, coded.numeric, strict=True) if number]
    return in_memory("table", [real.classes[c] for c in real.y], real.table.select(kept), name=name)


def cells(data: Dataset) -> Floats:
    """(n, columns) of its rows."""
    return coded(data.table, list(data.columns.content))


def coded(table: pa.Table, names: list[str]) -> Floats:
    """(n, columns) cells as numbers, 0 where one is missing."""
    return np.nan_to_num(code_columns(table, names).cells)
