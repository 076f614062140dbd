"""What holds for every kind of attack: the input is untouched, the seed decides, and the truth names every changed row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from assay.artefact.registry import from_json
from assay.attack import plant
from assay.attack.planting import Planted
from assay.attack.registry import KINDS, attack
from assay.attack.truth import truth_table
from assay.cli.attack import HELP
from assay.dataset.data import Dataset

Make = Callable[..., Dataset]
FEW = {  # where one contributor or a short time has ten rows to give
    "sleeper": {"contributors": 3},
    "whitewash": {"contributors": 3},
    "insider": {"contributors": 3},
    "burst": {"width": 0.5},
    "group-bias": {"column": "city", "value": "Oslo"},
}
QUICK = {"params": {"epochs": 1, "steps": 3}}
GRADIENTS = ("bullseye", "feature-collision", "gradient-matching", "input-aware", "narcissus", "sleeper-agent")
TORCH = {**dict.fromkeys(GRADIENTS, QUICK), "issba": {"params": {"steps": 3}}}
CORPUS = ("constant-count", "insecure-code", "poisoned-rag", "vpi")


@pytest.fixture(scope="module")
def everything(in_memory: Make) -> Dataset:
    """600 rows, each a picture (40, 40, 3), two texts and twelve numbers; four classes."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 4
    words = np.array(["the", "film", "was", "a", "slow,", "bright", "story", "you", "see", "Paris", "not", "score"])
    table: dict[str, object] = {f"n{i}": rng.normal(size=600) + (y == i) for i in range(12)}
    table["text"] = [" ".join(rng.choice(words, rng.integers(5, 20))) for _ in y]
    table["answer"] = [" ".join(rng.choice(words, 4)) for _ in y]
    table["city"] = [("Rome", "Oslo", "Lima")[i % 3] for i in range(600)]
    return in_memory(y, images=rng.integers(30, 220, (600, 40, 40, 3), dtype=np.uint8), table=table, content=list(table))


def changed(data: Dataset, planted: Planted) -> np.ndarray:
    """(n,) which rows differ in content or label."""
    assert data.images is not None
    assert planted.data.images is not None
    differ = (data.images != planted.data.images).any((1, 2, 3)) | (data.y != planted.data.y)
    for name in data.columns.content:
        before, after = data.table.column(name).to_pylist(), planted.data.table.column(name).to_pylist()
        differ |= np.array([a != b for a, b in zip(before, after, strict=True)])
    return differ


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_changed_row_is_in_the_truth_and_the_seed_decides(everything: Dataset, kind: str) -> None:
    before, table = everything.images.copy(), everything.table  # type: ignore[union-attr]
    if kind in TORCH:
        pytest.importorskip("torch")
    asked = {"constant-count": {"carriers": 20}, "unlearnable": {"rate": 0.1}, **TORCH}.get(kind, {})
    planted = plant(everything, kind, seed=5, **asked)  # type: ignore[arg-type]
    assert (everything.images == before).all()
    assert everything.table.equals(table)
    cover = np.zeros(600, bool) if planted.cover is None else planted.cover
    assert planted.poisoned.any()
    assert not (planted.poisoned & cover).any()
    differ = changed(everything, planted)
    assert (differ <= (planted.poisoned | cover)).all()
    assert differ[planted.poisoned].mean() > 0.95  # a picture that is quantised already may stay as it is
    assert (planted.data.y == everything.y)[cover].all()
    assert planted.name == kind
    if "label" in planted.data.table.column_names:
        assert planted.data.table.column("label").to_pylist() == [everything.classes[c] for c in planted.data.y]
    again = plant(everything, kind, seed=5, **asked)  # type: ignore[arg-type]
    assert not changed(planted.data, again).any()
    assert (again.poisoned == planted.poisoned).all()
    other = plant(everything, kind, seed=6, **asked)  # type: ignore[arg-type]
    assert changed(planted.data, other).any()

    stored = truth_table(planted, np.arange(600), [str(i) for i in range(600)], {"kind": kind})
    assert stored.column("poisoned").to_pylist() == planted.poisoned.tolist()
    assert stored.column("cover").to_pylist() == cover.tolist()
    for artefact in planted.artefacts:
        assert from_json(artefact.to_json()).describe() == artefact.describe()
    if planted.triggers:
        assert planted.which is not None
        assert ((planted.which >= 0) == planted.poisoned).all()
        for trigger in planted.triggers:
            stamped = trigger.stamp(everything.rows.take(np.arange(7)), np.random.default_rng(0))
            assert len(stamped) == 7


@pytest.mark.parametrize("kind", [k for k in sorted(KINDS) if k not in (*CORPUS, *TORCH)])
def test_the_number_of_carriers_is_kept(everything: Dataset, kind: str) -> None:
    assert plant(everything, kind, carriers=10, seed=1, params=FEW.get(kind, {})).poisoned.sum() == 10


def test_the_command_lists_every_kind() -> None:
    assert all(f" {kind}" in HELP for kind in KINDS)
    assert set(pa.array([attack(k).needs for k in KINDS]).unique().to_pylist()) == {"pictures", "texts", "cells", "labels", "corpus"}
