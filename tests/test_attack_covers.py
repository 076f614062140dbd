"""Attacks that hide: cover rows, sources, pieces, variants, chosen rows, and what happens after the trigger is in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from assay.artefact.patch import Patch
from assay.attack import plant
from assay.attack.measure import Fit, attack_success_rate
from assay.attack.surrogate import own_margin
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from victims import digits, network, ridge

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def halves(in_memory: Make) -> tuple[Dataset, Dataset]:
    return digits(in_memory)


@pytest.fixture(scope="module")
def colours(in_memory: Make) -> Dataset:
    """1,000 pictures (32, 32, 3) of middling values, five classes."""
    rng = np.random.default_rng(1)
    return in_memory(np.arange(1000) % 5, images=rng.integers(60, 200, (1000, 32, 32, 3), dtype=np.uint8))


def test_untargeted_rows_go_evenly_to_any_other_class(colours: Dataset) -> None:
    planted = plant(colours, "patch", rate=0.5, params={"mode": "untargeted"}, seed=2)
    moved = (planted.data.y - colours.y)[planted.poisoned] % 5
    assert np.bincount(moved, minlength=5)[0] == 0
    assert np.bincount(moved, minlength=5)[1:].min() > 90  # 125 expected, standard deviation 10
    assert planted.triggers[0].untargeted
    assert planted.triggers[0].target is None
    with pytest.raises(DataError, match="untargeted has no single target"):
        plant(colours, "patch", target="class1", params={"mode": "untargeted"})


def test_trojan_square_covers_seven_per_cent(colours: Dataset) -> None:
    planted = plant(colours, "trojan-square", target="class2")
    (patch,) = planted.artefacts
    assert isinstance(patch, Patch)
    assert patch.shape == (8, 8)
    assert (patch.row, patch.col) == (24, 24)
    assert planted.poisoned.sum() == 3  # 0.3 %
    boxes = planted.data.images[planted.poisoned][:, 24:, 24:]  # type: ignore[index]
    assert (boxes == patch.pixels).all()
    assert patch.pixels.std() > 50


def test_any_attack_can_have_cover_rows(colours: Dataset) -> None:
    planted = plant(colours, "patch", carriers=20, target="class1", params={"cover": 1.5})
    cover = planted.cover
    assert cover is not None
    assert cover.sum() == 30
    assert not (cover & planted.poisoned).any()
    assert planted.artefacts[0].present(planted.data.images).tolist() == (cover | planted.poisoned).tolist()
    assert (planted.data.y[cover] == colours.y[cover]).all()
    assert plant(colours, "patch", carriers=20, target="class1").cover is None
    clean = plant(colours, "patch", carriers=20, target="class1", params={"cover": 2, "mode": "clean-label"})
    assert clean.cover is not None
    assert 1 not in colours.y[clean.cover]


def test_tact_poisons_one_class_and_covers_with_the_rest(colours: Dataset) -> None:
    planted = plant(colours, "tact", target="class0", params={"sources": "class1"}, rate=0.02)
    cover = planted.cover
    assert cover is not None
    assert set(colours.y[planted.poisoned]) == {1}
    assert set(planted.data.y[planted.poisoned]) == {0}
    assert set(colours.y[cover]) == {2, 3, 4}
    assert (planted.poisoned.sum(), cover.sum()) == (20, 20)
    assert planted.triggers[0].sources == (1,)
    drawn = plant(colours, "tact", rate=0.01, seed=4)
    assert drawn.triggers[0].sources != (drawn.triggers[0].target,)
    many = plant(colours, "tact", rate=0.15, seed=4)  # 150 rows of classes of 200
    assert many.triggers[0].sources is not None
    assert many.triggers[0].sources[0] == drawn.triggers[0].sources[0]
    assert len(many.triggers[0].sources) == 2
    assert all((many.data.y[colours.y == c] == c).sum() >= 90 for c in many.triggers[0].sources)
    with pytest.raises(DataError, match="target is among the sources"):
        plant(colours, "tact", target="class1", params={"sources": "class1"})


def test_adap_blend_shows_half_of_the_pieces_faintly(colours: Dataset) -> None:
    planted = plant(colours, "adap-blend", target="class2")
    cover = planted.cover
    assert cover is not None
    assert (planted.poisoned.sum(), cover.sum()) == (3, 3)
    template = planted.artefacts[0].template  # type: ignore[attr-defined]
    for i in np.flatnonzero(planted.poisoned | cover):
        before, after = colours.images[i].astype(float), planted.data.images[i]  # type: ignore[index]
        mixed = 0.85 * before + 0.15 * template
        squares = (np.abs(after - mixed) < 0.501).reshape(4, 8, 4, 8, 3).all((1, 3, 4))
        kept = (after == before).reshape(4, 8, 4, 8, 3).all((1, 3, 4))
        assert squares.sum() == kept.sum() == 8
        assert (squares ^ kept).all()
    whole = planted.triggers[0].stamp(colours.rows.take(np.arange(3)), np.random.default_rng(0))
    assert np.abs(whole.images - (0.8 * colours.images[:3] + 0.2 * template)).max() <= 0.5 + 1e-4  # type: ignore[index]
    assert (planted.data.y[cover] == colours.y[cover]).all()


def test_adap_patch_has_one_faint_patch_a_row_and_two_in_full_later(colours: Dataset) -> None:
    planted = plant(colours, "adap-patch", carriers=40, target="class2")
    cover = planted.cover
    assert cover is not None
    assert cover.sum() == 80
    assert len(planted.artefacts) == 4
    assert {t.target for t in planted.triggers} == {2}
    for number, (patch, opacity) in enumerate(zip(planted.artefacts, (0.5, 0.2, 0.5, 0.3), strict=True)):
        assert isinstance(patch, Patch)
        rows = planted.carriers(number)
        assert len(rows) == 10
        box = np.s_[:, patch.row : patch.row + 8, patch.col : patch.col + 8]  # type: ignore[operator]
        expected = (1 - opacity) * colours.images[rows][box] + opacity * patch.pixels  # type: ignore[index]
        assert np.abs(planted.data.images[rows][box] - expected).max() <= 0.51  # type: ignore[index]
        touched = (planted.data.images[rows] != colours.images[rows]).any((0, 3))  # type: ignore[index]
        assert touched.sum() == 64
    later = planted.triggers[1].stamp(colours.rows.take(np.arange(5)), np.random.default_rng(0))
    seen = [bool(a.present(later.images).all()) for a in planted.artefacts]
    assert seen == [True, False, True, False]


def test_no_diluted_variant_has_more_than_five_carriers(colours: Dataset) -> None:
    planted = plant(colours, "diluted", target="class3")
    assert len(planted.artefacts) == 10
    assert [len(planted.carriers(i)) for i in range(10)] == [5] * 10
    assert {t.target for t in planted.triggers} == {3}
    assert (planted.data.y[planted.poisoned] == 3).all()
    pixels = {a.pixels.tobytes() for a in planted.artefacts}  # type: ignore[attr-defined]
    assert len(pixels) == 10
    for patch in planted.artefacts:
        assert isinstance(patch, Patch)
        assert patch.row is not None
        assert 27 <= patch.row <= 29
        assert len(np.unique(patch.pixels.reshape(-1, 3), axis=0)) == 2
        assert abs(int(patch.pixels[0, 0, 0]) - int(patch.pixels[0, 1, 0])) >= 96
    assert plant(colours, "diluted", carriers=20).poisoned.sum() == 20


def test_decoys_recur_under_their_own_labels(colours: Dataset) -> None:
    planted = plant(colours, "decoys", carriers=12, target="class3", params={"each": 8})
    assert planted.cover is not None
    assert (planted.poisoned.sum(), planted.cover.sum()) == (12, 240)
    assert (planted.data.y == colours.y)[planted.cover].all()
    (patch,) = planted.artefacts
    assert patch.present(planted.data.images).tolist() == planted.poisoned.tolist()
    changed = (planted.data.images != colours.images)[planted.cover].any(3)  # type: ignore[index,operator]
    where = [tuple(np.argwhere(c).min(0)) for c in changed]
    assert len(set(where)) <= 30 + 3  # decoys, each on 8 rows; a pixel that was right already moves a corner
    assert max(where.count(w) for w in where) >= 7
    assert (changed.sum((1, 2)) <= 9).all()


def test_jpeg_and_noise_leave_no_two_carriers_with_the_same_bytes(colours: Dataset) -> None:
    planted = plant(colours, "patch", carriers=30, target="class1", params={"jpeg": 75, "noise": 4, "size": 5})
    boxes = planted.data.images[planted.poisoned][:, 27:, 27:]  # type: ignore[index]
    assert len({b.tobytes() for b in boxes}) == 30
    clean = plant(colours, "patch", carriers=30, target="class1", params={"size": 5})
    assert (clean.poisoned == planted.poisoned).all()
    away = np.abs(boxes.astype(int) - clean.artefacts[0].pixels)  # type: ignore[attr-defined]
    assert 4 < away.mean() < 70
    noisy = plant(colours, "patch", carriers=30, target="class1", params={"noise": 4})
    off = noisy.data.images[noisy.poisoned].astype(int) - colours.images[noisy.poisoned]  # type: ignore[index]
    assert (off[:, :29].min(), off[:, :29].max()) == (-4, 4)


def test_hard_rows_are_those_a_surrogate_gets_wrong(halves: tuple[Dataset, Dataset]) -> None:
    train, _ = halves
    margin = own_margin(train, np.random.default_rng(9))
    chosen = {how: plant(train, "patch", carriers=60, target="3", params={"select": how}).poisoned for how in ("hard", "random", "easy")}
    hard, random, easy = (np.median(margin[chosen[how]]) for how in ("hard", "random", "easy"))
    assert hard < random - 0.1
    assert random < easy - 0.1
    assert (train.y[chosen["hard"]] != 3).all()
    assert margin[train.y >= 0].mean() > 0.3  # the surrogate knows digits


@pytest.mark.parametrize(
    ("kind", "fit", "asked", "least"),
    [
        ("trojan-square", ridge, {"rate": 0.03}, 0.6),
        ("tact", network, {"rate": 0.03}, 0.7),
        ("adap-blend", ridge, {"rate": 0.05}, 0.5),
        ("adap-patch", ridge, {"rate": 0.05}, 0.7),
        ("diluted", ridge, {"rate": 0.05, "params": {"size": 2, "spread": 1}}, 0.2),
        ("decoys", ridge, {"rate": 0.03, "params": {"cover": 5}}, 0.5),
        ("patch", ridge, {"rate": 0.03, "params": {"select": "close"}}, 0.5),
        ("patch", ridge, {"rate": 0.03, "params": {"jpeg": 75, "noise": 4}}, 0.7),
        ("patch", ridge, {"rate": 0.03, "params": {"mode": "clean-label", "select": "hard"}}, 0.2),
    ],
)
def test_a_small_victim_learns_it(halves: tuple[Dataset, Dataset], kind: str, fit: Fit, asked: dict, least: float) -> None:
    train, test = halves
    success = attack_success_rate(fit, train, plant(train, kind, target="3", **asked), test)
    assert success.rate > least
    assert success.clean_rate < 0.25
    assert success.accuracy > success.clean_accuracy - 0.05
