"""A planted patch is unlearnt and stays so; the file that came is left as it was; what was done is written down and logged."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest

from assay.artefact.patch import Patch
from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.weights import read_weights, write_weights
from test_model_behaviour import TARGET, arrays, pictures, planted, trained

torch = pytest.importorskip("torch")

from assay.model.adversarial_pruning import adversarial_masks  # noqa: E402
from assay.model.networks import accuracy, predict, rebuild  # noqa: E402
from assay.model.repair import fine_tuned, prune, prune_attacked, tune, unlearn  # noqa: E402

TRIGGER = Patch(np.full((2, 2, 1), 255, np.uint8), np.ones((2, 2), bool), 0, 0)
CLEAN, TEST = slice(0, 256), slice(1000, 1400)


@pytest.fixture(scope="module")
def net():
    return trained(True)


def turned(network):
    images, y = pictures()
    others = y[TEST] != TARGET
    return float((predict(network, planted(images[TEST][others])) == TARGET).mean())


def test_an_unlearnt_patch_is_gone_and_fine_tuning_does_not_bring_it_back(net) -> None:
    images, y = pictures()
    network = rebuild(arrays(net))
    assert turned(network) > 0.9
    mended = unlearn(network, images[CLEAN], y[CLEAN], (TRIGGER,), np.random.default_rng(0)).network
    again = fine_tuned(mended, images[CLEAN], y[CLEAN], np.random.default_rng(1))
    for one in (mended, again):
        assert turned(one) <= 0.05
        assert accuracy(one, images[TEST], y[TEST]) >= 0.95  # these rows were learnt by heart before
    assert turned(network) > 0.9  # the network that came is left as it was


def test_what_cannot_be_repaired_is_refused(net) -> None:
    images, y = pictures()
    network = rebuild(arrays(net))
    with pytest.raises(DataError, match="at least 64"):
        tune(network, images[:32], y[:32], np.random.default_rng(0))
    with pytest.raises(DataError, match="no artefact"):
        unlearn(network, images[CLEAN], y[CLEAN], (), np.random.default_rng(0))


def test_pruned_channels_are_silent(net) -> None:
    weights = arrays(net)
    weights["features.8.weight"] = np.where(np.arange(16) == 5, 50, 1).astype(np.float32)
    weights["features.8.running_var"] = np.ones(16, np.float32)
    state = prune(rebuild(weights), weights).network.module.state_dict()
    assert float(state["features.7.weight"][5].abs().sum()) == 0
    assert float(state["features.8.bias"][5]) == 0
    assert float(state["features.7.weight"][4].abs().sum()) > 0


def test_channels_that_an_attack_reaches_first_go_as_far_as_clean_rows_can_spare(net) -> None:
    images, y = pictures()
    weights = arrays(net)
    weights["features.8.weight"] = weights["features.8.weight"].copy()
    weights["features.8.weight"][5] = 0  # a channel that says nothing: whatever is done to its scale harms nobody
    network = rebuild(weights)
    masked = adversarial_masks(network, images[CLEAN], y[CLEAN], np.random.default_rng(0))
    assert masked.channels == 32
    assert all(((m >= 0) & (m <= 1)).all() for m in masked.masks.values())
    gone = masked.without(network, 10).module.state_dict()
    assert sum(int((gone[f"{name}.weight"] == 0).sum()) for name in masked.masks) in (10, 11)
    done = prune_attacked(network, images[CLEAN], y[CLEAN], np.random.default_rng(0))
    assert "of 32 channels" in done.what
    assert accuracy(done.network, images[TEST], y[TEST]) >= accuracy(network, images[TEST], y[TEST]) - 0.05
    with pytest.raises(DataError, match="at least 64"):
        prune_attacked(network, images[:32], y[:32], np.random.default_rng(0))


def test_the_command_writes_a_mended_model_and_leaves_the_first_alone(net, tmp_path, capsys) -> None:
    images, y = pictures()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    first = sha256((tmp_path / "net.pt").read_bytes()).hexdigest()
    np.savez(tmp_path / "clean.npz", x=images[:300], y=y[:300])
    trigger = {"artefact": TRIGGER.to_json(), "wanted": [TARGET] * 10}
    (tmp_path / "seen.json").write_text(json.dumps({"behaviour": {"triggers": [trigger]}}))
    assert run(["ledger", "init", str(tmp_path / "book")]) == 0
    wanted = ["repair", str(tmp_path / "net.pt"), "--data", str(tmp_path / "clean.npz"), "--artefacts", str(tmp_path / "seen.json")]
    out = tmp_path / "mended.safetensors"
    assert run([*wanted, "--out", str(out), "--ledger", str(tmp_path / "book")]) in (0, 1)
    assert sha256((tmp_path / "net.pt").read_bytes()).hexdigest() == first
    told = json.loads((tmp_path / "mended.safetensors.json").read_text())
    assert told["measured"]["before"]["turned"][0] > 0.9
    assert told["measured"]["after 100 fine-tuning steps"]["turned"][0] < 0.15
    assert turned(rebuild(read_weights(out))) <= 0.05
    assert run(["ledger", "verify", str(tmp_path / "book")]) == 0
    assert run([*wanted, "--out", str(out)]) == 2  # nothing is overwritten
    assert "nothing is overwritten" in capsys.readouterr().err


def test_weights_come_back_as_they_were_written(tmp_path) -> None:
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.c": np.array(7, np.int64), "empty": np.zeros((0, 2), np.float64)}
    write_weights(tmp_path / "w.safetensors", weights)
    read = read_weights(tmp_path / "w.safetensors")
    assert {k: (v.dtype, v.shape) for k, v in read.items()} == {k: (v.dtype, v.shape) for k, v in weights.items()}
    assert all((read[k] == weights[k]).all() for k in weights)
    with pytest.raises(FileExistsError):
        write_weights(tmp_path / "w.safetensors", weights)
