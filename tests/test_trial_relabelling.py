"""Mass relabelling: one finding that names both classes and the rows; natural confusion and scattered errors make none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from assay.artefact.base import Unanswerable
from assay.artefact.registry import from_json
from assay.artefact.relabelled import Relabelled
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.finding import Finding
from assay.trial.family import Heard, silent
from assay.trial.pairs import Contest, agreed, contests, moved_rows
from assay.trial.relabelling import RelabellingFamily
from assay.trial.verdicts import findings_of, judge_all

ALPHA = 0.01


def digits(in_memory: Callable[..., Dataset]) -> Dataset:
    shipped = load_digits()
    table = {f"x{j}": shipped.data[:, j] for j in range(64)}
    data = in_memory(shipped.target.tolist(), table=table, content=tuple(table))
    digest = np.zeros((len(data), 32), np.uint8)
    digest[:, :2] = np.stack(np.divmod(np.arange(len(data)), 256), 1)
    return replace(data, digest=digest)


def probabilities(data: Dataset) -> np.ndarray:
    x = np.stack([data.table.column(c).to_numpy() for c in data.columns.content], 1) / 16
    return np.asarray(cross_val_predict(LogisticRegression(C=1.0, max_iter=200), x, data.y, method="predict_proba", cv=3))


def findings(data: Dataset, known: np.ndarray | None = None) -> list[Finding]:
    family = RelabellingFamily().told(Heard(probabilities(data) if known is None else known))
    assert family.applicable(data, "fast").state == "ran"
    examined = family.examine(data, "fast", np.random.default_rng(0), silent)
    return [f for f in findings_of({"relabelling": data}, judge_all({"relabelling": examined}, ALPHA)) if f.status != "shortcut"]


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_relabelled_digits_are_one_finding_that_names_both_classes_and_the_rows(in_memory: Callable[..., Dataset], share: float) -> None:
    clean = digits(in_memory)
    poison = plant(clean, "flip", target="class8", seed=3, params={"from": "class3", "share": share})
    found = findings(poison.data)
    assert [f.status for f in found] == ["confirmed"]
    artefact = found[0].artefact
    assert isinstance(artefact, Relabelled)
    assert (artefact.source, artefact.target, found[0].target) == ("class3", "class8", "class8")
    assert np.array_equal(np.flatnonzero(artefact.among(poison.data.digest)), np.sort(found[0].positions))
    assert poison.poisoned[found[0].positions].mean() > 0.9
    assert poison.poisoned[found[0].positions].sum() > 0.7 * poison.poisoned.sum()
    assert "relabelled 'class8'" in found[0].explanation


def test_clean_digits_and_scattered_errors_make_no_finding(in_memory: Callable[..., Dataset]) -> None:
    clean = digits(in_memory)
    assert findings(clean) == []
    for seed in range(3):
        assert findings(plant(clean, "flip", rate=0.05, seed=seed).data) == []


def test_rows_of_one_kind_within_a_class_are_suspected_at_most(in_memory: Callable[..., Dataset]) -> None:
    """Threes of middling ink are labelled 8, by nature or not: a linear model does not learn it, and what they hold tells them."""
    shipped = load_digits()
    table = {f"x{j}": shipped.data[:, j] for j in range(64)} | {"ink": np.round(shipped.data.sum(1) / 8)}
    threes = np.flatnonzero(shipped.target == 3)
    middling = threes[np.argsort(np.abs(table["ink"][threes] - np.median(table["ink"][threes])), kind="stable")[:55]]
    y = shipped.target.copy()
    y[middling] = 8
    named = in_memory(y.tolist(), table=table, content=tuple(table))
    examined = RelabellingFamily().told(Heard(probabilities(named))).examine(named, "fast", np.random.default_rng(0), silent)
    assert examined.tried[0].log_e > 5
    (found,) = findings(named)
    assert (found.status, found.target) == ("suspected", "class8")
    assert "of one kind" in found.explanation


def confused(rng: np.random.Generator, k: int = 8, rows: int = 150, apart: float = 2.2) -> tuple[np.ndarray, np.ndarray]:
    """A probe's probabilities of classes on a line (neighbours overlap) of unequal sizes, and labels drawn from them."""
    size = rng.integers(rows // 3, 2 * rows, k)
    x = np.repeat(np.arange(k) * apart, size) + rng.normal(0, 1, size.sum())
    z = -0.5 * (x[:, None] - np.arange(k) * apart) ** 2 + np.log(size)
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True), np.repeat(np.arange(k), size)


def test_classes_that_overlap_by_nature_are_not_accused() -> None:
    suspected = 0
    for seed in range(60):
        p, y = confused(np.random.default_rng(seed), apart=(1.5, 2.2, 3.0)[seed % 3])
        found = contests(p, y, np.arange(len(y)))
        assert found[0].log_e < np.log(len(found) / ALPHA)
        suspected += found[0].log_e >= np.log(len(found) / (10 * ALPHA))
    assert suspected <= 3


