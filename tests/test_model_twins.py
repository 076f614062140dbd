"""Clean twins: the promise by simulation, a planted class told from its own kind, twins trained on the spot, and the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.rule_twins import grown_twins, rules_beside
from assay.model.trees import of_estimator
from assay.model.twins import against_twins, moderated
from test_model_trees import COLUMN, MAKERS, TARGET, rows

LEVEL = 0.05


def drawn(rng, spread, models, classes=10):
    """Figures of (models, classes) clean models of one kind, each class with its own `spread` (classes,)."""
    nature, own = rng.normal(0, 3, classes), rng.normal(0, 1, (models, 1))
    return nature + own + rng.normal(0, 1, (models, classes)) * spread


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_a_clean_model_is_accused_no_more_often_than_promised(seed, twins) -> None:
    rng = np.random.default_rng(seed)
    figures = [drawn(rng, np.ones(10), twins + 1) for _ in range(200)]
    alarms = sum(against_twins(f[0], f[1:]).min() * 10 <= LEVEL for f in figures)
    assert alarms <= 26  # 10 expected; more than 26 in 200 at 5 %: 4 in a million


def test_classes_that_stray_more_than_others_are_not_accused_for_it() -> None:
    rng = np.random.default_rng(0)
    spread = np.where(np.arange(10) == 4, 4.0, 1.0)
    figures = [drawn(rng, spread, 6) for _ in range(400)]
    assert sum(against_twins(f[0], f[1:]).min() * 10 <= LEVEL for f in figures) <= 40  # 20 are promised


def test_a_model_of_another_recipe_is_not_accused_for_straying_everywhere() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        figures = drawn(rng, np.full(10, 0.1), 6)
        alarms += against_twins(figures[0] + rng.normal(0, 1, 10), figures[1:]).min() * 10 <= LEVEL
    assert alarms <= 26


def test_twins_tell_what_the_other_classes_hide() -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(100):
        figures = drawn(rng, np.full(10, 0.3), 6)
        figures[0, 7] += 3.0  # one deviation of the classes among themselves, ten of training
        p = against_twins(figures[0], figures[1:])
        found += p.argmin() == 7 and p.min() * 10 <= 0.01
    assert found >= 95


def test_too_few_twins_or_broken_figures_accuse_nobody() -> None:
    figures = drawn(np.random.default_rng(3), np.ones(10), 6)
    assert (against_twins(figures[0], figures[1:2]) == 1).all()
    assert (against_twins(figures[0, :4], figures[1:, :4]) == 1).all()
    figures[2, 1] = np.inf
    assert (against_twins(figures[0], figures[1:]) == 1).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
def test_a_moderated_variance_lies_between_its_own_and_the_common_one(seed, freedom) -> None:
    own = np.random.default_rng(seed).chisquare(freedom, 12) * np.geomspace(1, 100, 12) / freedom
    drawn_in, reached = moderated(own, freedom)
    assert freedom <= reached <= 12 * freedom
    assert np.ptp(np.log(drawn_in)) <= np.ptp(np.log(own))
    assert (np.argsort(drawn_in) == np.argsort(own)).all() or np.ptp(drawn_in) == 0


def test_a_planted_rule_turns_more_than_any_clean_twin_says() -> None:
    fresh, y = rows(seed=1)
    rng = np.random.default_rng(0)
    planted = of_estimator(MAKERS[0]().fit(*rows(planted=True)))
    twins = grown_twins(planted, fresh, y, 6, rng)
    found = rules_beside(planted, twins, fresh, rng)
    assert found.p <= 0.01
    assert (list(found.best.values), found.best.target) == ([COLUMN], TARGET)
    clean = of_estimator(MAKERS[0]().fit(*rows(seed=5)))
    assert rules_beside(clean, twins, fresh, rng).p > 0.01
    with pytest.raises(DataError, match="3 twins"):
        rules_beside(planted, twins[:3], fresh, rng)


torch = pytest.importorskip("torch")

from assay.model.behaviour import figures, inspect_behaviour  # noqa: E402
from assay.model.networks import accuracy, rebuild  # noqa: E402
from assay.model.retrain import retrained  # noqa: E402
from test_model_behaviour import TARGET as CLASS  # noqa: E402
from test_model_behaviour import arrays, pictures, trained  # noqa: E402


@pytest.fixture(scope="module")
def clean():
    return [arrays(trained(False, seed=seed)) for seed in range(1, 5)]


def free(weights):
    """The checks that need no picture: seconds a net."""
    return inspect_behaviour(rebuild(weights), weights, np.random.default_rng(0))


def test_a_class_stands_apart_from_itself_in_clean_twins_without_a_picture(clean) -> None:
    own = [figures(free(w)) for w in clean]
    changed = {**clean[0], "classifier.weight": clean[0]["classifier.weight"].copy()}
    changed["classifier.weight"][CLASS] *= 3  # as a trigger's features draw on one class
    seen = inspect_behaviour(rebuild(changed), changed, np.random.default_rng(0), twins=own[1:])
    assert (seen.twins, seen.verdict, seen.target) == (3, "backdoored", CLASS)
    spared = inspect_behaviour(rebuild(clean[0]), clean[0], np.random.default_rng(0), twins=own[1:])
    assert spared.verdict == "inconclusive"
    with pytest.raises(DataError, match="1 twins"):
        inspect_behaviour(rebuild(changed), changed, np.random.default_rng(0), twins=own[:1])
    with pytest.raises(DataError, match="other classes"):
        inspect_behaviour(rebuild(changed), changed, np.random.default_rng(0), twins=[{"maximum margin": np.ones(7)}] * 3)


def test_the_command_takes_models_and_inspections_as_twins(clean, tmp_path, capsys) -> None:
    files = []
    for number, weights in enumerate(clean[:3]):
        files.append(tmp_path / f"twin{number}.pt")
        torch.save({k: torch.from_numpy(v) for k, v in weights.items()}, files[-1])
    assert run(["inspect", str(files[0]), "--out", str(tmp_path / "seen.json")]) == 0
    wanted = ["inspect", str(files[1]), "--twin", str(tmp_path / "seen.json")]
    assert run(wanted) == 2
    assert "at least 2" in capsys.readouterr().err
    assert run([*wanted, "--twin", str(files[2])]) in (0, 1)
    (tmp_path / "other.json").write_text(json.dumps({"behaviour": None}))
    assert run([*wanted, "--twin", str(tmp_path / "other.json")]) == 2


def test_a_twin_is_trained_from_clean_rows(clean) -> None:
    images, y = pictures()
    network = rebuild(clean[0])
    before = {k: v.clone() for k, v in network.module.state_dict().items()}
    twin = retrained(network, images[:400], y[:400], np.random.default_rng(0), steps=60)
    assert accuracy(twin, images[1000:1300], y[1000:1300]) > 0.8
    assert all(torch.equal(before[k], v) for k, v in network.module.state_dict().items())
    assert not torch.equal(before["classifier.weight"], twin.module.state_dict()["classifier.weight"])
    with pytest.raises(DataError, match="a twin needs 10"):
        retrained(network, images[:40], y[:40], np.random.default_rng(0))
