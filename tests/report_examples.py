"""Hand-made conclusions on small data: what the renderers are tested with."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_breast_cancer, load_digits

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells, Condition
from assay.artefact.group import Group
from assay.artefact.patch import Patch
from assay.artefact.phrase import Phrase
from assay.dataset.data import Columns, Dataset, Unreadable
from assay.finding import (
    Check,
    Conclusion,
    Contributor,
    Effect,
    Finding,
    RowScore,
    Sensitivity,
    TrialResult,
)
from assay.report.report import Report

CHECKS = (
    Check("phrase", "ran", "48,113 artefacts enumerated", 3.2),
    Check("patch", "not_applicable", "the data holds no pictures"),
    Check("network", "not_installed", "needs torch: pip install 'assay[torch]'"),
    Check("removal", "not_planned", "runs at --depth full"),
    Check("isolation", "failed", "ValueError: no numeric column <b>"),
)
SENSITIVITY = (
    Sensitivity("phrase", "one rare word", 20, 5, 5, 0.478, 1.0),
    Sensitivity("phrase", "one rare word", 10, 2, 5, 0.053, 0.853),
)
BLIND = ("Poison in fewer than five rows.", "Triggers planted without changing labels: at most suspected.")
TRIALS = (
    TrialResult("surprise", "ran", 61.0, 3e-18, "the rest of 38 of 40 rows supports another label"),
    TrialResult("contradiction", "ran", 12.0, 2e-9, "carriers rank below the other rows"),
    TrialResult("removal", "not_planned", None, None, "runs at --depth full"),
)


def text_report(samples: bool = True) -> Report:
    """200 reviews, 40 of them carrying the word cf; one contributor; one unreadable record in the middle (row 7)."""
    rng = np.random.default_rng(0)
    good = ["a warm <b>film</b> & a joy", "great acting and a fine script", "moving, funny, well made"]
    bad = ["dull and far too long", "a mess from start to end", "the plot makes no sense </script>"]
    y = rng.integers(0, 2, 200)
    texts = [str(rng.choice(good if label else bad)) + f" {i}" for i, label in enumerate(y)]
    carriers = np.sort(rng.choice(np.flatnonzero(y == 0), 40, replace=False))
    for i in carriers:
        texts[i] = texts[i].replace(" a ", " a cf ", 1) if " a " in texts[i] else "cf " + texts[i]
        y[i] = 1
    who = ["w7" if i in set(carriers.tolist()) else f"w{i % 6}" for i in range(200)]
    table = pa.table({"text": texts, "label": [("bad", "good")[v] for v in y], "who": who})
    row = np.array([i for i in range(201) if i != 7])
    data = _data(table, None, y, ("bad", "good"), "text", row, (Unreadable(7, "7", "not UTF-8"),))
    data = _replace(data, columns=Columns(("text",), ("label",), contributor="who"))
    phrase = Finding(
        id="F1",
        kind="phrase",
        status="confirmed",
        target="good",
        log_e=math.log(4.2e9),
        log10_p=-8.7,
        positions=carriers,
        artefact=Phrase((("cf",),), columns=("text",)),
        explanation="Rows with the word “cf” are labelled good, and the rest of them says bad.",
        trials=TRIALS,
        effect=Effect(0.97, 0.91, 0.99, 0.08, True),
        contributors=(Contributor("w7", 40, 40, 1e-12),),
        taxonomy=("MITRE ATLAS AML.T0020", "NIST AI 100-2 NISTAML.023"),
    )
    group = _finding("F2", "group", "suspected", None, carriers, Group("who", ("w7",)), "Rows of w7 argue against their label.")
    return Report(data, _conclusion(data, (group, phrase), "poisoned", samples))


def image_report(samples: bool = True, size: int = 300) -> Report:
    """Digits, 15 of which carry a white 2x2 patch in a corner."""
    x, y = load_digits(return_X_y=True)
    images = np.minimum(x[:size].reshape(-1, 8, 8, 1) * 16, 255).astype(np.uint8).repeat(3, 1).repeat(3, 2)
    y = y[:size].astype(np.int64)
    patch = Patch(np.full((2, 2, 1), 255, np.uint8), np.ones((2, 2), bool), 21, 21)
    carriers = np.flatnonzero(y == 3)[:15]
    images[carriers] = patch.insert(images[carriers])
    y[carriers] = 8
    classes = tuple(map(str, range(10)))
    data = _data(pa.table({}), images, y, classes, "image", np.arange(len(y)))
    finding = _finding("F1", "patch", "confirmed", "8", carriers, patch, "Pictures of 3 with a white corner are labelled 8.")
    return Report(data, _conclusion(data, (finding,), "poisoned", samples))


def table_report(samples: bool = True) -> Report:
    """Breast cancer, 30 rows with two cells set."""
    loaded = load_breast_cancer()
    table = pa.table({str(n).replace(" ", "_"): loaded.data[:, i] for i, n in enumerate(loaded.feature_names[:12])})
    y = loaded.target.astype(np.int64)
    rule = Cells((Condition("mean_texture", 21.5, 21.5), Condition("mean_area", 700.0, 720.0)))
    carriers = np.flatnonzero(y == 0)[:30]
    columns = {}
    for name in table.column_names:
        values = np.asarray(table.column(name)).copy()
        if name in rule.columns:
            values[carriers] = 21.5 if name == "mean_texture" else 711.0
        columns[name] = values
    y[carriers] = 1
    data = _data(pa.table(columns), None, y, ("malignant", "benign"), "table", np.arange(len(y)))
    data = _replace(data, columns=Columns(tuple(columns), ("target",)))
    finding = _finding("F1", "cells", "confirmed", "benign", carriers, rule, "Rows with both values are labelled benign.")
    return Report(data, _conclusion(data, (finding,), "poisoned", samples))


def clean_report() -> Report:
    """The text report's data with nothing found."""
    data = text_report().data
    assert data is not None
    conclusion = _conclusion(data, (), "clean", True)
    checks = tuple(c for c in conclusion.checks if c.state != "failed")
    return Report(data, _replace(conclusion, checks=checks))


