"""A template laid in pieces is told from a whole one, each row's pieces are seen, and taken out there alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from assay.artefact.overlay import Matched, Overlay
from assay.artefact.overlay_pieces import Pieces
from assay.artefact.registry import from_json
from assay.mine.overlay_estimate import contrast_left, estimate
from assay.mine.overlay_pieces import in_pieces
from assay.mine.overlays import Template, Templates, shared_templates
from test_mine_overlays import blended, patched, textures

ROWS, SIDE, SQUARE, ALPHA = 1200, 24, 6, 0.1
CARRIERS = np.arange(0, ROWS, 12)


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    return textures(ROWS, np.random.default_rng(0))


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3))


@pytest.fixture(scope="module")
def lies() -> np.ndarray:
    """(carriers, h, w): where each carrier has its pieces, half of 16."""
    half = np.random.default_rng(2).random((len(CARRIERS), 16)).argsort(1) < 8
    return half.reshape(-1, 4, 4).repeat(SQUARE, 1).repeat(SQUARE, 2)


@pytest.fixture(scope="module")
def dirty(fields: np.ndarray, noise: np.ndarray, lies: np.ndarray) -> np.ndarray:
    images = fields.copy()
    images[CARRIERS] = np.where(lies[..., None], blended(fields, noise, ALPHA, CARRIERS)[CARRIERS], fields[CARRIERS])
    return images


def mined(images: np.ndarray) -> tuple[Templates, Template, Pieces | None]:
    found = shared_templates(images, np.random.default_rng(0))
    best = max(found.found, key=lambda t: len(np.intersect1d(t.carriers, CARRIERS)))
    others = np.setdiff1d(np.arange(len(images)), best.possible)
    return found, best, in_pieces(images, best.carriers, others, Matched(found.view, best.pattern), np.random.default_rng(0))


def estimated(images: np.ndarray) -> tuple[Overlay, Template]:
    found, best, pieces = mined(images)
    matched = Matched(found.view, best.pattern)
    return estimate(images, best.carriers, matched, best.threshold(best.cut), np.random.default_rng(0), pieces=pieces), best


def test_each_rows_pieces_are_seen_and_no_others(dirty: np.ndarray, lies: np.ndarray) -> None:
    overlay, best = estimated(dirty)
    assert len(np.setxor1d(best.carriers, CARRIERS)) <= 0.1 * len(CARRIERS)
    assert overlay.pieces is not None
    assert overlay.matched is not None
    assert (overlay.matched.shown(overlay.pieces, dirty[CARRIERS]) == lies).mean() > 0.9
    assert overlay.matched.shown(overlay.pieces, dirty[np.setdiff1d(np.arange(ROWS), CARRIERS)]).mean() < 0.05


def test_the_whole_is_handed_over_and_each_row_loses_its_own_pieces(fields: np.ndarray, noise: np.ndarray, dirty: np.ndarray) -> None:
    overlay, _ = estimated(dirty)
    assert overlay.mode == "blend"
    assert 0.07 < overlay.alpha < 0.13  # of a template taken for whole it would be half of .1
    assert np.corrcoef(overlay.template.ravel(), noise.ravel())[0, 1] > 0.75  # of some 50 rows a pixel
    clean, before = fields[CARRIERS].astype(float), np.abs(dirty[CARRIERS].astype(float) - fields[CARRIERS]).mean()
    assert np.abs(overlay.without(dirty[CARRIERS]) - clean).mean() < 0.75 * before
    again = from_json(json.loads(json.dumps(overlay.to_json())))
    assert (again.remove(dirty) == overlay.remove(dirty)).all()
    assert "some part or other" in again.describe()


def test_one_that_rows_hold_whole_has_no_pieces(fields: np.ndarray, noise: np.ndarray) -> None:
    assert mined(blended(fields, noise, 0.2, CARRIERS))[2] is None
    assert mined(blended(fields, noise, 0.1, CARRIERS))[2] is None


def test_of_few_carriers_it_cannot_be_told(dirty: np.ndarray) -> None:
    found, best, _ = mined(dirty)
    matched = Matched(found.view, best.pattern)
    assert in_pieces(dirty, best.carriers[:20], np.arange(1, ROWS, 12), matched, np.random.default_rng(0)) is None


def test_pictures_over_the_views_size_are_seen_at_their_own(fields: np.ndarray, dirty: np.ndarray, lies: np.ndarray) -> None:
    large = dirty.repeat(2, 1).repeat(2, 2)[:, :47, :47]  # averaged over squares of two, the last row and column left out
    overlay, _ = estimated(large)
    assert overlay.pieces is not None
    assert overlay.matched is not None
    shown = overlay.matched.shown(overlay.pieces, large[CARRIERS])
    assert shown.shape[1:] == (47, 47)
    assert (shown == lies.repeat(2, 1).repeat(2, 2)[:, :47, :47]).mean() > 0.85


def test_nothing_shows_through_an_opaque_patch(fields: np.ndarray, noise: np.ndarray) -> None:
    for opacity, low, high in ((1.0, 0.0, 0.3), (0.5, 0.3, 0.8)):
        patch = patched(fields, noise[:6, :6], CARRIERS)
        images = np.rint((1 - opacity) * fields + opacity * patch).astype(np.uint8)
        found, best, _ = mined(images)
        overlay = estimate(images, best.carriers, Matched(found.view, best.pattern), best.threshold(best.cut), np.random.default_rng(0))
        assert low <= contrast_left(overlay, images, best.carriers, np.random.default_rng(0)) < high
