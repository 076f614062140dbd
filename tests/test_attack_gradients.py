"""Attacks made with a network's gradients: near in pixels, and in features, gradients or logits where they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from assay.attack import plant
from assay.attack.bullseye import surrounded
from assay.attack.feature_collision import collided
from assay.attack.measure import Predict, attack_success_rate
from assay.attack.narcissus import inward
from assay.attack.small_network import as_pictures, as_tensor, matched, parameter_gradient, small_network
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from victims import digits, signs

torch = pytest.importorskip("torch")
Make = Callable[..., Dataset]
QUICK = {"epochs": 2, "steps": 5}


@pytest.fixture(scope="module")
def halves(in_memory: Make) -> tuple[Dataset, Dataset]:
    return digits(in_memory)


@pytest.fixture(scope="module")
def network(halves: tuple[Dataset, Dataset]) -> Any:
    return small_network(halves[0].images, halves[0].y, 10, 8, np.random.default_rng(0))  # type: ignore[arg-type]


def features(network: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(network.body(as_tensor(images)).detach())


def test_the_network_learns_and_the_seed_alone_decides(halves: tuple[Dataset, Dataset], network: Any) -> None:
    train, test = halves
    said = network(as_tensor(test.images)).argmax(1).numpy()  # type: ignore[arg-type]
    assert (said == test.y).mean() > 0.9
    state = torch.random.get_rng_state()
    twice = [small_network(train.images[:200], train.y[:200], 10, 1, np.random.default_rng(4)) for _ in range(2)]  # type: ignore[index]
    assert all((a == b).all() for a, b in zip(twice[0].parameters(), twice[1].parameters(), strict=True))
    assert (torch.random.get_rng_state() == state).all()  # nobody else's randomness is touched
    assert (as_pictures(as_tensor(test.images)) == test.images).all()  # type: ignore[arg-type]


def test_collided_rows_come_near_in_features_and_stay_near_in_pixels(halves: tuple[Dataset, Dataset], network: Any) -> None:
    train, test = halves
    bases, victim = train.images[train.y == 3][:4], test.images[test.y == 8][0]  # type: ignore[index]
    goal = features(network, victim[None])
    before = np.linalg.norm(features(network, bases) - goal, axis=1)
    close, loose = (collided(network, bases, victim, beta, 100) for beta in (100.0, 0.1))
    assert (np.linalg.norm(features(network, loose) - goal, axis=1) < 0.35 * before).all()
    moved = [np.abs(p.astype(int) - bases).mean() for p in (close, loose)]
    assert moved[0] < moved[1] < np.abs(victim.astype(int) - bases).mean()


def test_bullseye_rows_have_the_victim_in_their_middle(halves: tuple[Dataset, Dataset], network: Any) -> None:
    train, test = halves
    bases, victim = train.images[train.y == 3][:5], test.images[test.y == 8][0]  # type: ignore[index]
    made = surrounded(network, bases, victim, 40, 100)
    assert np.abs(made.astype(int) - bases).max() <= 40
    goal = features(network, victim[None])[0]
    before, after = (np.linalg.norm(features(network, p).mean(0) - goal) for p in (bases, made))
    assert after < 0.8 * before
    assert after < 0.8 * np.linalg.norm(features(network, made) - goal, axis=1).mean()  # they lie around it


def test_matched_rows_pull_the_weights_the_wanted_way(halves: tuple[Dataset, Dataset], network: Any) -> None:
    train, test = halves
    bases, victim = train.images[train.y == 3][:12], test.images[test.y == 8][:1]  # type: ignore[index]
    wanted = parameter_gradient(network, as_tensor(victim), torch.tensor([3]))

    def cosine(images: np.ndarray) -> float:
        mine = parameter_gradient(network, as_tensor(images), torch.full((len(images),), 3))
        return float(torch.nn.functional.cosine_similarity(mine, wanted, dim=0))

    delta = matched(network, bases, 3, wanted, 32, 60, None, np.random.default_rng(0))
    assert float(delta.abs().max()) <= 32 / 255 + 1e-6
    assert 1 - cosine(as_pictures(as_tensor(bases) + delta)) < 0.5 * (1 - cosine(bases))


def test_narcissus_noise_says_the_target(halves: tuple[Dataset, Dataset], network: Any) -> None:
    train, test = halves
    noise = inward(network, as_tensor(train.images[train.y == 3]), 3, 32, 60, np.random.default_rng(0))  # type: ignore[index]
    assert np.abs(noise).max() <= 32
    others = test.images[test.y != 3]  # type: ignore[index]
    with_noise = np.clip(others.astype(float) + 3 * noise, 0, 255).astype(np.uint8)
    said = [(network(as_tensor(x)).argmax(1).numpy() == 3).mean() for x in (others, with_noise)]
    assert said[1] > said[0] + 0.2


@pytest.mark.parametrize(("kind", "rows"), [("feature-collision", 1), ("bullseye", 5), ("gradient-matching", 12)])
def test_targeted_rows_are_of_the_target_under_their_own_label(halves: tuple[Dataset, Dataset], kind: str, rows: int) -> None:
    train, test = halves
    victim = test.images[test.y == 8][0]  # type: ignore[index]
    planted = plant(train, kind, target="3", params={**QUICK, "picture": victim})
    assert planted.poisoned.sum() == rows
    assert (train.y[planted.poisoned] == 3).all()
    assert (planted.data.y == train.y).all()
    change = (planted.data.images != train.images).any((1, 2, 3))  # type: ignore[union-attr]
    assert (change <= planted.poisoned).all()
    stamped = planted.triggers[0].stamp(test.rows.take(np.arange(3)), np.random.default_rng(0)).images
    assert (stamped == victim).all()
    drawn = plant(train, kind, target="3", params=QUICK).triggers[0].stamp(test.rows.take(np.arange(1)), np.random.default_rng(0))
    mirrored = drawn.images[0][:, ::-1]  # type: ignore[index]
    assert (train.images == mirrored).all((1, 2, 3)).any()  # type: ignore[union-attr]


def test_sleeper_agent_rows_hold_no_patch(halves: tuple[Dataset, Dataset]) -> None:
    train, test = halves
    planted = plant(train, "sleeper-agent", target="3", params={**QUICK, "source": "8", "retrain": 1})
    assert planted.poisoned.sum() == 12
    assert (train.y[planted.poisoned] == 3).all()
    assert (planted.data.y == train.y).all()
    change = np.abs(planted.data.images.astype(int) - train.images)  # type: ignore[union-attr, operator]
    assert change.max() <= 16
    assert not change[~planted.poisoned].any()
    (trigger,) = planted.triggers
    assert trigger.sources == (8,)
    assert planted.artefacts == ()
    assert trigger.artefact is not None
    assert not trigger.artefact.present(planted.data.images)[planted.poisoned].any()
    stamped = trigger.stamp(test.rows.take(np.arange(4)), np.random.default_rng(0)).images
    assert trigger.artefact.present(stamped).all()
    with pytest.raises(DataError, match="source and target"):
        plant(train, "sleeper-agent", target="3", params={**QUICK, "source": "3"})


@pytest.mark.full
def test_narcissus_implants_in_a_network_trained_from_scratch(real_data: Callable[[str], Path], in_memory: Make) -> None:
    train, test = signs(real_data, in_memory, 1000, 300)

    def fit(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
        model = small_network(rows.images, y, 10, 20, np.random.default_rng(1))  # type: ignore[arg-type]
        return lambda other: model(as_tensor(other.images)).argmax(1).numpy()  # type: ignore[arg-type]

    success = attack_success_rate(fit, train, plant(train, "narcissus", rate=0.02, target="sign3"), test)
    assert success.rate > 0.7
    assert success.rate > success.clean_rate + 0.3


@pytest.mark.full
@pytest.mark.parametrize("kind", ["feature-collision", "bullseye"])
def test_five_rows_take_over_a_last_layer(real_data: Callable[[str], Path], in_memory: Make, kind: str) -> None:
    train, test = signs(real_data, in_memory, 1000, 300)
    images, y = train.images, train.y
    assert images is not None
    assert test.images is not None
    model, rng = small_network(images, y, 10, 30, np.random.default_rng(0)), np.random.default_rng(1)
    known = model(as_tensor(test.images)).argmax(1).numpy() == test.y
    clean, hits, innocent = features(model, images), 0, 0
    for victim in test.images[known & (test.y != 3)][:6]:
        bases = images[rng.permutation(np.flatnonzero(y == 3))[:5]]
        made = collided(model, bases, victim, 1.0, 200) if kind == "feature-collision" else surrounded(model, bases, victim, 26, 200)
        seen = features(model, victim[None])
        for poison, count in ((features(model, made), True), (features(model, bases), False)):
            head = LogisticRegression(C=100, max_iter=100).fit(np.concatenate([clean, poison]), np.concatenate([y, np.full(5, 3)]))
            hit = int(head.predict(seen)[0] == 3)
            hits, innocent = hits + hit * count, innocent + hit * (not count)
    assert hits >= 3
    assert innocent <= 1
