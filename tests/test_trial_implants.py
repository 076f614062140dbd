"""What networks have learnt: poison that stands apart in them, with labels that fit and labels that do not; natural parts are left."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from assay.bench.sets import in_memory
from assay.dataset.data import Dataset
from assay.learn.images import CrossFit
from assay.mine.clusters import FEWEST
from assay.mine.parted import parts
from assay.trial import implants
from assay.trial.family import Heard, silent
from assay.trial.implants import ImplantFamily
from assay.trial.part_members import of_the_part
from assay.trial.verdicts import Judged, judge_all, members

UInt8 = NDArray[np.uint8]
Int = NDArray[np.int64]

ROWS, SIDE, KINDS = 1_200, 16, 4


def test_the_smaller_part_of_a_label_scores_above_zero() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((900, 8))
    y = np.repeat([0, 1, 2], 300)
    x[y == 1] += 4
    planted = np.arange(900) < 40
    x[planted, 3] += 6
    half = np.arange(0, 900, 2)
    rule = parts(x, y, half, 3)[0]
    assert rule is not None
    named = rule.score(x) > 0
    assert named[planted].mean() > 0.95  # in rows that taught it not, too
    assert named[(y == 0) & ~planted].mean() < 0.05


def test_a_label_with_few_rows_is_not_parted() -> None:
    x = np.random.default_rng(0).standard_normal((100, 4))
    y = (np.arange(100) < FEWEST - 1).astype(np.int64)
    assert parts(x, y, np.arange(100), 2)[1] is None


def brushed(rng: np.random.Generator, clear: float = 0.6) -> tuple[UInt8, Int]:
    """Noise that is smoothed along one of four directions, in more noise: no pixel means anything, and no label has kinds."""
    y = rng.integers(0, KINDS, ROWS)
    noise = rng.normal(0, 60, (ROWS, SIDE, SIDE))
    ways = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])[y]
    grey = np.stack([sum(np.roll(x, step * way, (0, 1)) for step in range(3)) for x, way in zip(noise, ways, strict=True)]) / np.sqrt(3)
    return np.clip(128 + clear * grey + rng.normal(0, 80 * (1 - clear), grey.shape), 0, 255).astype(np.uint8)[..., None], y


def read(images: UInt8, y: Int) -> Dataset:
    return in_memory("image", [f"kind {label}" for label in y], None, images)


def found(data: Dataset, seed: int = 0) -> list[Judged]:
    examined = ImplantFamily().examine(data, "full", np.random.default_rng(seed), silent)
    return [j for j in judge_all({"implant": examined}, 0.01 / 7) if j.status in ("confirmed", "suspected")]


def test_a_checker_over_rows_that_keep_their_label_is_suspected() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    images, y = brushed(rng)
    planted = rng.permutation(np.flatnonzero(y == 2))[:100]
    images[planted] = np.clip(128 + rng.normal(0, 60, images[planted].shape), 0, 255).astype(np.uint8)  # what they showed is gone
    images[planted, -3:, -3:] = (255 * (np.indices((3, 3)).sum(0) % 2)).astype(np.uint8)[..., None]
    data = read(images, y)
    judged = [j for j in found(data) if j.tried.planted_without_relabelling]
    assert len(judged) == 1
    assert judged[0].status == "suspected"
    assert judged[0].tried.target == 2
    assert set(members(data, judged[0].tried).tolist()) == set(planted.tolist())
    effect = judged[0].tried.effect
    assert effect is not None
    assert effect.rate > effect.baseline


def test_rows_that_other_families_accuse_are_not_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    asked: list[int] = []

    def told_anew(taught: CrossFit, y: Int, belonging: NDArray[np.float64], label: int, carriers: Int) -> Int:
        asked.append(label)
        return carriers

    monkeypatch.setattr(implants, "members", told_anew)
    rng = np.random.default_rng(2)
    images, y = brushed(rng)
    planted = rng.permutation(np.flatnonzero(y != 2))[:150]
    y[planted] = 2
    images[planted, -3:, -3:] = (255 * (np.indices((3, 3)).sum(0) % 2)).astype(np.uint8)[..., None]
    data = read(images, y)
    by_itself = ImplantFamily().examine(data, "full", np.random.default_rng(0), silent)
    assert asked == [2]
    beside = ImplantFamily(heard=Heard(accused=np.sort(planted))).examine(data, "full", np.random.default_rng(0), silent)
    assert asked == [2]
    (convicted,) = (t for t in beside.tried if t.log_e > implants.CONVICTS)
    assert convicted.accused is not None
    assert np.isin(convicted.accused, planted).all()
    assert [t.log_e for t in beside.tried] == [t.log_e for t in by_itself.tried]  # evidence is the same


def test_pictures_as_they_are_and_careless_labels_are_left() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    images, y = brushed(rng)
    assert not found(read(images, y))
    wrong = rng.permutation(ROWS)[:80]
    y[wrong] = 1  # all in one label: they stand apart and contradict what they show, but nobody can foresee them
    assert not found(read(images, y))


def test_a_row_between_the_laws_of_part_and_others_is_not_named() -> None:
    rng = np.random.default_rng(0)
    natural, part = rng.normal(-8, 3, 900), rng.normal(12, 3, 300)
    named = of_the_part(np.concatenate([natural, part, [0.5, -np.inf]]))
    assert named[900:1200].all()
    assert not named[:900].any()
    assert not named[1200:].any()
    assert not of_the_part(np.full(5, -1.0)).any()
