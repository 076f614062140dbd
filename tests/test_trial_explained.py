"""A relabelling that another finding explains is withdrawn; one that stands by itself stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.artefact.cells import Cells, Condition
from assay.artefact.relabelled import Relabelled
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.mine.candidate import Candidate
from assay.pipeline import Settings, run
from assay.trial.explained import asked_again
from assay.trial.family import Examined, Tried, silent
from assay.trial.relabelling import RelabellingFamily
from assay.trial.verdicts import judge_all

ALPHA = 0.01


@pytest.fixture(scope="module")
def moved(in_memory: Callable[..., Dataset]) -> Dataset:
    """Digits as columns, half of the threes relabelled eight."""
    shipped = load_digits()
    table = {f"x{j}": shipped.data[:, j] for j in range(64)}
    clean = in_memory(shipped.target.tolist(), table=table, content=tuple(table))
    digest = np.zeros((len(clean), 32), np.uint8)
    digest[:, :2] = np.stack(np.divmod(np.arange(len(clean)), 256), 1)
    return plant(replace(clean, digest=digest), "flip", target="class8", seed=3, params={"from": "class3", "share": 0.5}).data


@pytest.fixture(scope="module")
def relabelling(moved: Dataset) -> Examined:
    return RelabellingFamily().examine(moved, "fast", np.random.default_rng(0), silent)


def other(rows: np.ndarray, target: int) -> Examined:
    """Another family's finding, beyond doubt."""
    return Examined((Tried(Candidate(Cells((Condition("x0", 1, 1),)), rows), target, 200.0, 0.0, (), accused=rows),), 10)


def again(data: Dataset, examined: dict[str, Examined]) -> dict[str, float]:
    """Log e of each pair of classes after it was asked again."""
    judged = judge_all(examined, ALPHA)
    found = asked_again(examined, judged, dict.fromkeys(examined, data), "fast", np.random.default_rng(1))
    pairs = [(cast(Relabelled, t.candidate.artefact), t.log_e) for t in found["relabelling"].tried]
    return {f"{a.source}-{a.target}": log_e for a, log_e in pairs}


def test_what_stands_by_itself_stays(moved: Dataset, relabelling: Examined) -> None:
    backdoor = np.flatnonzero(moved.y == 1)[:60]
    assert again(moved, {"relabelling": relabelling, "cells": other(backdoor, 1)})["class3-class8"] > 10


def test_a_lopsidedness_that_is_gone_without_the_others_rows_is_withdrawn(moved: Dataset, relabelling: Examined) -> None:
    rows = np.flatnonzero((moved.y == 8) & (load_digits().target == 3))
    found = again(moved, {"relabelling": relabelling, "cells": other(rows, 8)})
    assert relabelling.tried[0].log_e > 10
    assert np.isin(relabelling.tried[0].candidate.carriers, rows).mean() > 0.8
    assert found["class3-class8"] < 4


def test_nothing_is_asked_where_no_other_finding_stands(moved: Dataset, relabelling: Examined) -> None:
    examined = {"relabelling": relabelling, "cells": Examined((), 10)}
    found = asked_again(examined, judge_all(examined, ALPHA), dict.fromkeys(examined, moved), "fast", np.random.default_rng(1))
    assert found == examined


def test_another_labels_view_is_no_explanation(moved: Dataset, relabelling: Examined) -> None:
    rows = relabelling.tried[0].candidate.carriers
    examined = {"relabelling[a]": relabelling, "cells[b]": other(rows, 8)}
    found = asked_again(examined, judge_all(examined, ALPHA), dict.fromkeys(examined, moved), "fast", np.random.default_rng(1))
    assert found == examined


def test_a_scan_says_that_it_asked(moved: Dataset) -> None:
    """Flips beside a trigger in columns that digits leave empty."""
    poisoned = plant(moved, "cells", carriers=60, target="class1", seed=1).data
    found = run(poisoned, Settings(canaries=False))
    kinds = {f.kind for f in found.findings if f.status == "confirmed"}
    assert "relabelling" in kinds
    assert ("relabelling, once more" in {c.name for c in found.checks}) == (len(kinds) > 1)