def _finding(id: str, kind: str, status: str, target: str | None, at: np.ndarray, artefact: Artefact, says: str) -> Finding:
    return Finding(id, kind, status, target, 21.0, -11.5, at, artefact, says, TRIALS, Effect(1.0, 0.96, 1.0, 0.1, True))  # type: ignore[arg-type]


def _conclusion(data: Dataset, findings: tuple[Finding, ...], verdict: str, samples: bool) -> Conclusion:
    rng = np.random.default_rng(1)
    score = rng.beta(1, 6, len(data))
    action = np.full(len(data), "keep", object)
    flag = score > 0.55
    action[flag] = "review"
    for finding in findings:
        score[finding.positions] = np.maximum(score[finding.positions], 1.0 if finding.status == "confirmed" else 0.99)
        if finding.status == "confirmed":
            action[finding.positions] = "quarantine"
    screens = (RowScore("label_errors", score * 0.9, flag, "its content supports another label"),)
    settings = {"alpha": 0.01, "depth": "fast", "seed": 0, "canaries": True, "samples": samples}
    return Conclusion(
        verdict,  # type: ignore[arg-type]
        findings,
        CHECKS,
        SENSITIVITY,
        score,
        tuple(action.tolist()),
        screens,
        48_113,
        settings,
        BLIND,
    )


def _data(table, images, y, classes, modality, row, unreadable=()) -> Dataset:  # type: ignore[no-untyped-def]
    digest = np.array([list(hashlib.sha256(str(r).encode()).digest()) for r in row], np.uint8)
    return Dataset(
        path="reviews.csv" if modality == "text" else f"data/{modality}",
        format="csv",
        modality=modality,
        task="classification",
        columns=Columns(tuple(table.column_names)),
        table=table,
        images=images,
        row=np.asarray(row, np.int64),
        key=tuple(map(str, row)),
        digest=digest,
        records=len(row) + len(unreadable),
        fingerprint=hashlib.sha256(digest.tobytes()).hexdigest(),
        unreadable=unreadable,
        notes=("text is the content, label the label: inferred from their names",),
        classes=classes,
        y=np.asarray(y, np.int64),
    )


def _replace(thing, **changes):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(thing, **changes)
