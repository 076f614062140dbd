"""DP-SGD through Opacus: what is spent is what the accountant says, rows and contributors, clipping alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch")
pytest.importorskip("opacus")

from assay.harden.privacy import raised, sampled_epsilon  # noqa: E402
from assay.harden.private_network import PrivateNetworkClassifier  # noqa: E402
from assay.harden.private_steps import PrivateSteps  # noqa: E402


@parametrize_with_checks([PrivateNetworkClassifier(epsilon=50.0, epochs=1, random_state=0)])
def test_it_is_a_scikit_learn_estimator(estimator, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return x / 16, y


def test_epsilon_is_the_accountants_and_within_what_was_asked(digits) -> None:
    from opacus.accountants import RDPAccountant

    x, y = digits
    model = PrivateNetworkClassifier(epsilon=8.0, epochs=15, random_state=0).fit(x[:1300], y[:1300])
    peer = RDPAccountant()
    peer.history = [(model.noise_multiplier_, model.sample_rate_, model.steps_)]
    assert model.epsilon_ == peer.get_epsilon(1e-5)
    assert model.epsilon_ <= 8.0
    ours = sampled_epsilon(model.noise_multiplier_, model.steps_, model.sample_rate_, 1e-5)
    assert 0.999 * model.epsilon_ <= ours <= 1.02 * model.epsilon_
    assert model.raised(0.01, 1) == raised(0.01, 1, model.epsilon_, 1e-5)
    assert model.score(x[1300:], y[1300:]) > 0.75


def one_step(x: np.ndarray, y: np.ndarray, unit: np.ndarray, clip: float, noise: bool = False) -> np.ndarray:
    """The weights after one step of length 1 on everybody, from zero."""
    net = torch.nn.Linear(x.shape[1], 10)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    optimiser = torch.optim.SGD(net.parameters(), 1.0)
    steps = PrivateSteps(net, optimiser, unit, epsilon=1.0 if noise else None, delta=1e-5, count=1, rate=1.0, clip=clip, seed=0)
    for rows in steps:
        scores = steps(torch.from_numpy(x[rows.numpy()]).float())
        steps.take(torch.nn.functional.cross_entropy(scores, torch.from_numpy(y)[rows], reduction="none"), rows)
    return np.concatenate([p.detach().numpy().ravel() for p in steps.close().parameters()])


@pytest.mark.parametrize("noise", [False, True])
def test_nobody_moves_a_step_further_than_the_clip(digits, noise: bool) -> None:
    """A contributor with half of all rows, all relabelled: a step differs by twice the clip over the units at most, with noise too."""
    x, y = digits[0][:120], digits[1][:120].astype(np.int64)
    changed = y.copy()
    changed[:60] = (y[:60] + 1) % 10
    by_contributor = np.r_[np.zeros(60, int), np.arange(1, 61)]
    apart = np.linalg.norm(one_step(x, y, by_contributor, 0.1, noise) - one_step(x, changed, by_contributor, 0.1, noise))
    assert 0 < apart <= 2 * 0.1 / 61 + 1e-5
    by_row = np.linalg.norm(one_step(x, y, np.arange(120), 0.1, noise) - one_step(x, changed, np.arange(120), 0.1, noise))
    assert by_row > apart  # sixty rows of their own may do more than one contributor


def test_clipping_alone_promises_nothing_and_says_so(digits) -> None:
    x, y = digits
    model = PrivateNetworkClassifier(epsilon=None, epochs=5, random_state=0).fit(x[:600], y[:600])
    assert model.epsilon_ == float("inf")
    assert model.noise_multiplier_ == 0
    assert model.raised(0.01, 1) == 1.0
    assert model.score(x[600:], y[600:]) > 0.85


def test_nobody_drawn_is_a_step_of_noise_alone_and_is_counted() -> None:
    net = torch.nn.Linear(3, 2)
    before = net.weight.detach().clone()
    steps = PrivateSteps(net, torch.optim.SGD(net.parameters(), 1.0), np.arange(5), epsilon=1.0, delta=1e-5, count=3, rate=0.001, seed=1)
    for rows in steps:
        assert len(rows) == 0
        steps.take(None, rows)
    assert steps.accountant.history == [(steps.noise, 0.001, 3)]
    assert not torch.equal(before, net.weight)


def test_a_network_that_sees_the_whole_batch_is_refused() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    with pytest.raises(ValueError, match="cannot be trained privately"):
        PrivateSteps(net, torch.optim.SGD(net.parameters(), 0.1), np.arange(4), epsilon=1.0, delta=1e-5, count=1, rate=0.5)


class Stopped(Exception):
    """What ends a run in the middle."""


def stopped_after(passes: int):
    """A `progress` that stops the run."""
    seen = []

    def progress(done: float, total: float, what: str) -> None:
        seen.append(done)
        if len(seen) == passes:
            raise Stopped

    return progress


@pytest.mark.parametrize("epsilon", [8.0, None])
def test_a_run_that_goes_on_ends_as_one_that_never_stopped(digits, tmp_path, epsilon: float | None) -> None:
    x, y = digits[0][:400], digits[1][:400]
    settings = {"epsilon": epsilon, "epochs": 4, "random_state": 3}
    whole = PrivateNetworkClassifier(**settings).fit(x, y)
    place = tmp_path / "run.pt"
    with pytest.raises(Stopped):
        PrivateNetworkClassifier(**settings, checkpoint=place, progress=stopped_after(2)).fit(x, y)
    assert place.exists()
    parts = PrivateNetworkClassifier(**settings, checkpoint=place).fit(x, y)
    assert not place.exists()
    assert (parts.epsilon_, parts.steps_) == (whole.epsilon_, whole.steps_)
    for ours, theirs in zip(parts.net_.parameters(), whole.net_.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_without_a_seed_it_goes_on_with_new_noise_and_the_same_account(digits, tmp_path) -> None:
    x, y = digits[0][:400], digits[1][:400]
    place = tmp_path / "run.pt"
    with pytest.raises(Stopped):
        PrivateNetworkClassifier(epochs=4, checkpoint=place, progress=stopped_after(2)).fit(x, y)
    held = torch.load(place, weights_only=True)
    assert "noise" not in held  # nothing from which noise to come could be told
    assert "drawn" not in held
    parts = PrivateNetworkClassifier(epochs=4, checkpoint=place).fit(x, y)
    assert parts.epsilon_ == PrivateNetworkClassifier(epochs=4, random_state=0).fit(x, y).epsilon_


def test_the_checkpoint_of_another_run_is_refused(digits, tmp_path) -> None:
    x, y = digits[0][:300], digits[1][:300]
    place = tmp_path / "run.pt"
    with pytest.raises(Stopped):
        PrivateNetworkClassifier(epochs=3, checkpoint=place, progress=stopped_after(1)).fit(x, y)
    with pytest.raises(ValueError, match="another run"):
        PrivateNetworkClassifier(epochs=3, checkpoint=place).fit(x[:299], y[:299])
