"""A patch is found, put in and taken out, at one place and anywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from sklearn.datasets import load_digits, load_sample_images

from assay.artefact.inpaint import fill_box, fill_boxes
from assay.artefact.patch import MARGIN, Patch
from assay.artefact.registry import from_json

CHECKER = np.repeat(np.where(np.indices((3, 3)).sum(0) % 2 == 0, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """400 cuttings (32, 32, 3) of the two photographs that scikit-learn ships."""
    rng = np.random.default_rng(0)
    cuttings = []
    for _ in range(200):
        for image in load_sample_images().images:
            r, c = rng.integers(0, image.shape[0] - 128), rng.integers(0, image.shape[1] - 128)
            cuttings.append(image[r : r + 128 : 4, c : c + 128 : 4])
    return np.stack(cuttings)


@st.composite
def patches(draw: st.DrawFn, anywhere: bool) -> Patch:
    h, w = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    mask = rng.random((h, w)) < 0.7
    mask[0, 0] = True
    place = (None, None) if anywhere else (draw(st.integers(0, 11 - h)), draw(st.integers(0, 9 - w)))
    return Patch(rng.integers(0, 256, (h, w, 3), dtype=np.uint8), mask, *place, tolerance=draw(st.integers(0, 60)))


@settings(max_examples=60, deadline=None)
@given(patch=st.booleans().flatmap(lambda anywhere: patches(anywhere)), seed=st.integers(0, 1000))
def test_what_is_put_in_is_found_and_only_its_mask_changes(patch: Patch, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (4, 11, 9, 3), dtype=np.uint8)
    after = patch.insert(before, rng)
    assert patch.present(after).all()
    changed = (before != after).any(3).sum((1, 2))
    assert (changed <= patch.mask.sum()).all()
    again = from_json(json.loads(json.dumps(patch.to_json())))
    assert isinstance(again, Patch)
    assert again.to_json() == patch.to_json()
    assert (again.present(before) == patch.present(before)).all()
    assert again.iou(patch) == 1


def test_anywhere_agrees_with_looking_at_every_place_by_itself(photographs: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    some = photographs[:6].copy()
    some[2, 5:8, 9:12] = CHECKER
    patch = Patch(CHECKER, rng.random((3, 3)) < 0.8, None, None)
    tops, lefts, far = patch.places(some)
    for i in range(len(some)):
        each = {(r, c): Patch(patch.pixels, patch.mask, r, c).places(some[i : i + 1])[2][0] for r in range(30) for c in range(30)}
        assert far[i] == pytest.approx(min(each.values()))
        assert each[int(tops[i]), int(lefts[i])] == pytest.approx(far[i])
    assert (tops[2], lefts[2], far[2]) == (5, 9, 0)


@pytest.mark.parametrize("place", [(29, 29), (12, 7), (None, None)])
def test_taking_out_restores_the_neighbourhood_and_nothing_else(photographs: np.ndarray, place: tuple[int | None, int | None]) -> None:
    patch = Patch(CHECKER, np.ones((3, 3), bool), *place)
    natural = patch.present(photographs)
    assert natural.mean() < 0.01
    clean = photographs[~natural]
    dirty = patch.insert(clean, np.random.default_rng(2))
    tops, lefts, _ = patch.places(dirty)
    restored = patch.remove(dirty)
    assert not patch.present(restored).any()
    outside = np.ones(clean.shape[:3], bool)
    for i, (r, c) in enumerate(zip(tops, lefts, strict=True)):
        outside[i, max(0, r - MARGIN) : r + 3 + MARGIN, max(0, c - MARGIN) : c + 3 + MARGIN] = False
    assert (restored[outside] == clean[outside]).all()
    # inside, interpolation is far nearer to the truth than the checker was (which is off by about 100)
    assert np.abs(restored[~outside].astype(int) - clean[~outside]).mean() < 25


def test_rows_without_it_come_back_as_they_were(photographs: np.ndarray) -> None:
    patch = Patch(CHECKER, np.ones((3, 3), bool), 29, 29)
    clean = photographs[~patch.present(photographs)]
    assert (patch.remove(clean) == clean).all()


def test_digits_stay_two_dimensional_and_grey_patches_fit_colour() -> None:
    digits = load_digits().images.astype(np.uint8)
    patch = Patch(np.full((2, 2, 1), 200, np.uint8), np.ones((2, 2), bool), 6, 6)
    assert patch.insert(digits).shape == digits.shape
    assert patch.present(patch.insert(digits)).all()
    assert patch.present(patch.insert(np.zeros((2, 8, 8, 3), np.uint8))).all()
    with pytest.raises(ValueError, match="3 channels in pictures of 1"):
        Patch(CHECKER, np.ones((3, 3), bool), 0, 0).present(digits)


def test_intersection_over_union() -> None:
    full = np.ones((3, 3), bool)
    at = Patch(CHECKER, full, 10, 10)
    assert at.iou(Patch(CHECKER, full, 10, 11)) == pytest.approx(6 / 12)
    assert at.iou(Patch(CHECKER, full, 9, 12)) == pytest.approx(2 / 16)
    assert at.iou(Patch(CHECKER, full, 20, 10)) == 0
    assert Patch(CHECKER, full, 20, 10).iou(at) == 0
    assert at.iou(Patch(CHECKER[:2], full[:2], None, None)) == pytest.approx(6 / 9)


def test_a_picture_too_small_has_no_patch_and_takes_none() -> None:
    patch = Patch(CHECKER, np.ones((3, 3), bool), 6, 6)
    small = np.zeros((2, 8, 8, 3), np.uint8)
    assert not patch.present(small).any()
    with pytest.raises(ValueError, match="does not fit into pictures of 8x8"):
        patch.insert(small)


def test_shown_enlarged_and_said_in_words() -> None:
    patch = Patch(CHECKER, np.eye(3, dtype=bool), 2, 4)
    assert patch.picture().shape == (96, 96, 3)
    assert patch.picture().dtype == np.uint8
    assert patch.describe() == "a patch of 3 pixels in a 3x3 box at row 2, column 4"


@given(
    top=st.integers(-3, 9),
    left=st.integers(-3, 9),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    level=st.integers(0, 255),
)
def test_an_even_picture_is_filled_evenly(top: int, left: int, height: int, width: int, level: int) -> None:
    images = np.full((2, 8, 8, 1), level, np.uint8)
    assert (fill_box(images, top, left, height, width) == level).all()


@given(patches(anywhere=True), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_quick_answer_is_that_of_the_best_match(patch: Patch, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (12, 9, 11, 3), dtype=np.uint8)
    images[::3] = patch.insert(images[::3])
    assert (patch.present(images) == (patch.places(images)[2] <= patch.tolerance)).all()


def test_a_larger_spot_of_an_even_colour_is_taken_out_whole() -> None:
    images = np.full((1, 20, 20, 1), 90, np.uint8)
    images[0, 4:11, 6:12] = 240
    spot = Patch(np.full((3, 3, 1), 240, np.uint8), np.ones((3, 3), bool), None, None, 0)
    assert spot.boxes(images).tolist() == [[4, 6, 7, 6]]
    assert (spot.remove(images) == 90).all()


def test_what_lies_in_the_corners_is_taken_out_there_and_the_picture_stays(photographs: np.ndarray) -> None:
    mask = np.zeros((32, 32), bool)
    mask[np.ix_([0, 1, 2, 29, 30, 31], [0, 1, 2, 29, 30, 31])] = True
    corners = Patch(np.tile(CHECKER, (11, 11, 1))[:32, :32], mask, 0, 0)
    laid = photographs[:20].copy()
    laid[:, mask] = corners.pixels[mask]
    left = corners.remove(laid)
    assert not corners.present(left).any()
    assert (left[:, 6:26, 6:26] == laid[:, 6:26, 6:26]).all()
    near = Patch(CHECKER, np.eye(3, dtype=bool), 4, 4)  # three pixels side by side are one thing
    assert len(near._parts()) == 0


@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(3, 12), st.sampled_from([1, 3]), st.integers(0, 2))
def test_boxes_filled_together_are_filled_as_one_by_one(seed: int, height: int, width: int, channels: int, margin: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (12, height, width, channels), dtype=np.uint8)
    boxes = rng.integers([-3, -3, 0, 0], [height + 2, width + 2, height + 5, width + 5], (12, 4))
    wide = boxes + margin * np.array([-1, -1, 2, 2])
    one_by_one = [fill_box(image[None], *box) for image, box in zip(images, wide.tolist(), strict=True)]
    assert np.array_equal(fill_boxes(images, boxes, margin), np.concatenate(one_by_one))


@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_a_box_takes_in_matches_that_touch_the_best_one(seed: int, tolerance: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 4, (6, 9, 10, 3), dtype=np.uint8) * np.uint8(60)
    patch = Patch(images[0, 2:4, 3:6], np.array([[1, 1, 0], [1, 0, 1]], bool), None, None, tolerance)
    tops, lefts, _ = patch.places(images)
    h, w = patch.shape
    for image, box, top, left in zip(images, patch.boxes(images).tolist(), tops, lefts, strict=True):
        here = [
            [np.abs(image[r : r + h, c : c + w][patch.mask].astype(int) - patch.pixels[patch.mask]).mean() for c in range(11 - w)]
            for r in range(10 - h)
        ]
        parts, _ = label(np.array(here) <= tolerance, structure=np.ones((3, 3)))
        down, across = np.nonzero(parts == parts[top, left]) if parts[top, left] else (np.array([top]), np.array([left]))
        assert box == [down.min(), across.min(), np.ptp(down) + h, np.ptp(across) + w]
