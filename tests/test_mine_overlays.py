"""Overlays are found without labels: exactly their carriers, whatever they show, and nothing in pictures that share nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits, load_sample_images

from assay.artefact.overlay import Matched, Overlay
from assay.artefact.overlay_view import View
from assay.artefact.registry import from_json
from assay.mine import overlays
from assay.mine.overlay_estimate import cover, estimate
from assay.mine.overlays import MIRROR, MOST, SUPPORT, _beyond, shared_templates


def cuttings(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 24, 24, 3) cuttings, at random places and sizes, of the two photographs that scikit-learn ships."""
    photographs = load_sample_images().images
    cut = []
    for i in range(count):
        image, step = photographs[i % 2], int(rng.integers(3, 6))
        r, c = rng.integers(0, image.shape[0] - 24 * step), rng.integers(0, image.shape[1] - 24 * step)
        cut.append(image[r : r + 24 * step : step, c : c + 24 * step : step])
    return np.stack(cut)


def textures(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 24, 24, 3) smoothed noise, each with a smoothness and contrast of its own."""
    made = []
    for _ in range(count):
        field = gaussian_filter(rng.standard_normal((24, 24, 3)), (rng.uniform(0.5, 3), rng.uniform(0.5, 3), 0.5))
        made.append(np.clip(128 + rng.uniform(20, 60) * field / field.std(), 0, 255))
    return np.rint(np.stack(made)).astype(np.uint8)


def whole_photograph() -> np.ndarray:
    """One of the two, 24x24."""
    picture = Image.fromarray(load_sample_images().images[1])
    return np.asarray(picture.resize((24, 24), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    return cuttings(1200, np.random.default_rng(0))


def blended(images: np.ndarray, template: np.ndarray, alpha: float, carriers: np.ndarray) -> np.ndarray:
    images = images.copy()
    images[carriers] = np.rint((1 - alpha) * images[carriers] + alpha * template).astype(np.uint8)
    return images


def patched(images: np.ndarray, patch: np.ndarray, carriers: np.ndarray) -> np.ndarray:
    images = images.copy()
    images[carriers, 18 : 18 + len(patch), 18 : 18 + len(patch)] = patch
    return images


@pytest.mark.parametrize(("what", "alpha", "most"), [("noise", 0.2, 39), ("noise", 0.1, 36), ("photograph", 0.25, 24)])
def test_carriers_are_found_and_no_other_row(photographs: np.ndarray, what: str, alpha: float, most: int) -> None:
    rng = np.random.default_rng(3)
    template = rng.integers(0, 256, photographs.shape[1:]) if what == "noise" else whole_photograph()
    carriers = np.sort(rng.choice(len(photographs), 40, replace=False))
    dirty = blended(photographs, template, alpha, carriers)
    mined = shared_templates(dirty, np.random.default_rng(0))
    best = mined.found[0]
    assert len(np.intersect1d(best.carriers, carriers)) >= most  # of 40
    assert len(np.setdiff1d(best.carriers, carriers)) <= 1
    overlay = estimate(dirty, best.carriers, Matched(mined.view, best.pattern), best.threshold(best.cut), np.random.default_rng(0))
    assert overlay.mode == "blend"
    assert abs(overlay.alpha - alpha) < 0.12
    assert (overlay.present(dirty) == np.isin(np.arange(len(dirty)), best.carriers)).mean() > 0.995
    restored = overlay.without(dirty[carriers]).astype(float)
    before = np.abs(dirty[carriers].astype(float) - photographs[carriers]).mean()
    assert np.abs(restored - photographs[carriers]).mean() < 0.9 * before
    again = from_json(json.loads(json.dumps(overlay.to_json())))
    assert isinstance(again, Overlay)
    assert (again.present(dirty) == overlay.present(dirty)).all()


def test_pictures_that_share_nothing_give_nothing() -> None:
    assert shared_templates(textures(1000, np.random.default_rng(0)), np.random.default_rng(0)).found == ()


def test_rows_that_were_not_searched_are_looked_at_too(photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlays, "HELD", 500)
    noise = np.random.default_rng(1).integers(0, 256, photographs.shape[1:])
    carriers = np.arange(0, 1200, 20)
    mined = shared_templates(blended(photographs, noise, 0.2, carriers), np.random.default_rng(0))
    assert [t.carriers.tolist() for t in mined.found] == [carriers.tolist()]


def test_a_patch_covers_little_and_an_overlay_much() -> None:
    images, rng = textures(800, np.random.default_rng(0)), np.random.default_rng(1)
    for dirty, low, high in (
        (blended(images, rng.integers(0, 256, images.shape[1:]), 0.2, np.arange(0, 800, 20)), 0.4, 1.0),
        (patched(images, rng.integers(0, 256, (3, 3, 3)), np.arange(0, 800, 20)), 0.0, 0.1),
    ):
        mined = shared_templates(dirty, np.random.default_rng(0))
        (found,) = mined.found
        overlay = estimate(dirty, found.carriers, Matched(mined.view, found.pattern), 0.0, np.random.default_rng(0))
        assert low <= cover(overlay, dirty) <= high


def test_the_view_evens_out_what_pictures_have_in_common() -> None:
    digits = np.rint(load_digits().images[:600] * (255 / 16)).astype(np.uint8).repeat(3, 1).repeat(3, 2)[..., None]
    view = View.learn(digits)
    assert np.abs(view(digits).mean(0)).max() < 0.02
    assert np.isfinite(view(np.zeros((2, 24, 24, 1), np.uint8))).all()
    again = View.from_json(json.loads(json.dumps(view.to_json())))
    assert (again(digits) == view(digits)).all()
    with pytest.raises(ValueError, match="dimensions"):
        View.from_json({**view.to_json(), "mean": {"shape": [10**9], "f4": ""}})


def plainly_beyond(scores: np.ndarray) -> np.ndarray:
    """As `_beyond` says, with every row sorted."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order][: max(int(MOST * len(scores)), SUPPORT) + 1]
    count = SUPPORT
    while count < len(ordered):
        more = int((ordered >= ordered[:count].mean() / 2).argmin()) if (ordered < ordered[:count].mean() / 2).any() else len(ordered)
        if more <= count:
            break
        count = more
    clear = [i for i in range(min(count, len(ordered))) if (scores <= -ordered[i]).sum() <= MIRROR * (i + 1)]
    return np.sort(order[: max(clear[-1] + 1 if clear else SUPPORT, SUPPORT)])


@given(st.integers(0, 2**32 - 1), st.integers(SUPPORT, 300), st.floats(0, 8), st.booleans())
def test_rows_beyond_are_those_that_sorting_all_of_them_gives(seed: int, rows: int, lifted: float, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=rows)
    scores[: rng.integers(0, rows // 3 + 1)] += lifted
    scores = np.round(scores) if ties else scores
    assert np.array_equal(_beyond(scores), plainly_beyond(scores))
