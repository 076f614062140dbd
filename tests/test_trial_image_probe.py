"""Which probe is asked: by depth and by what is installed; what is missing is said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import load_digits

from assay.dataset.data import Dataset
from assay.learn import images_net
from assay.pipeline import Settings, run
from assay.trial import image_probe as room
from assay.trial.image_probe import NETWORK, image_probe


@pytest.fixture(scope="module")
def digits(memory: Callable[..., Dataset]) -> Dataset:
    data = load_digits()
    return memory("image", np.rint(data.images * (255 / 16)).astype(np.uint8)[:1200], data.target[:1200])


def test_fast_asks_for_no_network(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_net, "installed", lambda: False)
    (probe,), features, checks = image_probe(digits, "fast", np.random.default_rng(0))
    assert checks == ()
    assert features is not None
    assert features.shape == (1200, 64)
    assert probe.loss(digits.y) < 1


def test_full_without_torch_is_incomplete(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_net, "installed", lambda: False)
    found = run(digits, Settings(depth="full", canaries=False))
    assert [c.state for c in found.checks if c.name == NETWORK] == ["not_installed"]
    assert found.verdict == "incomplete"


@pytest.mark.skipif(not images_net.installed(), reason="torch is not installed")
def test_full_asks_whichever_foresees_labels_better(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_net, "LEAST_STEPS", 40)
    monkeypatch.setattr(images_net, "EPOCHS", 2)
    (probe, *others), features, (check,) = image_probe(digits, "full", np.random.default_rng(0))
    assert check.state == "ran"
    assert features is not None
    (fast,), _, _ = image_probe(digits, "fast", np.random.default_rng(0))
    assert probe.loss(digits.y) <= fast.loss(digits.y) + 1e-9
    assert ("linear model is asked" in check.reason) == (type(probe.learner) is type(fast.learner)) == (not others)
    assert all(np.array_equal(other.probabilities, fast.probabilities) for other in others)  # beside the network the linear model is asked


def test_few_pictures_have_no_network(digits: Dataset) -> None:
    if not images_net.installed():
        pytest.skip("torch is not installed")
    _, _, (check,) = image_probe(digits.subset(np.arange(room.FEWEST - 1)), "full", np.random.default_rng(0))
    assert check.state == "not_applicable"
