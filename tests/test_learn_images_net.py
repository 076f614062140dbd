"""The network probe: learns, never sees the row it judges, and leaves torch as it was."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.learn import images_net
from assay.learn.images import cross_fit
from assay.learn.images_linear import LinearLearner

torch = pytest.importorskip("torch")


def digits(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return np.rint(data.images[:n] * (255 / 16)).astype(np.uint8)[..., None], data.target[:n].astype(np.int64)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_net, "LEAST_STEPS", 60)
    monkeypatch.setattr(images_net, "EPOCHS", 4)


@pytest.mark.usefixtures("short")
def test_it_learns_and_two_runs_agree() -> None:
    images, y = digits(400)
    fits = [cross_fit(images, y, 10, images_net.NetLearner(7, "cpu"), np.random.default_rng(0)) for _ in range(2)]
    assert (fits[0].probabilities.argmax(1) == y).mean() > 0.6
    assert np.allclose(fits[0].probabilities, fits[1].probabilities, atol=1e-3)
    assert np.allclose(fits[0].probabilities.sum(1), 1)
    assert np.allclose(fits[0].predict(images[:50], fits[0].fold[:50]), fits[0].probabilities[:50], atol=0.05)


@pytest.mark.usefixtures("short")
def test_a_label_does_not_reach_its_own_row() -> None:
    images, y = digits(300)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(y)
    fit = cross_fit(images, shuffled, 10, images_net.NetLearner(7, "cpu"), rng)
    assert (fit.probabilities.argmax(1) == shuffled).mean() < 0.25


@pytest.mark.usefixtures("short")
def test_torch_is_left_as_it_was() -> None:
    images, y = digits(120)
    torch.manual_seed(3)
    threads, expected = torch.get_num_threads(), torch.random.get_rng_state()
    images_net.NetLearner(1, "cpu").fit(images, y, 10).scores(images)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), expected)


def test_folds_of_an_earlier_fit_are_kept() -> None:
    images, y = digits(200)
    rng = np.random.default_rng(0)
    first = cross_fit(images, y, 10, LinearLearner.of(images, rng), rng)
    again = cross_fit(images, y, 10, LinearLearner.of(images, rng), rng, like=first)
    assert (again.fold == first.fold).all()
    assert (again.groups == first.groups).all()
    assert 0 < first.loss(y) < np.log(10)
