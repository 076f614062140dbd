"""Which inputs carry a trigger: planted ones are held, clean ones hardly; the promise by simulation; the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.guard import Look
from test_model_behaviour import TARGET, arrays, pictures, planted, trained

torch = pytest.importorskip("torch")

from assay.model.guard import guard_network, guard_of  # noqa: E402
from assay.model.networks import predict, rebuild  # noqa: E402
from assay.model.steadiness import NORMS, mixed, normed, scores_of  # noqa: E402

CLEAN, TEST = slice(1000, 1260), slice(1260, 1700)


@pytest.fixture(scope="module")
def network():
    return rebuild(arrays(trained(True)))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_a_clean_input_is_held_no_more_often_than_promised(seed, digits) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(400, 100)).round(digits)  # with ties, too
    held = [float((Look(np.ravel, np.sort(row[:99])).p(row[99:]) <= 0.05).mean()) for row in drawn]
    assert np.mean(held) <= 0.1  # 0.05 expected; beyond 0.1 in 400 at 5 %: 3 in a hundred thousand
    together = [Look(np.ravel, np.sort(row[:50])).p_together(row[50:]) <= 0.05 for row in drawn]
    assert np.mean(together) <= 0.1


def test_triggered_inputs_are_held_and_clean_ones_hardly(network) -> None:
    images, y = pictures()
    guard = guard_network(network, [], images[CLEAN], y[CLEAN])
    clean = guard.look(images[TEST])
    assert clean.held.mean() <= 0.06
    triggered = planted(images[TEST][y[TEST] != TARGET])
    seen = guard.look(triggered[predict(network, triggered) == TARGET])
    assert seen.held.mean() >= 0.5
    assert not seen.by_artefact.any()
    assert seen.p_together < 1e-6 < 0.001 < clean.p_together
    assert guard.look(images[:0]).held.shape == (0,)


def test_labels_alone_are_enough_for_mixtures(network) -> None:
    images, y = pictures()
    guard = guard_of(lambda x: predict(network, x), [], images[CLEAN])
    figure = guard.looks["STRIP"].figure
    triggered = planted(images[TEST][y[TEST] != TARGET])
    assert np.median(figure(triggered)) > np.quantile(figure(images[TEST]), 0.7)
    with pytest.raises(DataError, match="needs 131"):
        guard_of(lambda x: predict(network, x), [], images[:100])


def test_a_mixture_is_even_and_amplified_normalisation_leaves_the_network_alone(network) -> None:
    images, y = pictures()
    ask = scores_of(network)
    other = images[500:501]
    half = np.rint((images[:3].astype(float) + other) / 2).astype(np.uint8)
    said = ask(images[:3]).argmax(1)
    np.testing.assert_allclose(mixed(ask, other)(images[:3]), ask(half)[np.arange(3), said])
    before = {k: v.clone() for k, v in network.module.state_dict().items()}
    assert NORMS > 1
    assert normed(network, images[CLEAN], y[CLEAN])(images[TEST]).shape == (len(y[TEST]),)
    assert all(torch.equal(before[k], v) for k, v in network.module.state_dict().items())


def test_the_command_tells_the_inputs_that_carry_a_trigger(network, tmp_path, capsys) -> None:
    images, y = pictures()
    torch.save(network.module.state_dict(), tmp_path / "net.pt")
    np.savez(tmp_path / "clean.npz", x=images[CLEAN], y=y[CLEAN])
    batch = images[TEST].copy()
    batch[:100] = planted(batch[:100])
    np.savez(tmp_path / "batch.npz", x=batch)
    wanted = ["inspect", str(tmp_path / "net.pt"), "--inputs", str(tmp_path / "batch.npz")]
    out = tmp_path / "seen.json"
    assert run([*wanted, "--data", str(tmp_path / "clean.npz"), "--out", str(out)]) in (0, 1)
    told = json.loads(out.read_text())["inputs"]
    held = np.array(told["held"])
    assert (held < 100).sum() >= 40
    assert (held >= 100).sum() <= 25
    assert (told["rows"], len(told["p"]), set(told["by"])) == (440, 440, {"STRIP", "SCALE-UP", "IBD-PSC"})
    assert "of 440 held" in capsys.readouterr().out
    assert run(wanted) == 2
    assert run([*wanted, "--data", str(tmp_path / "clean.npz"), "--level", "0"]) == 2
