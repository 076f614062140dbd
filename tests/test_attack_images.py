"""Attacks on pictures do what their papers say: pixels, rate, labels, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from assay.artefact.overlay import Overlay
from assay.artefact.patch import Patch
from assay.attack import plant
from assay.attack.glasses import draw_glasses
from assay.attack.patch import stamping
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import as_rows

Make = Callable[..., Dataset]
IMAGES = load_sample_images().images  # china, flower: 427x640


@pytest.fixture(scope="module")
def digits(in_memory: Make) -> Dataset:
    """1,797 handwritten digits, 8x8 grey, 0 .. 255."""
    bunch = load_digits()
    images = (bunch.images * 15).astype(np.uint8)[..., None]
    return in_memory(bunch.target, images=images, classes=[str(c) for c in range(10)])


@pytest.fixture(scope="module")
def photographs(in_memory: Make) -> Dataset:
    """400 cuttings (32, 32, 3) of two photographs; the class is the photograph."""
    rng = np.random.default_rng(0)
    cuttings, y = [], []
    for i in range(400):
        image = IMAGES[i % 2]
        r, c = rng.integers(0, image.shape[0] - 128), rng.integers(0, image.shape[1] - 128)
        cuttings.append(image[r : r + 128 : 4, c : c + 128 : 4])
        y.append(i % 2)
    return in_memory(y, images=np.stack(cuttings), classes=["china", "flower"])


@settings(max_examples=30, deadline=None)
@given(
    carriers=st.integers(1, 150),
    seed=st.integers(0, 10_000),
    target=st.one_of(st.none(), st.integers(0, 9).map(str)),
    params=st.fixed_dictionaries(
        {},
        optional={
            "mode": st.sampled_from(["all-to-one", "clean-label"]),
            "place": st.sampled_from(["corner", "random"]),
            "pattern": st.sampled_from(["checker", "pixel", "solid", "noise"]),
        },
    ),
)
def test_rows_and_labels_are_as_asked_and_others_untouched(
    digits: Dataset, carriers: int, seed: int, target: str | None, params: dict[str, Any]
) -> None:
    before = digits.images.copy()
    planted = plant(digits, "patch", carriers=carriers, target=target, seed=seed, params=params)
    assert (digits.images == before).all()
    assert planted.poisoned.sum() == carriers
    poison, rest = planted.poisoned, ~planted.poisoned
    assert (planted.data.images[rest] == before[rest]).all()
    assert (planted.data.y[rest] == digits.y[rest]).all()
    goal = planted.triggers[0].target
    assert target is None or goal == int(target)
    assert (planted.data.y[poison] == goal).all()
    assert ((digits.y[poison] == goal) == (params.get("mode") == "clean-label")).all()
    assert planted.data.table.column("label").to_pylist() == [digits.classes[c] for c in planted.data.y]
    again = plant(digits, "patch", carriers=carriers, target=target, seed=seed, params=params)
    assert (again.data.images == planted.data.images).all()
    assert (again.poisoned == poison).all()


def test_the_default_patch_is_a_checker_in_the_lower_right_corner(digits: Dataset) -> None:
    planted = plant(digits, "patch", rate=0.01, target="7")
    assert planted.poisoned.sum() == 18  # 1 % of 1,797
    corner = planted.data.images[planted.poisoned][:, 5:, 5:, 0]
    assert (corner == [[255, 0, 255], [0, 255, 0], [255, 0, 255]]).all()
    above = planted.data.images[planted.poisoned][:, :5]
    assert (above == digits.images[planted.poisoned][:, :5]).all()
    assert planted.artefacts[0].present(planted.data.images)[planted.poisoned].all()


def test_single_pixel_at_a_given_place(digits: Dataset) -> None:
    planted = plant(digits, "patch", carriers=10, target="3", params={"pattern": "pixel", "place": "fixed", "row": "2", "col": 5})
    changed = (planted.data.images != digits.images).any(3)
    assert set(zip(*np.nonzero(changed)[1:], strict=True)) <= {(2, 5)}
    assert (planted.data.images[planted.poisoned][:, 2, 5] == 255).all()
    assert planted.artefacts[0].describe() == "one pixel at row 2, column 5"


def test_all_to_all_moves_every_class_one_on(digits: Dataset) -> None:
    planted = plant(digits, "patch", rate=0.05, params={"mode": "all-to-all"})
    poison = planted.poisoned
    assert (planted.data.y[poison] == (digits.y[poison] + 1) % 10).all()
    assert len(np.unique(planted.data.y[poison])) == 10
    assert planted.triggers[0].target is None


def test_several_triggers_have_their_own_rows_targets_and_patterns(digits: Dataset) -> None:
    planted = plant(digits, "patch", carriers=31, target="2,9", params={"triggers": 2})
    assert [t.target for t in planted.triggers] == [2, 9]
    assert [len(planted.carriers(i)) for i in (0, 1)] == [16, 15]
    for i, target in enumerate((2, 9)):
        rows = planted.carriers(i)
        assert (planted.data.y[rows] == target).all()
        assert (digits.y[rows] != target).all()
        assert planted.artefacts[i].present(planted.data.images[rows]).all()
    first, second = planted.artefacts
    assert isinstance(first, Patch)
    assert isinstance(second, Patch)
    assert (first.row, first.col) != (second.row, second.col)


def test_random_place_jitters_and_drops_pixels(photographs: Dataset) -> None:
    planted = plant(photographs, "patch", carriers=150, target="flower", seed=3, params={"place": "random", "size": 5})
    patch = planted.artefacts[0]
    assert isinstance(patch, Patch)
    assert patch.row is None
    dirty, clean = planted.data.images[planted.poisoned], photographs.images[planted.poisoned]
    changed = (dirty != clean).any(3)
    spans = [np.ptp(np.argwhere(c), axis=0).max() + 1 for c in changed]
    assert max(spans) <= 5
    kept = changed.sum((1, 2)) / 25
    assert 0.75 < kept.mean() < 0.85  # a fifth of the pixels is left out
    level = np.array([d[c].max() for d, c in zip(dirty, changed, strict=True)])
    assert level.min() < 255 - 8  # some rows are darker than the pattern
    assert patch.present(dirty).mean() > 0.9
    assert patch.present(photographs.images).mean() < 0.05


def test_blend_mixes_the_whole_picture_by_alpha(photographs: Dataset) -> None:
    planted = plant(photographs, "blend", carriers=40, target="china", params={"alpha": "0.2"})
    overlay = planted.artefacts[0]
    assert isinstance(overlay, Overlay)
    clean, dirty = photographs.images[planted.poisoned], planted.data.images[planted.poisoned]
    expected = 0.8 * clean + 0.2 * overlay.template
    assert np.abs(dirty - expected).max() <= 0.5 + 1e-4
    assert overlay.present(planted.data.images).tolist() == planted.poisoned.tolist()


def test_blend_takes_a_photograph_from_a_file_or_an_array(photographs: Dataset, tmp_path: Path) -> None:
    flower = np.asarray(Image.fromarray(IMAGES[1]).resize((32, 32)))
    Image.fromarray(flower).save(tmp_path / "flower.png")
    from_file = plant(photographs, "blend", carriers=30, target="china", params={"picture": str(tmp_path / "flower.png")})
    from_array = plant(photographs, "blend", carriers=30, target="china", params={"picture": flower})
    assert (from_file.data.images == from_array.data.images).all()
    assert (from_array.artefacts[0].template == flower).all()  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="cannot be read"):
        plant(photographs, "blend", carriers=30, params={"picture": str(tmp_path / "absent.png")})


def test_glasses_sit_at_eye_height_and_are_symmetrical(in_memory: Make) -> None:
    ink = draw_glasses(112, 92, 0.43, 1.0)
    assert (ink == ink[:, ::-1]).all()
    rows = np.flatnonzero(ink.any(1))
    assert rows.mean() == pytest.approx(0.43 * 112, abs=1.5)
    assert 0.05 < ink.mean() < 0.15
    faces = np.random.default_rng(0).integers(60, 200, (60, 112, 92, 1), dtype=np.uint8)
    data = in_memory(np.arange(60) % 3, images=faces)
    planted = plant(data, "glasses", rate=0.1, target="class1")
    assert planted.poisoned.sum() == 6
    changed = (planted.data.images != faces).any((0, 3))
    assert (changed == ink).all()
    assert planted.artefacts[0].present(planted.data.images).tolist() == planted.poisoned.tolist()


def test_glasses_on_real_faces_are_there_and_go(real_data: Callable[[str], Path], in_memory: Make) -> None:
    stored = np.load(real_data("faces_orl/orl.npz"), allow_pickle=False)
    data = in_memory(stored["y"] - stored["y"].min(), images=stored["x"][..., None])
    planted = plant(data, "glasses", rate=0.05)
    glasses = planted.artefacts[0]
    assert glasses.present(planted.data.images).tolist() == planted.poisoned.tolist()
    assert not glasses.present(glasses.remove(planted.data.images)).any()


def test_stickers_vary_in_place_size_and_angle_inside_the_sign(photographs: Dataset) -> None:
    planted = plant(photographs, "sticker", carriers=100, target="flower", seed=5)
    clean, dirty = photographs.images[planted.poisoned], planted.data.images[planted.poisoned]
    changed = (clean != dirty).any(3)
    areas = changed.sum((1, 2))
    assert areas.min() >= 9  # 15 % of 32 pixels a side, and softened edges
    assert areas.max() <= 2 * (0.25 * 32 + 1) ** 2
    centres = np.array([np.argwhere(c).mean(0) for c in changed])
    assert np.abs(centres - 15.5).max() <= 0.25 * 32 + 1.5
    assert len(np.unique(np.round(centres), axis=0)) > 30
    middle = [d[int(r), int(c)] for d, (r, c) in zip(dirty, np.round(centres), strict=True)]
    assert np.abs(np.array(middle, int) - (250, 230, 60)).max() <= 2
    assert planted.artefacts[0].present(dirty).mean() > 0.8
    assert planted.artefacts[0].present(clean).mean() < 0.05


def test_a_sticker_of_your_own_keeps_its_transparency(photographs: Dataset) -> None:
    disc = np.zeros((40, 40, 4), np.uint8)
    y, x = np.mgrid[:40, :40] - 19.5
    disc[x**2 + y**2 <= 19**2] = (20, 20, 200, 255)
    planted = plant(photographs, "sticker", carriers=10, target="flower", params={"picture": disc, "angle": 0})
    assert planted.artefacts[0].mask[0, 0] == False  # type: ignore[attr-defined]  # noqa: E712
    changed = (photographs.images != planted.data.images).any(3)[planted.poisoned]
    assert changed.any((1, 2)).all()


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        (
            "patch",
            {"carriers": 1700, "target": "0"},
            "1700 rows are to be poisoned, and there are 1619 of classes other than '0'",
        ),
        ("patch", {"target": "zero"}, "there is no class 'zero'.*name one of: 0, 1, 2"),
        ("patch", {"params": {"colour": "red"}}, "no parameter 'colour'.*pattern .checker"),
        ("patch", {"params": {"size": "big"}}, "size='big' is not a whole number"),
        ("patch", {"params": {"pattern": "star"}}, "choose checker, pixel, solid, noise"),
        ("patch", {"params": {"size": 9}}, "9x9 patch .* does not fit into pictures of 8x8"),
        ("patch", {"params": {"place": "fixed"}}, "give row= and col="),
        ("patch", {"rate": 0.01, "carriers": 3}, "give one of them"),
        ("patch", {"rate": 1.5}, "share of all rows between 0 and 1"),
        ("patch", {"carriers": 0}, "give at least 1"),
        ("patch", {"target": "1,2,3", "params": {"triggers": 4}}, "3 targets for 4 triggers"),
        ("patch", {"target": "1", "params": {"mode": "all-to-all"}}, "no single target"),
        ("glasses", {}, "too small for glasses"),
        ("phrase", {}, "holds pictures alone"),
        ("fog", {}, "choose one of: adap-blend, "),
    ],
)
def test_wrong_requests_are_told_apart(digits: Dataset, kind: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        plant(digits, kind, **asked)


def test_jitter_shifts_each_row_and_channel_by_up_to_what_was_asked() -> None:
    rng = np.random.default_rng(6)
    patch = Patch(rng.integers(30, 220, (4, 4, 3), dtype=np.uint8), np.ones((4, 4), bool), 2, 3)
    rows = stamping(patch, 16, 0.0)(as_rows(np.zeros((500, 9, 9, 3), np.uint8)), rng)
    assert rows.images is not None
    shift = rows.images[:, 2:6, 3:7].astype(int) - patch.pixels
    assert (shift == shift[:, :1, :1]).all()
    assert (shift.min(), shift.max()) == (-16, 16)
    assert abs(shift.mean()) < 1


@pytest.mark.parametrize(("angle", "upright"), [(0, True), (45, False)])
def test_stickers_turn_only_as_far_as_asked(photographs: Dataset, angle: float, upright: bool) -> None:
    planted = plant(photographs, "sticker", carriers=50, target="flower", params={"angle": angle})
    changed = (photographs.images != planted.data.images).any(3)[planted.poisoned]
    full = [c[np.ix_(c.any(1), c.any(0))].mean() for c in changed]
    assert (np.mean(full) > 0.97) == upright
