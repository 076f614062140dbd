"""Networks under guard: the estimator, robust losses, guards, drills, adversarial examples beside a peer, resuming, unlearning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

torch = pytest.importorskip("torch")

from assay.harden.adversarial import fgsm, judging, pgd, robustness  # noqa: E402
from assay.harden.drills import Drill, on_pictures  # noqa: E402
from assay.harden.ensemble import PartitionedClassifier  # noqa: E402
from assay.harden.guards import GradientGroups, SmallLoss, alone  # noqa: E402
from assay.harden.losses import LOSSES, cross_entropy, generalised, symmetric  # noqa: E402
from assay.harden.nets import network  # noqa: E402
from assay.harden.network import NetworkClassifier  # noqa: E402
from assay.harden.unlearn import isolated, unlearn  # noqa: E402

SIDE = (8, 8, 1)


@parametrize_with_checks([NetworkClassifier(epochs=1, least_steps=60)])
def test_it_is_a_scikit_learn_estimator(estimator, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Three digits only, as pixels of 0 .. 255: enough to learn, little to wait for."""
    x, y = load_digits(return_X_y=True)
    kept = y < 3
    return (x[kept] * 15.9375).astype(np.uint8), y[kept]


@pytest.fixture(scope="module")
def faint() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A thousand digits that are hard to tell apart, a hundred of them with a white corner and the label 3, which is easy."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    x, y = np.clip(x[:1000] * 8 + rng.normal(60, 60, (1000, 64)), 0, 255).astype(np.uint8), y[:1000].copy()
    bad = rng.choice(np.flatnonzero(y != 3), 100, replace=False)
    x[bad] = cornered(x[bad])
    y[bad] = 3
    return x, y, bad


