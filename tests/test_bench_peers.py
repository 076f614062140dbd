"""Peers find what their papers say they find, where the victim's features hold it; and the controls are what they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from assay.attack.base import Planted
from assay.bench.case import Case, Cell
from assay.bench.peers import (
    activation_clustering,
    beatrix,
    controls,
    copies,
    cube,
    onion,
    scan_decomposition,
    spectral_signatures,
    spectre,
    toolbox,
    z_defence,
)
from assay.bench.sets import in_memory
from assay.bench.victims import Trained

CLASSES, EACH, POISON, WIDTH = 6, 200, 40, 12


def latent_case(poison: int = POISON, seed: int = 0, width: int = WIDTH) -> Case:
    """Six classes of Gaussian features; poisoned rows of class 0 lie together, aside from it, as a backdoored victim would have them."""
    rng = np.random.default_rng(seed)
    centres = 8 * rng.normal(size=(CLASSES, width))
    y = np.repeat(np.arange(CLASSES), EACH)
    features = np.abs(centres)[y] + rng.normal(size=(len(y), width))
    truth = np.zeros(len(y), bool)
    truth[:poison] = True
    features[truth] += 30 * np.eye(width)[0] + 20 * np.eye(width)[1]
    table = pa.table({f"x{j}": features[:, j] for j in range(width)})
    data = in_memory("table", y, table)
    untouched = in_memory("table", np.repeat(np.arange(CLASSES), 20), pa.table({
        f"x{j}": np.abs(centres)[np.repeat(np.arange(CLASSES), 20), j] + rng.normal(size=20 * CLASSES) for j in range(width)
    }))  # fmt: skip
    case = Case(Cell("made", len(y), "made"), data, untouched, Planted(data, truth, (), "made") if poison else None)

    def features_of(rows):
        return np.stack([np.asarray(rows.table.column(c)) for c in rows.table.column_names], 1)

    case.__dict__["victim"] = Trained(lambda rows: np.zeros((len(rows), CLASSES)), features_of)
    return case


@pytest.mark.parametrize(
    "flag",
    [
        spectral_signatures.told_rate_and_target,
        scan_decomposition.flag,
        spectre.told_rate_and_target,
        beatrix.told_clean_rows,
    ],
    ids=lambda f: f.__module__.split(".")[-1],
)
def test_a_cluster_aside_from_its_class_is_found(flag: Callable) -> None:
    case = latent_case()
    flags = flag(case)
    assert flags.removed[case.poisoned].mean() >= 0.9
    assert flags.score[case.poisoned].min() > np.median(flags.score[~case.poisoned])


def test_activation_clustering_finds_half_a_class_in_few_dimensions() -> None:
    """In more, independent components of equal weight drown the one that splits: part of why the method fails at low rates."""
    case = latent_case(poison=90, width=2)
    assert activation_clustering.by_silhouette(case).removed[case.poisoned].mean() >= 0.9


def test_defaults_wreck_clean_data_and_scan_does_not() -> None:
    case = latent_case(poison=0)
    assert spectral_signatures.by_default(case).removed.mean() == pytest.approx(0.495, abs=0.01)
    assert 0.2 < activation_clustering.by_size(case).removed.mean() < 0.5
    assert not scan_decomposition.flag(case).removed.any()


def test_controls_remove_as_many_rows_as_are_poisoned() -> None:
    case = latent_case()
    assert controls.random_filter(case).removed.sum() == POISON
    assert np.array_equal(controls.perfect_filter(case).removed, case.poisoned)


def text_case(trigger: str = "cf", carriers: int = 60) -> Case:
    """Plain English-like word chains, a rare word in some texts of label b."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(80)]

    def text() -> list[str]:
        start = int(rng.integers(80))
        return [words[(start + 3 * step) % 80] for step in range(12)]  # each word has one successor: fluent by construction

    y = rng.integers(0, 2, 800)
    texts = [text() for _ in y]
    truth = np.zeros(len(y), bool)
    truth[np.flatnonzero(y == 1)[:carriers]] = True
    for i in np.flatnonzero(truth):
        texts[i].insert(int(rng.integers(1, 11)), trigger)
    data = in_memory("text", y, pa.table({"text": [" ".join(t) for t in texts]}))
    other = in_memory("text", rng.integers(0, 2, 200), pa.table({"text": [" ".join(text()) for _ in range(200)]}))
    return Case(Cell("made", len(y), "made"), data, other, Planted(data, truth, (), "made"))


