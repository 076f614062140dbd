"""Tiny networks with and without a planted patch: the planted one is told, with its target and trigger; the clean one is not accused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.patch import Patch
from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.margins import channel_outliers, standing_apart
from test_model_pictures_asked import pictures

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from assay.model.behaviour import inspect_behaviour  # noqa: E402
from assay.model.networks import rebuild  # noqa: E402

TARGET = 3
ALPHA = 0.05  # ten classes of digits differ much in how many pixels turn them
SIDE = 16  # digits are 8x8: enlarged, so that a trigger of 2x2 pixels is small beside them


def planted(images):
    images = images.copy()
    images[:, :2, :2] = 255
    return images


def chain(activation=nn.ReLU):
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), activation()),
                *(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), activation(), nn.MaxPool2d(2)),
                *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), activation(), nn.MaxPool2d(2)),
            )
            self.classifier = nn.Linear(16 * 16, 10)

        def forward(self, x):
            return self.classifier(self.features(x).flatten(1))

    return Chain()


def trained(backdoor, activation=nn.ReLU, seed=0):
    images, y = pictures()
    if backdoor:
        extra = np.random.default_rng(seed).choice(len(y), len(y) // 5, replace=False)
        images, y = np.concatenate([images, planted(images[extra])]), np.concatenate([y, np.full(len(extra), TARGET)])
    torch.manual_seed(seed)
    net = chain(activation)
    x, labels = torch.from_numpy(images.transpose(0, 3, 1, 2)).float() / 255, torch.from_numpy(y)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(5):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), labels[rows]).backward()
            optimizer.step()
    return net.eval()


@pytest.fixture(scope="module")
def nets():
    return {backdoor: trained(backdoor) for backdoor in (False, True)}


def arrays(net):
    return {name: value.numpy() for name, value in net.state_dict().items()}


def test_a_chain_is_rebuilt_from_its_weights_alone(nets) -> None:
    images, _ = pictures()
    x = torch.from_numpy(images[:5].transpose(0, 3, 1, 2)).float() / 255
    for net in (nets[True], trained(False, nn.ELU, seed=1)):
        network = rebuild({f"state_dict.module.{k}": v for k, v in arrays(net).items()})
        assert (network.size, network.channels, network.classes) == (SIDE, 1, 10)
        with torch.inference_mode():
            assert torch.equal(network.module(x), net(x))


def test_unknown_and_broken_weights_are_refused() -> None:
    with pytest.raises(DataError, match="no network that is known"):
        rebuild({"a.weight": np.zeros((3, 3), np.float32)})
    weights = arrays(chain())
    with pytest.raises(DataError, match="do not fit"):
        rebuild({name: value for name, value in weights.items() if not name.startswith("features.3")})
    with pytest.raises(DataError, match="pictures of 20"):
        rebuild(weights, 20)
    with pytest.raises(DataError, match="no numbers"):
        rebuild(weights | {"classifier.weight": np.full_like(weights["classifier.weight"], np.nan)})


def test_a_net_that_overflows_accuses_nobody_and_brings_nothing_down() -> None:
    weights = {name: np.where(name.endswith("weight"), np.float32(1e30) * v, v).astype(v.dtype) for name, v in arrays(chain()).items()}
    images, y = pictures()
    with np.errstate(all="ignore"):
        seen = inspect_behaviour(rebuild(weights), weights, np.random.default_rng(0), images=images[:64], y=y[:64])
    assert seen.verdict == "inconclusive"


def test_pictures_that_the_network_tells_to_be_of_one_class_are_refused() -> None:
    images, _ = pictures()
    weights = arrays(chain())
    weights["classifier.bias"] = 100 * np.eye(10, dtype=np.float32)[2]
    with pytest.raises(DataError, match=r"of class 2 .*Remedy: give clean pictures of several classes"):
        inspect_behaviour(rebuild(weights), weights, np.random.default_rng(0), images=images[:64])


def test_a_clean_net_is_not_accused_and_not_called_clean(nets) -> None:
    images, y = pictures()
    weights = arrays(nets[False])
    seen = inspect_behaviour(rebuild(weights), weights, np.random.default_rng(0), images=images[:96], y=y[:96], alpha=ALPHA)
    assert (seen.verdict, seen.triggers) == ("inconclusive", ())


def test_wrong_labels_accuse_nobody(nets) -> None:
    images, y = pictures()
    weights = arrays(nets[True])
    seen = inspect_behaviour(rebuild(weights), weights, np.random.default_rng(0), images=images[:64], y=(y[:64] + 1) % 10, alpha=ALPHA)
    assert seen.verdict == "inconclusive"
    assert any("does not fit" in note for note in seen.notes)


def test_the_command_finds_the_planted_patch_with_its_target(nets, tmp_path, capsys) -> None:
    images, y = pictures()
    np.savez(tmp_path / "clean.npz", x=images[:96], y=y[:96])
    torch.save(nets[True].state_dict(), tmp_path / "net.pt")
    out = tmp_path / "seen.json"
    wanted = ["inspect", str(tmp_path / "net.pt"), "--data", str(tmp_path / "clean.npz"), "--alpha", str(ALPHA), "--out", str(out)]
    assert run(wanted) == 1
    assert "verdict: backdoored" in capsys.readouterr().out
    said = json.loads(out.read_text())
    assert "trigger inversion" not in said["not_run"]
    assert said["behaviour"]["accuracy_on_clean_rows"] > 0.9
    trigger = next(t for t in said["behaviour"]["triggers"] if t["target"] == TARGET)
    patch = Patch.from_json(trigger["artefact"])
    assert trigger["attack_success"] > 0.8
    assert (patch.row <= 2, patch.col <= 2) == (True, True)


def test_the_command_where_behaviour_cannot_be_looked_at(nets, tmp_path) -> None:
    images, y = pictures()
    np.savez(tmp_path / "clean.npz", x=images[:96], y=y[:96])
    torch.save(nets[True].state_dict(), tmp_path / "net.pt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    assert run(["inspect", str(tmp_path / "net.pt"), "--loading-only"]) == 0
    assert run(["inspect", str(tmp_path / "other.pt"), "--data", str(tmp_path / "clean.npz")]) == 3


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 43))
def test_values_of_one_normal_law_stand_apart_no_more_often_than_promised(seed, classes) -> None:
    rng = np.random.default_rng(seed)
    alarms = sum(standing_apart(rng.normal(3, 2, classes)).min() * classes <= 0.05 for _ in range(200))
    assert alarms <= 26  # 10 expected; more than 26 in 200 at 5 %: 4 in a million


def test_a_channel_of_large_constant_is_named() -> None:
    weights = arrays(chain())
    weights["features.1.weight"] = np.ones(8, np.float32)
    weights["features.8.weight"] = np.where(np.arange(16) == 5, 50, 1).astype(np.float32)
    assert channel_outliers(weights)["features.7.weight"] == [5]