@pytest.fixture(scope="module")
def backdoored(digits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twenty-eight rows of 1 and 2 with a white corner and the label 0."""
    x, y = (a.copy() for a in digits)
    bad = np.random.default_rng(0).choice(np.flatnonzero(y[:400] > 0), 28, replace=False)
    x[bad] = cornered(x[bad])
    y[bad] = 0
    return x, y, bad


def cornered(x: np.ndarray, value: int = 255) -> np.ndarray:
    x = x.reshape(-1, *SIDE).copy()
    x[:, 6:, 6:] = value
    return x.reshape(len(x), -1)


def turned(model: NetworkClassifier, digits) -> float:
    """Share of held-out 1s and 2s that the corner turns into 0."""
    x, y = digits
    rows = np.arange(400, len(y))[y[400:] > 0]
    return float((model.predict(cornered(x[rows])) == 0).mean())


def test_robust_losses_are_bounded_and_agree_with_their_formulas() -> None:
    scores, y = torch.tensor([[0.0, 50.0], [2.0, 1.0]]), torch.tensor([0, 0])
    p = float(torch.softmax(scores[1], 0)[0])
    assert generalised(scores, y)[0] <= 1 / 0.7
    assert float(generalised(scores, y)[1]) == pytest.approx((1 - p**0.7) / 0.7, rel=1e-5)
    assert float(symmetric(scores, y)[1]) == pytest.approx(0.1 * -np.log(p) + 4 * (1 - p), rel=1e-5)
    assert float(cross_entropy(scores, y)[0]) > 49


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "cross-entropy"])
def test_robust_losses_pull_a_wrong_label_less_than_a_doubtful_one(loss: str) -> None:
    scores = torch.tensor([[0.0, 9.0], [0.0, 1.0]], requires_grad=True)
    LOSSES[loss](scores, torch.tensor([0, 0])).sum().backward()
    assert scores.grad[0].norm() < scores.grad[1].norm()


def test_small_loss_drops_wrong_labels_and_leaves_the_rest(digits) -> None:
    x, y = digits
    labels, rng = y.copy(), np.random.default_rng(0)
    wrong = rng.choice(400, 40, replace=False)
    labels[wrong] = (y[wrong] + 1) % 3
    model = NetworkClassifier(guard=SmallLoss(share=0.1), least_steps=100).fit(x[:400], labels[:400])
    assert (model.weight_[wrong] == 0).mean() > 0.9
    assert (model.weight_ == 0).sum() == 40


def test_backdoors_are_learnt_first_and_the_early_end_cuts_them(faint) -> None:
    x, y, bad = faint
    settings = {"shape": SIDE, "epochs": 1, "least_steps": 16}
    early = NetworkClassifier(**settings, guard=SmallLoss(share=0.0, early=0.1, warm_up=1)).fit(x, y)
    late = NetworkClassifier(**settings, guard=SmallLoss(share=0.1, warm_up=1)).fit(x, y)
    assert (early.weight_[bad] == 0).mean() > 0.5
    assert (late.weight_[bad] == 0).mean() < 0.1


def test_isolation_finds_what_is_learnt_first(faint) -> None:
    x, y, bad = faint
    torch.manual_seed(0)
    net = network((1, 8, 8), 10)
    inputs = torch.from_numpy(x.reshape(-1, 1, 8, 8).astype(np.float32) / 255)
    found = isolated(net, inputs, torch.from_numpy(y), share=0.05, epochs=3)
    assert np.isin(found.numpy(), bad).mean() > 0.5  # a tenth of the rows are poison


def test_a_row_alone_in_gradient_space_is_dropped_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 0.01, (40, 3)), rng.normal(5, 0.01, (40, 3)), [[50.0, 0, 0]]])
    assert alone(points, 0.05).tolist() == [80]
    watch = GradientGroups(warm_up=1, every=1).begin(90, 3)
    scores = torch.zeros(90, 3)
    scores[:, 0] = 4 + torch.rand(90, generator=torch.Generator().manual_seed(0))
    scores[7] = torch.tensor([0.0, 9.0, 0.0])
    watch.look(0, scores, torch.zeros(90, dtype=torch.int64))
    assert watch.weight[7] == 0
    assert watch.weight.sum() > 60


def test_weights_of_zero_are_as_if_the_rows_were_not_there(digits) -> None:
    x, y = digits
    kept = np.arange(300) >= 60
    settings = {"epochs": 1, "least_steps": 20}
    whole = NetworkClassifier(**settings).fit(x[:300], y[:300], weights=kept.astype(float))
    part = NetworkClassifier(**settings).fit(x[:300][kept], y[:300][kept])
    assert np.array_equal(whole.decision_function(x), part.decision_function(x))


def test_a_run_that_stopped_goes_on_and_ends_the_same(digits, tmp_path: Path) -> None:
    x, y = digits
    settings = {"epochs": 4, "least_steps": 1, "guard": SmallLoss(share=0.05, warm_up=2)}
    straight = NetworkClassifier(**settings).fit(x, y)

    class Stopped(Exception):
        pass

    def stop(done: float, total: float, what: str) -> None:
        if done == 2:
            raise Stopped

    path = tmp_path / "run.pt"
    with pytest.raises(Stopped):
        NetworkClassifier(**settings, checkpoint=path, progress=stop).fit(x, y)
    with pytest.raises(ValueError, match="another run"):
        NetworkClassifier(**settings, checkpoint=path, random_state=1).fit(x, y)
    seen: list[float] = []
    again = NetworkClassifier(**settings, checkpoint=path, progress=lambda done, *_: seen.append(done)).fit(x, y)
    assert seen == [3, 4]
    assert np.array_equal(straight.decision_function(x), again.decision_function(x))
    assert np.array_equal(straight.weight_, again.weight_)
    assert not path.exists()


def test_drills_keep_a_trigger_from_being_learnt(backdoored, digits) -> None:
    x, y, _ = backdoored
    settings = {"shape": SIDE, "epochs": 8, "least_steps": 60}
    plain = NetworkClassifier(**settings).fit(x[:400], y[:400])

    def corner(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        at = 6 * rng.integers(0, 2, 2)
        pictures = pictures.copy()
        pictures[:, at[0] : at[0] + 2, at[1] : at[1] + 2] = 255
        return pictures

    drilled = NetworkClassifier(**settings, drill=Drill((on_pictures(corner),), triggered=0.8, ramp=0)).fit(x[:400], y[:400])
    assert turned(plain, digits) > 0.7
    assert turned(drilled, digits) < turned(plain, digits) - 0.3
    assert drilled.score(x[400:], y[400:]) > 0.9


def test_adversarial_training_raises_robust_accuracy(digits) -> None:
    x, y = digits
    settings = {"shape": SIDE, "epochs": 6, "least_steps": 60}
    found = []
    for drill in (None, Drill(attacked=1.0, reach=0.15, steps=4)):
        model = NetworkClassifier(**settings, drill=drill).fit(x[:400], y[:400])
        found.append(robustness(model.net_, model.inputs(x[400:]), torch.from_numpy(y[400:]), reach=0.15, steps=10))
    plain, trained = found
    assert plain.pgd[0] <= plain.fgsm[0] <= plain.clean[0]
    assert trained.pgd[0] > plain.pgd[0] + 0.1
    assert trained.clean[0] > 0.9


def test_attacks_keep_to_their_ball_and_are_as_strong_as_a_peer(digits) -> None:
    """Foolbox 3.3.4 on the same network: FGSM is the same picture for picture, PGD turns as many within three points."""
    foolbox = pytest.importorskip("foolbox")
    x, y = digits
    model = NetworkClassifier(shape=SIDE, epochs=2, least_steps=40).fit(x[:400], y[:400])
    inputs, truth = model.inputs(x[400:]), torch.from_numpy(y[400:])
    reach = 0.12
    with judging(model.net_) as net:
        peer = foolbox.PyTorchModel(net, bounds=(0, 1))
        theirs = foolbox.attacks.FGSM(random_start=False).run(peer, inputs, truth, epsilon=reach)
        assert torch.allclose(fgsm(net, inputs, truth, reach), theirs, atol=1e-6)
        for norm, attack in (
            ("inf", foolbox.attacks.LinfPGD(rel_stepsize=2.5 / 20, steps=20)),
            ("2", foolbox.attacks.L2PGD(rel_stepsize=2.5 / 20, steps=20)),
        ):
            size = reach if norm == "inf" else 1.0
            ours = pgd(net, inputs, truth, size, 20, norm, torch.Generator().manual_seed(0))
            change = (ours - inputs).flatten(1)
            largest = change.abs().max() if norm == "inf" else change.norm(dim=1).max()
            assert largest <= size + 1e-5
            assert 0 <= float(ours.min()) <= float(ours.max()) <= 1
            hit = (net(ours).argmax(1) != truth).float().mean()
            theirs_hit = (net(attack.run(peer, inputs, truth, epsilon=size)).argmax(1) != truth).float().mean()
            assert abs(float(hit - theirs_hit)) < 0.03


def test_unlearning_takes_a_backdoor_out(backdoored, digits) -> None:
    x, y, bad = backdoored
    model = NetworkClassifier(shape=SIDE, epochs=6, least_steps=60).fit(x[:400], y[:400])
    inputs, codes = model.inputs(x[:400]), torch.from_numpy(y[:400])
    assert turned(model, digits) > 0.7
    stamp = on_pictures(lambda pictures, rng: cornered(pictures.reshape(len(pictures), -1)).reshape(-1, *SIDE))
    unlearn(model.net_, inputs, codes, torch.from_numpy(np.sort(bad)), stamp=stamp)
    assert turned(model, digits) < 0.05
    assert model.score(x[400:], y[400:]) > 0.9


def test_networks_vote_in_a_partitioned_ensemble(digits) -> None:
    x, y = digits
    ensemble = PartitionedClassifier(NetworkClassifier(epochs=1, least_steps=30), partitions=7).fit(x[:400], y[:400])
    certified = ensemble.certify(x[400:])
    assert (certified.prediction == y[400:]).mean() > 0.85
    assert np.median(certified.radius) >= 2


def test_the_command_tries_a_model_that_others_trained(real_data, tmp_path: Path, capsys) -> None:
    """A network of the I-BAU authors on 48 pictures of CIFAR-10's test set: a change of 8/255 turns most of them."""
    import json

    from assay import cli
    from assay.bench.sets import cifar

    model = real_data("backdoored_models/ibau_badnets_8.pt")
    x, y = cifar("test", 48)
    np.savez(tmp_path / "some.npz", x=x, y=y)
    asked = ["model", "test", str(model), str(tmp_path / "some.npz"), "--steps", "5"]
    assert cli.run([*asked, "--out", str(tmp_path / "found.json")]) == 0
    told = json.loads((tmp_path / "found.json").read_text())
    assert told["clean"]["share"] > 0.6
    assert told["pgd"]["share"] <= told["fgsm"]["share"] < told["clean"]["share"] - 0.2
    assert "PGD, 5 steps" in capsys.readouterr().out
    assert cli.run([*asked, "--at-least", "0.9"]) == 1
    assert cli.run([*asked, "--norm", "7"]) == 2
