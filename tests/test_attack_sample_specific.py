"""Triggers made anew for every row by an autoencoder: no pixels are shared, and yet a decoder, or a victim, reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.attack import input_aware, issba, plant
from assay.attack.measure import Predict, attack_success_rate
from assay.attack.small_network import as_tensor, small_network
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from victims import signs

torch = pytest.importorskip("torch")
Make = Callable[..., Dataset]
Halves = tuple[Dataset, Dataset]


@pytest.fixture(scope="module")
def halves(real_data: Callable[[str], Path], in_memory: Make) -> Halves:
    return signs(real_data, in_memory)


def changes(before: Dataset, after: Dataset) -> np.ndarray[Any, Any]:
    assert before.images is not None
    assert after.images is not None
    return after.images.astype(int) - before.images


def alike(change: np.ndarray[Any, Any]) -> float:
    """Median correlation of the changes of two rows."""
    flat = change.reshape(len(change), -1)
    return float(np.median(np.corrcoef(flat)[np.triu_indices(len(flat), 1)]))


def network(rows: Rows, y: np.ndarray[Any, Any]) -> Predict:
    model = small_network(rows.images, y, 10, 20, np.random.default_rng(1))  # type: ignore[arg-type]
    return lambda other: model(as_tensor(other.images)).argmax(1).numpy()  # type: ignore[arg-type]


def test_an_issba_message_is_read_in_every_carrier_and_written_differently_in_each(halves: Halves) -> None:
    train, test = halves
    encoder, decoder = issba.trained(as_tensor(train.images), 4, 24, 150, np.random.default_rng(0))  # type: ignore[arg-type]
    x, message = as_tensor(test.images[:200]), torch.tensor([1.0, 0, 0, 1])  # type: ignore[index]
    written = encoder(x, message.expand(200, -1))
    assert float((written - x).abs().max()) <= 24 / 255 + 1e-6
    assert float(((decoder(written) > 0) == (message > 0)).float().mean()) > 0.9
    assert float(((decoder(x) > 0) == (message > 0)).float().mean()) < 0.8
    assert alike((written - x).numpy()) < 0.9


def test_issba_takes_a_tenth_of_the_rows_and_shares_no_artefact(halves: Halves) -> None:
    train, _ = halves
    planted = plant(train, "issba", target="sign3", params={"steps": 5, "epsilon": 16})
    assert planted.poisoned.sum() == 150
    assert np.abs(changes(train, planted.data)).max() <= 16
    assert (planted.data.y[planted.poisoned] == 3).all()
    assert planted.artefacts == ()


@pytest.mark.full
def test_input_aware_patterns_differ_from_row_to_row_and_cover_little(halves: Halves) -> None:
    train, test = halves
    x, y = as_tensor(train.images), train.y  # type: ignore[arg-type]
    mine = small_network(train.images, y, 10, 4, np.random.default_rng(0))  # type: ignore[arg-type]
    generator = input_aware.trained(mine, x, y, np.full(len(y), 3), 0.05, 150, np.random.default_rng(0))
    seen = as_tensor(test.images[test.y != 3][:200])  # type: ignore[index]
    mask, pattern = generator(seen)
    assert float(mask.mean()) < 0.08
    assert alike((input_aware.put_in(seen, mask, pattern) - seen).numpy()) < 0.9
    assert float((mine(input_aware.put_in(seen, mask, pattern)).argmax(1) == 3).float().mean()) > 0.5


def test_input_aware_rows_and_their_cover(halves: Halves) -> None:
    train, _ = halves
    planted = plant(train, "input-aware", target="sign3", params={"steps": 5, "epochs": 1})
    made = changes(train, planted.data)[planted.poisoned]
    assert alike(made) < 0.99
    assert planted.cover is not None
    assert (planted.poisoned.sum(), planted.cover.sum()) == (150, 150)
    assert (planted.data.y[planted.poisoned] == 3).all()
    assert (planted.data.y == train.y)[planted.cover].all()
    assert changes(train, planted.data)[planted.cover].any((1, 2, 3)).all()
    assert planted.artefacts == ()


@pytest.mark.full
@pytest.mark.parametrize(("kind", "least"), [("issba", 0.2), ("input-aware", 0.5)])
def test_a_small_victim_learns_it(halves: Halves, kind: str, least: float) -> None:
    train, test = halves
    success = attack_success_rate(network, train, plant(train, kind, target="sign3"), test)
    assert success.rate > least
    assert success.clean_rate < 0.1