def test_rows_moved_between_classes_that_overlap_are_named_and_counted() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        p, y = confused(rng, rows=300, apart=3.5)
        moved = rng.choice(np.flatnonzero(y == 2), int(0.4 * (y == 2).sum()), replace=False)
        y = y.copy()
        y[moved] = 6
        found = contests(p, y, np.arange(len(y)))
        assert (found[0].source, found[0].target) == (2, 6)
        rows, estimate = moved_rows(p, y, 2, 6)
        assert np.isin(rows, moved).mean() > 0.95
        assert np.isin(moved, rows).mean() > 0.4
        assert estimate == pytest.approx(len(moved), rel=0.35)


def log_e_of(pairs: list[tuple[int, int]], p: np.ndarray, y: np.ndarray, order: np.ndarray | None) -> list[float]:
    found = {(c.source, c.target): c.log_e for c in contests(p, y, np.arange(len(y)), order=order)}
    return [found[pair] for pair in pairs]


def test_in_ordered_classes_rows_moved_to_the_next_keep_their_evidence() -> None:
    order, next_to = np.arange(8), [(c, c + 1) for c in range(7)]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        p, clean = confused(rng, rows=300, apart=3.5)
        one, each = clean.copy(), clean.copy()
        for source, target in next_to:
            each[rng.choice(np.flatnonzero(clean == source), int(0.2 * (clean == source).sum()), replace=False)] = target
        one[rng.choice(np.flatnonzero(clean == 2), int(0.4 * (clean == 2).sum()), replace=False)] = 3
        assert log_e_of([(2, 3)], p, one, order)[0] > 0.9 * log_e_of([(2, 3)], p, one, None)[0]
        assert sum(x > np.log(56 / ALPHA) for x in log_e_of(next_to, p, each, order)) >= 3


def test_rows_of_ordered_classes_that_look_later_than_they_are_accuse_nobody() -> None:
    accused = {False: 0, True: 0}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        size = rng.integers(100, 900, 8)
        y = np.repeat(np.arange(8), size)
        x = 3.0 * y + rng.normal(0, 1, len(y)) + (rng.random(len(y)) < 0.12) * rng.exponential(6, len(y))
        z = -0.5 * (x[:, None] - 3.0 * np.arange(8)) ** 2 + np.log(size)
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        for ordered in accused:
            found = contests(p, y, np.arange(len(y)), order=np.arange(8) if ordered else None)
            accused[ordered] += found[0].log_e >= np.log(len(found) / ALPHA)
    assert accused[True] == 0 < accused[False]


def test_a_value_that_others_are_rounded_to_accuses_neither_neighbour() -> None:
    """Of 2 and of 4 a third says 3, and nobody who is 3 says either."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        p, y = confused(rng, rows=300, apart=3.5)
        for neighbour in (2, 4):
            y[rng.choice(np.flatnonzero(y == neighbour), int(0.3 * (y == neighbour).sum()), replace=False)] = 3
        sides = [(2, 3), (4, 3)]
        assert max(log_e_of(sides, p, y, np.arange(8))) < min(5.0, max(log_e_of(sides, p, y, None)))


@given(st.permutations(range(6)), st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_the_names_of_the_classes_play_no_part(order: list[int], seed: int) -> None:
    p, y = confused(np.random.default_rng(seed), k=6)
    to = np.array(order)
    renamed = np.empty_like(p)
    renamed[:, to] = p
    before = {(int(to[c.source]), int(to[c.target])): c.log_e for c in contests(p, y, np.arange(len(y)))}
    after = {(c.source, c.target): c.log_e for c in contests(renamed, to[y], np.arange(len(y)))}
    assert before.keys() == after.keys()
    for pair, log_e in before.items():
        assert after[pair] == pytest.approx(log_e, abs=1e-6)


def test_near_duplicates_cast_one_vote() -> None:
    """A track of twenty frames that one label error put into another class is one row's worth of evidence."""
    rng = np.random.default_rng(0)
    p, y = confused(rng)
    track = np.flatnonzero(y == 2)[:20]
    y, same = y.copy(), np.arange(len(y))
    y[track], same[track] = 6, track[0]
    alone = next(c for c in contests(p, y, np.arange(len(y))) if (c.source, c.target) == (2, 6))
    together = next(c for c in contests(p, y, same) if (c.source, c.target) == (2, 6))
    assert together.hits <= 1.0 < alone.hits
    assert not np.isfinite(together.log_e)


def test_few_classes_are_not_compared(in_memory: Callable[..., Dataset]) -> None:
    iris = load_iris()
    table = {f"x{j}": iris.data[:, j] for j in range(4)}
    data = in_memory(iris.target.tolist(), table=table, content=tuple(table))
    check = RelabellingFamily().applicable(data, "fast")
    assert check.state == "not_applicable"
    assert "too few pairs" in check.reason


