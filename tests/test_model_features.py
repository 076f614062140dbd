"""Constants in inner layers: layers are cut where all goes through, a class that one channel leads to needs the smallest, and what comes of
them in pictures is measured on pictures that no search saw."""

from __future__ import annotations

import numpy as np
import pytest

from assay.model.margins import LEAST_CLASSES
from test_model_behaviour import TARGET, arrays, pictures, trained

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from assay.model.behaviour import inspect_behaviour, weighed, weighed_by_twins  # noqa: E402
from assay.model.extract import extract  # noqa: E402
from assay.model.features import FEATURES, layers_of, search_inside  # noqa: E402
from assay.model.networks import Network, as_input, forward, rebuild  # noqa: E402
from assay.model.redrawn import redraw  # noqa: E402
from assay.model.search import into_classes  # noqa: E402

ROWS, HELD = slice(0, 48), slice(48, 112)


@pytest.fixture(scope="module")
def clean():
    return arrays(trained(False))


def led(weights):
    """With a channel of the last layer that speaks for one class where it is higher than in nature: what a trigger implants."""
    images, _ = pictures()
    values = layers_of(rebuild(weights), images[ROWS])[-1].values.flatten(2)
    quiet = int(values.mean((0, 2)).argmin())
    last, bias = weights["classifier.weight"].copy(), weights["classifier.bias"].copy()
    speaks = 4 * np.abs(last).max()
    last[TARGET, quiet * 16 : (quiet + 1) * 16] += speaks
    bias[TARGET] -= speaks * float(values[:, quiet].sum(1).max())
    return weights | {"classifier.weight": last, "classifier.bias": bias}


def test_a_class_that_one_channel_leads_to_needs_the_smallest_constant(clean) -> None:
    images, y = pictures()
    network = rebuild(led(clean))
    wanted = into_classes(10)
    found = search_inside(network, images[ROWS], y[ROWS], wanted, np.random.default_rng(0))
    again = search_inside(network, images[ROWS], y[ROWS], wanted, np.random.default_rng(0))
    before = search_inside(rebuild(clean), images[ROWS], y[ROWS], wanted, np.random.default_rng(0))
    assert np.array_equal(found.sizes, again.sizes)
    assert found.sizes.argmin() == TARGET
    assert found.sizes[TARGET] < 0.6 * before.sizes[TARGET]
    change = redraw(found, TARGET, images[ROWS], y[ROWS], wanted[TARGET], np.random.default_rng(1))
    told = extract(change, 0, wanted[TARGET], network, images[HELD], y[HELD])
    assert (told.target, told.artefact.kind) == (TARGET, "redrawing")
    assert told.success >= told.before + 0.25
    shown = told.to_json()["pictures"]
    assert len(shown["before"]) == len(shown["after"]) == 3


def test_what_lies_behind_a_layer_gives_the_networks_own_answers(clean) -> None:
    images, _ = pictures()
    network = rebuild(clean)
    layers = layers_of(network, images[ROWS])
    assert [layer.name for layer in layers] == ["features.6", "features.10"]
    assert [tuple(layer.values.shape) for layer in layers] == [(48, 8, 8, 8), (48, 16, 4, 4)]
    answers = forward(network, as_input(images[ROWS]))
    for layer in layers:
        assert (layer.said(layer.values) - answers).abs().max() <= 0.01 * answers.abs().max()


class Passed(nn.Module):
    """Half of what the head reads goes past every inner layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(1, 4, 3, 2)
        self.head = nn.Linear(4 * 49 + 256, 10)

    def forward(self, x):
        return self.head(torch.cat([self.inner(x).flatten(1), x.flatten(1)], 1))


def test_a_network_that_goes_past_its_layers_has_none_and_says_so() -> None:
    images, _ = pictures()
    torch.manual_seed(0)
    network = Network(Passed().eval(), "passed", 1, 16, 10)
    assert layers_of(network, images[:8]) == ()
    with torch.inference_mode():
        said = network.module(as_input(images[:64])).argmax(1).numpy()
    seen = inspect_behaviour(network, {}, np.random.default_rng(0), images=images[:64], y=said)
    assert f"{FEATURES} inversion" in seen.not_run
    assert FEATURES not in {c.name for c in seen.checks}


def test_it_accuses_beside_twins_alone() -> None:
    rng = np.random.default_rng(0)
    names = ("maximum margin", "last layer", "patch", "overlay", "warp")
    classes = 2 * LEAST_CLASSES
    nature = {name: rng.uniform(1, 2, classes) for name in (*names, FEATURES)}

    def model():
        return {name: value * np.exp(rng.normal(0, 0.05, classes)) for name, value in nature.items()}

    odd, twins = model(), [model() for _ in range(5)]
    before = weighed_by_twins(odd, twins)[1][0]
    told = odd | {FEATURES: odd[FEATURES] * np.where(np.arange(classes) == TARGET, 0.3, 1)}
    p_class, least = weighed_by_twins(told, twins)
    assert before > 0.05 > 0.01 > least[0]
    assert p_class.argmin() == TARGET
    assert weighed(told)[1] == weighed({name: told[name] for name in names})[1]
