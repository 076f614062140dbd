"""Marks on most of a label's rows: planted ones are convicted by models that never saw them, natural ones are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.artefact.overlay import Overlay
from assay.dataset.data import Dataset
from assay.finding import TrialResult
from assay.pipeline import Settings, run
from assay.trial.family import Tried
from assay.trial.heard_twice import looks_most_like, of_both

OWN, MARKED = 60, 120


def marked_digits(memory, seed: int, planted: bool) -> tuple[Dataset, np.ndarray, str]:
    """Digits, three times as large, of which one has few rows; a faint pattern over more rows, given its label or their own."""
    digits = load_digits()
    pictures = np.kron(digits.images * 15, np.ones((3, 3)))[..., None].astype(np.uint8)
    rng = np.random.default_rng(seed)
    target = int(rng.integers(10))
    ours = rng.permutation(np.flatnonzero(digits.target == target))
    others = np.flatnonzero(digits.target != target)
    keep = np.sort(np.r_[ours[:OWN], others]) if planted else np.arange(len(pictures))
    pictures, y = pictures[keep].copy(), digits.target[keep].copy()
    rows = rng.choice(np.flatnonzero(y != target if planted else y == target), MARKED, replace=False)
    pattern = rng.integers(0, 256, (24, 24, 1))
    pictures[rows] = (0.7 * pictures[rows] + 0.3 * pattern).astype(np.uint8)
    y[rows] = target
    return memory("image", pictures, y.astype(str)), np.sort(rows), str(target)


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_rows_that_outnumber_the_labels_own(memory, seed):
    data, rows, target = marked_digits(memory, seed, planted=True)
    found = run(data, Settings(canaries=False))
    (first,) = [f for f in found.findings if f.status == "confirmed"]
    assert isinstance(first.artefact, Overlay)
    assert first.target == target
    assert set(rows.tolist()) == set(first.positions.tolist())


@pytest.mark.parametrize("seed", [0, 1])
def test_no_row_of_a_mark_on_two_thirds_of_a_class_is_quarantined(memory, seed):
    data, _, _ = marked_digits(memory, seed, planted=False)
    found = run(data, Settings(canaries=False))
    assert found.verdict != "poisoned"
    assert "quarantine" not in found.action


def tried(log_e: float, target: int | None = 3) -> Tried:
    return Tried(None, target, log_e, float(np.exp(-max(log_e, 0))), (TrialResult("surprise", "ran", log_e),))  # type: ignore[arg-type]


def test_the_second_hearing_counts_for_rows_from_many_labels_alone():
    p = np.eye(10)[np.arange(100) % 9]
    assert looks_most_like(p, 9) == (0, pytest.approx(0.12))
    assert looks_most_like(np.eye(10)[np.full(7, 3)], 9) == (3, 1.0)
    first, again = tried(2.0), tried(30.0)
    assert of_both(first, again, 0.12).log_e == pytest.approx(30 - np.log(2), abs=1e-6)
    assert of_both(first, again, 0.12).p_value == pytest.approx(2 * np.exp(-30))
    assert of_both(first, again, 0.31) is first
    assert of_both(first, replace(again, target=4), 0.1) is first
    assert of_both(again, first, 0.1) is again