@pytest.mark.parametrize("flag", [z_defence.flag, onion.told_clean_rows])
def test_a_rare_word_is_what_text_peers_are_good_at(flag: Callable) -> None:
    case = text_case()
    flags = flag(case)
    top = np.argsort(-flags.score, kind="stable")[: case.poisoned.sum()]
    assert case.poisoned[top].mean() >= 0.9


def test_cube_like_keeps_the_largest_cluster_of_each_label() -> None:
    """150 rows of label 0 lie aside; with fewer than its 100 neighbours a cluster is none, which is why it sees no small poison."""
    rng = np.random.default_rng(0)
    places = np.repeat([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]], [450, 150, 600], axis=0) + rng.normal(size=(1_200, 2))
    y, truth = np.repeat([0, 1], 600), np.arange(1_200) // 150 == 3
    data = in_memory("table", y, pa.table({"x": places[:, 0], "y": places[:, 1]}))
    case = Case(Cell("made", len(y), "made"), data, data, Planted(data, truth, (), "made"))
    case.__dict__["victim"] = Trained(
        lambda rows: np.zeros((len(rows), 2)), lambda rows: np.stack([rows.table.column(c).to_numpy() for c in "xy"], 1)
    )
    flags = cube.flag(case)
    assert flags.removed[truth].all()
    assert flags.removed[~truth].mean() < 0.2


def test_minhash_removes_all_but_the_first_of_near_copies() -> None:
    pytest.importorskip("datasketch")
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{w}" for w in rng.integers(0, 5_000, 40)) for _ in range(60)]
    texts[10], texts[20] = texts[0] + " more", "and " + texts[0]
    data = in_memory("text", np.zeros(60, int), pa.table({"text": texts}))
    flags = copies.flag(Case(Cell("made", 60, "made"), data, data, None))
    assert np.flatnonzero(flags.removed).tolist() == [10, 20]
    assert flags.score[[0, 10, 20]].tolist() == [2, 2, 2]


def centred(case: Case) -> Case:
    """The same case whose features have lost their class's mean."""
    plain, y = case.victim.features(case.data.rows), case.data.y
    means = np.stack([plain[y == c].mean(0) for c in range(CLASSES)])
    case.__dict__["victim"] = Trained(case.victim.probabilities, lambda rows: plain - means[y])
    return case


def test_the_toolboxs_own_classes_beside_ours() -> None:
    pytest.importorskip("art")
    case = latent_case()
    theirs = toolbox.activation_clustering(case)
    assert theirs.removed[case.poisoned].all()
    assert theirs.removed.mean() > 0.1  # the smaller half of every class, poisoned or not
    ours, art = spectral_signatures.by_default(case), toolbox.spectral_signatures(case)
    assert art.removed.mean() == pytest.approx(ours.removed.mean(), abs=0.02)  # half of every class
    ours, art = spectral_signatures.by_default(centred(case)), toolbox.spectral_signatures(centred(case))
    assert (ours.removed != art.removed).sum() <= CLASSES  # a row a class, by how the share is rounded
    both = ours.removed & art.removed
    assert np.sqrt(ours.score[both]) == pytest.approx(art.score[both])


def test_columns_that_never_vary_do_not_stop_activation_clustering() -> None:
    case = latent_case()
    plain, before = case.victim.features(case.data.rows), activation_clustering.by_size(case).removed
    case.__dict__["victim"] = Trained(case.victim.probabilities, lambda rows: np.c_[plain, np.zeros((len(plain), 3))])
    assert (activation_clustering.by_size(case).removed == before).all()
