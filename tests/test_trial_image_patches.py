"""The family of patches, end to end: clean pictures untouched, planted patches convicted, whole and exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.artefact.patch import Patch
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.trial.canaries import PICTURES
from assay.trial.family import silent
from assay.trial.patches import PatchFamily
from assay.trial.sensitivity import sensitivity
from assay.trial.verdicts import Judged, judge_all, members
from picture_sets import pictures


@pytest.fixture(scope="module")
def digits() -> Dataset:
    data = load_digits()
    thrice = np.rint(data.images[:1300] * (255 / 16)).astype(np.uint8).repeat(3, 1).repeat(3, 2)
    return pictures(thrice[..., None], data.target[:1300])


def verdicts(data: Dataset, seed: int = 0) -> list[Judged]:
    examined = PatchFamily().examine(data, "fast", np.random.default_rng(seed), silent)
    return list(judge_all({"patch": examined}, 0.01))


def test_clean_digits_are_left_alone(digits: Dataset) -> None:
    assert [j.status for j in verdicts(digits) if j.status in ("confirmed", "suspected")] == []


@pytest.mark.parametrize(("pattern", "size"), [("checker", 3), ("noise", 4)])
def test_a_planted_patch_is_convicted_with_its_rows_and_nothing_else(digits: Dataset, pattern: str, size: int) -> None:
    truth = plant(digits, "patch", carriers=30, seed=3, params={"pattern": pattern, "size": size})
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert len(firm) == 1
    assert firm[0].target == truth.triggers[0].target
    assert set(members(truth.data, firm[0]).tolist()) == set(truth.carriers(0).tolist())
    artefact, planted = firm[0].candidate.artefact, truth.artefacts[0]
    assert isinstance(artefact, Patch)
    assert isinstance(planted, Patch)
    assert artefact.iou(planted) >= 0.8
    assert firm[0].effect is not None


def test_all_to_all_is_convicted_without_a_target(digits: Dataset) -> None:
    truth = plant(digits, "patch", carriers=80, seed=1, params={"mode": "all-to-all"})
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert [t.target for t in firm] == [None]
    found = set(firm[0].candidate.carriers.tolist())
    assert len(found & set(truth.carriers(0).tolist())) >= 0.95 * 80
    assert len(found - set(truth.carriers(0).tolist())) <= 2


def test_a_patch_that_moves_and_loses_pixels_is_convicted(digits: Dataset) -> None:
    truth = plant(digits, "patch", carriers=80, seed=2, params={"place": "random"})
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert len(firm) == 1
    artefact, planted = firm[0].candidate.artefact, truth.artefacts[0]
    assert isinstance(artefact, Patch)
    assert isinstance(planted, Patch)
    assert artefact.row is None
    assert artefact.iou(planted) >= 0.8
    found, carriers = set(members(truth.data, firm[0]).tolist()), set(truth.carriers(0).tolist())
    assert len(found & carriers) >= 0.6 * len(carriers)
    assert len(found - carriers) <= 1


def test_canaries_are_dealt_out_and_most_are_caught(digits: Dataset) -> None:
    copy = PatchFamily().plant(digits, "fast", np.random.default_rng(0))
    assert copy is not None
    rows = np.concatenate([p.carriers for p in copy.plantings])
    assert len(rows) == len(np.unique(rows))
    assert len(rows) <= 0.2 * len(digits)
    assert digits.images is not None
    assert copy.data.images is not None
    changed = np.flatnonzero((digits.images != copy.data.images).any((1, 2, 3)) | (digits.y != copy.data.y))
    assert set(changed.tolist()) <= set(rows.tolist())
    caught = sensitivity(copy.plantings, judge_all({"patch": PatchFamily().examine(
        copy.data, "fast", np.random.default_rng(1), silent)}, 0.01))  # fmt: skip
    assert {s.carriers for s in caught} >= {10, 20}
    assert sum(s.caught for s in caught if s.carriers == 20) >= 3


def test_what_it_needs_is_said(digits: Dataset) -> None:
    family = PatchFamily()
    assert family.applicable(digits, "fast").state == "ran"
    assert digits.images is not None
    assert family.applicable(pictures(digits.images[:, :4, :4], digits.y), "fast").state == "not_applicable"
    one = pictures(digits.images[:20], np.zeros(20, np.int64))
    assert family.applicable(one, "fast").state == "not_applicable"


@pytest.mark.data
def test_gtsrb_clean_and_with_twenty_carriers(real_data: Callable[[str], Path]) -> None:
    with np.load(real_data("gtsrb32/gtsrb32_every3.npz")) as stored:
        images, y = stored["x"][::3], stored["y"][::3].astype(np.int64)
    data = pictures(images, y)
    assert [j for j in verdicts(data) if j.status in ("confirmed", "suspected")] == []
    truth = plant(data, "patch", carriers=20, seed=4)
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert [set(members(truth.data, t).tolist()) for t in firm] == [set(truth.carriers(0).tolist())]


@pytest.mark.data
@pytest.mark.full
def test_a_sticker_scaled_and_turned_on_signs(real_data: Callable[[str], Path]) -> None:
    with np.load(real_data("gtsrb32/gtsrb32_every3.npz")) as stored:
        data = pictures(stored["x"][::3], stored["y"][::3].astype(np.int64))
    truth = plant(data, "sticker", rate=0.04, seed=1)
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    found, carriers = set(members(truth.data, firm[0]).tolist()), set(truth.carriers(0).tolist())
    assert len(firm) == 1
    assert len(found & carriers) >= 0.95 * len(carriers)
    assert len(found - carriers) <= 1


def test_canaries_of_a_large_set_go_into_a_sample() -> None:
    rng = np.random.default_rng(0)
    data = pictures(rng.integers(0, 256, (PICTURES + 50, 8, 8, 1), dtype=np.uint8), rng.integers(0, 3, PICTURES + 50))
    copy = PatchFamily().plant(data, "fast", rng)
    assert copy is not None
    assert len(copy.data) == PICTURES
    assert copy.data.images is not None
    for planting in copy.plantings:
        assert len(np.unique(copy.data.y[planting.carriers])) == 1
