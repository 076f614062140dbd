"""The family of overlays, end to end: clean pictures untouched, blended ones convicted, every row and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.artefact.overlay import Overlay
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.mine.candidate import Candidate
from assay.mine.overlays import Template
from assay.trial.family import Tried, silent
from assay.trial.overlays import OverlayFamily, fainter, foreseen
from assay.trial.sensitivity import sensitivity
from assay.trial.verdicts import Judged, judge_all, members
from picture_sets import pictures


@pytest.fixture(scope="module")
def digits() -> Dataset:
    data = load_digits()
    thrice = np.rint(data.images[:1300] * (255 / 16)).astype(np.uint8).repeat(3, 1).repeat(3, 2)
    return pictures(thrice[..., None], data.target[:1300])


def verdicts(data: Dataset, seed: int = 0) -> list[Judged]:
    examined = OverlayFamily().examine(data, "fast", np.random.default_rng(seed), silent)
    return list(judge_all({"overlay": examined}, 0.01))


def test_clean_digits_are_left_alone(digits: Dataset) -> None:
    assert [j.status for j in verdicts(digits) if j.status in ("confirmed", "suspected")] == []


@pytest.mark.parametrize("alpha", [0.2, 0.1])
def test_blended_noise_is_convicted_with_its_rows_and_nothing_else(digits: Dataset, alpha: float) -> None:
    truth = plant(digits, "blend", carriers=30, seed=3, params={"alpha": alpha})
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert len(firm) == 1
    assert firm[0].target == truth.triggers[0].target
    assert set(members(truth.data, firm[0]).tolist()) == set(truth.carriers(0).tolist())
    assert firm[0].effect is not None


def test_two_overlays_with_two_targets_are_two_findings(digits: Dataset) -> None:
    truth = plant(digits, "blend", carriers=60, seed=5, params={"triggers": 2})
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert {t.target for t in firm} == {t.target for t in truth.triggers}
    assert set(np.concatenate([members(truth.data, t) for t in firm]).tolist()) == set(np.flatnonzero(truth.poisoned).tolist())


def test_an_overlay_on_rows_of_any_label_is_no_poison(digits: Dataset) -> None:
    truth = plant(digits, "blend", carriers=60, seed=2)
    assert [j for j in verdicts(digits.with_content(truth.data.rows)) if j.status in ("confirmed", "suspected")] == []


def test_frames_of_one_track_are_no_overlay(digits: Dataset) -> None:
    assert digits.images is not None
    images, y, rng = digits.images.copy(), digits.y.copy(), np.random.default_rng(0)
    track = np.arange(0, 1200, 30)
    images[track] = np.clip(images[7].astype(int) + rng.integers(-12, 13, images[track].shape), 0, 255)
    y[track] = (y[7] + 1) % 10
    examined = OverlayFamily().examine(pictures(images, y), "fast", rng, silent)
    assert all(len(np.intersect1d(t.candidate.carriers, track)) < 5 or t.log_e < 0 for t in examined.tried)


def test_canaries_are_dealt_out_and_most_are_caught(digits: Dataset) -> None:
    copy = OverlayFamily().plant(digits, "fast", np.random.default_rng(0))
    assert copy is not None
    rows = np.concatenate([p.carriers for p in copy.plantings])
    assert len(rows) == len(np.unique(rows)) <= 0.2 * len(digits)
    examined = OverlayFamily().examine(copy.data, "fast", np.random.default_rng(1), silent)
    caught = sensitivity(copy.plantings, judge_all({"overlay": examined}, 0.01))
    assert sum(s.caught for s in caught) >= 0.6 * sum(s.planted for s in caught)


def test_fainter_carriers_are_let_in_only_where_other_labels_have_none() -> None:
    rng = np.random.default_rng(0)
    scores, y = rng.standard_normal(5000), np.repeat(np.arange(10), 500)
    scores[:40] += 7.0
    template = Template(np.ones(4, np.float32), 0.0, 0.1, scores, np.flatnonzero(scores > 7.0), 0.1)
    carriers, cut = fainter(template, y, 0)
    assert set(carriers[y[carriers] == 0].tolist()) >= set(range(40)) - {int(scores[:40].argmin())}
    assert len(carriers) <= 42
    assert cut <= template.cut
    # the target's own rows stand a little higher than others by nature: that makes them no carriers
    scores[500:] = np.minimum(scores[500:], 1.9)
    carriers, _ = fainter(template, y, 0)
    assert len(carriers) <= 42


def test_carriers_whose_content_foretells_the_label_are_acquitted() -> None:
    accused = Tried(Candidate(Overlay(np.zeros((4, 4, 1), np.float32), 0.2, "blend", 0.0), np.arange(30)), 1, 12.0, 1e-6, ())
    y, labels = np.ones(30, np.int64), np.repeat(np.arange(10), 50)
    for chance, kept in ((0.06, True), (0.5, False)):
        p = np.full((30, 10), (1 - chance) / 9)
        p[:, 1] = chance
        judged = foreseen(accused, p, y, labels)
        assert (judged.log_e > 0) is kept
    assert foreseen(accused, p, y, np.repeat([0, 1], 50)).log_e > 0  # half of all rows have that label


def test_what_it_needs_is_said(digits: Dataset) -> None:
    family = OverlayFamily()
    assert family.applicable(digits, "fast").state == "ran"
    assert digits.images is not None
    assert family.applicable(pictures(digits.images[:, :8, :8], digits.y), "fast").state == "not_applicable"
    assert family.applicable(digits.subset(np.arange(40)), "fast").state == "not_applicable"


@pytest.mark.data
def test_gtsrb_clean_and_with_noise(real_data: Callable[[str], Path]) -> None:
    with np.load(real_data("gtsrb32/gtsrb32_every3.npz")) as stored:
        images, y = stored["x"][::5], stored["y"][::5].astype(np.int64)
    data = pictures(images, y)
    assert [j for j in verdicts(data) if j.status in ("confirmed", "suspected")] == []
    truth = plant(data, "blend", carriers=30, seed=4)
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert [set(members(truth.data, t).tolist()) for t in firm] == [set(truth.carriers(0).tolist())]


def test_faint_patches_laid_over_cover_rows_too_are_convicted(digits: Dataset) -> None:
    truth = plant(digits, "adap-patch", carriers=120, seed=3, params={"triggers": 2})
    firm = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    assert [t.target for t in firm] == [truth.triggers[0].target] * 2
    named = np.unique(np.concatenate([members(truth.data, t) for t in firm]))
    assert truth.cover is not None
    assert (truth.poisoned | truth.cover)[named].all()
    assert truth.poisoned[named].sum() >= 0.9 * 120


@pytest.mark.data
def test_a_template_in_pieces_over_cover_rows_too_is_convicted(real_data: Callable[[str], Path]) -> None:
    with np.load(real_data("gtsrb32/gtsrb32_every3.npz")) as stored:
        images, y = stored["x"][::5], stored["y"][::5].astype(np.int64)
    truth = plant(pictures(images, y), "adap-blend", carriers=60, seed=3)
    (found,) = [j.tried for j in verdicts(truth.data) if j.status == "confirmed"]
    named = members(truth.data, found)
    assert truth.cover is not None
    assert (truth.poisoned | truth.cover)[named].all()
    assert truth.poisoned[named].sum() >= 0.9 * 60


def test_a_patch_through_which_nothing_shows_is_left_to_others(digits: Dataset) -> None:
    truth = plant(digits, "trojan-square", carriers=60, seed=3)
    tried = OverlayFamily().examine(truth.data, "fast", np.random.default_rng(0), silent).tried
    assert not any(truth.poisoned[t.candidate.carriers].any() for t in tried)