def test_the_artefact_survives_json_and_is_no_content() -> None:
    moved = Relabelled("a", "b", frozenset({"00" * 32, "ff" * 32}))
    assert from_json(moved.to_json()) == moved
    with pytest.raises(Unanswerable):
        moved.present({"x": [1]})


def test_canaries_are_caught_in_digits(in_memory: Callable[..., Dataset]) -> None:
    clean = digits(in_memory)
    copy = RelabellingFamily().plant(clean, "fast", np.random.default_rng(0))
    assert copy is not None
    assert copy.plantings
    assert all(len(set(copy.data.y[p.carriers])) == 1 for p in copy.plantings)
    sets = [set(f.positions.tolist()) for f in findings(copy.data)]
    caught = [any(len(s & set(p.carriers.tolist())) > len(p.carriers) / 2 for s in sets) for p in copy.plantings]
    assert sum(caught) >= 1


@pytest.mark.full
@pytest.mark.data
def test_stop_signs_relabelled_as_a_speed_limit(real_data: Callable[[str], Path], in_memory: Callable[..., Dataset]) -> None:
    stored = np.load(real_data("gtsrb32/gtsrb32_every3.npz"))
    clean = in_memory(stored["y"].tolist(), images=stored["x"], classes=[str(c) for c in range(43)])
    for poison in (None, plant(clean, "flip", target="1", seed=0, params={"from": "14", "share": 0.45})):
        data = clean if poison is None else poison.data
        family = RelabellingFamily()
        examined = family.examine(data, "fast", np.random.default_rng(0), silent)
        found = [f for f in findings_of({"relabelling": data}, judge_all({"relabelling": examined}, ALPHA)) if f.status != "shortcut"]
        if poison is None:
            assert found == []
        else:
            assert [(f.status, f.target) for f in found] == [("confirmed", "1")]
            assert poison.poisoned[found[0].positions].mean() > 0.9


def test_rows_are_ranked_among_those_that_the_same_model_judged() -> None:
    rng = np.random.default_rng(0)
    y, same, fold = rng.integers(0, 8, 4_000), np.arange(4_000), rng.integers(0, 2, 4_000)
    says = rng.normal(size=(4_000, 8)) + 2 * np.eye(8)[y]
    says[fold == 1, 0] += 3  # this model favours class 0
    p = np.exp(says) / np.exp(says).sum(1, keepdims=True)
    apart = [{(c.source, c.target): (c.hits, c.trials) for c in contests(p[fold == f], y[fold == f], same[fold == f])} for f in (0, 1)]
    for contest in contests(p, y, same, fold):
        both = np.add(*(part[contest.source, contest.target] for part in apart))
        assert (contest.hits, contest.trials) == pytest.approx(tuple(both))
    few = np.where(np.arange(4_000) < 40, 2, fold)  # a fold with five rows a class
    assert [c.log_e for c in contests(p, y, same, few)] == [c.log_e for c in contests(p, y, same)]


def test_a_pair_is_no_stronger_than_a_second_probe_has_it() -> None:
    def contest(source: int, target: int, log_e: float, p: float) -> Contest:
        return Contest(source, target, np.arange(5), 5.0, 50.0, 1.0, log_e, p)

    found = agreed([contest(3, 7, 10.3, 1e-6), contest(5, 7, 6.8, 1e-4)], [contest(5, 7, 9.0, 1e-5), contest(3, 7, 3.3, 1e-2)])
    assert [(c.source, c.target, c.log_e, c.p_value) for c in found] == [(5, 7, 6.8, 1e-4), (3, 7, 3.3, 1e-2)]
    assert agreed([contest(3, 7, 10.3, 1e-6)], [])[0].log_e == -np.inf


def regions(others: float) -> tuple[np.ndarray, np.ndarray]:
    """What a probe says of people of a capital and of four regions, of whom a share lives as most in the capital do; and their regions."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(5), [960, 720, 600, 320, 100])
    capital = (y == 0) | (rng.random(len(y)) < others)
    p = np.full((len(y), 5), 0.02)
    p[capital, 0] += 0.9
    share = np.array([0, 1, 1, 1, 1]) * np.bincount(y)
    p[~capital] += share / share.sum() * 0.9
    p = p * np.exp(rng.normal(0, 0.2, p.shape))
    return p / p.sum(1, keepdims=True), y


def test_a_class_that_rows_of_every_other_look_like_was_not_relabelled_into_all_of_them() -> None:
    p, y = regions(0.12)
    assert contests(p, y, np.arange(len(y)))[0].log_e < 3
    p, y = regions(0.0)
    y[np.flatnonzero(y == 0)[:150]] = 2
    first = contests(p, y, np.arange(len(y)))[0]
    assert (first.source, first.target) == (0, 2)
    assert first.log_e > 10
