"""Groups: an insider is named, honest contributors are not, whatever rows they work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from assay.attack import plant
from assay.dataset.data import Dataset
from assay.finding import Finding
from assay.learn.columns import Coded, code_columns
from assay.learn.likeness import Likeness
from assay.mine.groups import LEAST, by_time, by_value
from assay.mine.populations import _tells, _twins, populations
from assay.stats.overdispersed import Counted, log_excess_e, log_mass, rates, upper_tail
from assay.trial.disputes import Disputes, out_of_line
from assay.trial.family import Heard, silent
from assay.trial.groups import GroupFamily, _alone, _shifted
from assay.trial.populations import Shifted
from assay.trial.verdicts import findings_of, judge_all
from assay.trial.witnesses import Witnesses

CONTRIBUTORS, ROWS, ALPHA = 50, 100, 0.01
ACCUSED = np.log(CONTRIBUTORS / ALPHA)


def crowd(
    rng: np.random.Generator, k: int = 3, insider: float = 0.0, spread: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Probabilities, labels and contributors of 50 people: ten see one class almost only, ten have hard rows, all lean by nature.

    Labels are drawn from the probabilities, tilted by each contributor's own leaning; the insider relabels that share of all rows.
    """
    code = np.repeat(np.arange(CONTRIBUTORS), ROWS)
    taste = rng.dirichlet(np.full(k, 2.0), CONTRIBUTORS)
    for specialist in range(10):
        taste[specialist] = np.where(np.arange(k) == specialist % k, 1.0, 0.03)
    hard = rng.uniform(0.5, 2.0, CONTRIBUTORS)
    hard[10:20] = 4.0
    truth = _draw(taste[code] / taste[code].sum(1, keepdims=True), rng)
    z = rng.normal(0, 1, (len(code), k))
    z[np.arange(len(code)), truth] += 5
    z /= hard[code, None]
    lean = rng.normal(0, spread, (CONTRIBUTORS, k))
    y = _draw(_softmax(z + lean[code]), rng)
    who = -1
    if insider:
        who = int(rng.integers(20, CONTRIBUTORS))
        rows = rng.choice(np.flatnonzero(code == who), int(insider * ROWS), replace=False)
        y[rows] = (y[rows] + 1) % k
    return _softmax(z), y, code, who


def _softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def _draw(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.minimum((rng.random((len(p), 1)) > p.cumsum(1)).sum(1), p.shape[1] - 1)


def accused(seed: int, **world: float) -> tuple[list[int], int, float]:
    p, y, code, who = crowd(np.random.default_rng(seed), **world)  # type: ignore[arg-type]
    suspects = out_of_line(Disputes.of(p, y), code, CONTRIBUTORS)
    insider = next((s.p_value for s in suspects if s.group == who), 1.0)
    return [s.group for s in suspects if s.log_e >= ACCUSED], who, insider


@pytest.mark.parametrize("k", [2, 5])
def test_an_insider_who_relabels_half_of_his_rows_is_named_and_nobody_else(k: int) -> None:
    for seed in range(8):
        named, who, p_value = accused(seed, k=k, insider=0.5)
        assert named == [who]
        assert p_value < 1e-3


def test_honest_contributors_are_not_accused() -> None:
    assert all(not accused(100 + seed)[0] for seed in range(15))


@pytest.mark.full
@pytest.mark.parametrize(("k", "spread", "least"), [(2, 0.3, 297), (3, 0.3, 297), (3, 0.6, 240), (5, 0.3, 285)])
def test_no_honest_contributor_is_accused_in_99_of_100_simulations(k: int, spread: float, least: int) -> None:
    """Where people differ widely by nature (0.6: odds between two classes a factor of 2.3 apart), an insider hides better."""
    false, found = 0, 0
    for seed in range(300):
        named, who, p_value = accused(seed, k=k, insider=0.5, spread=spread)
        false += any(g != who for g in named)
        found += who in named and p_value < 1e-3
    assert false <= 3
    assert found >= least


def test_the_evidence_averages_to_one_at_most_under_its_null() -> None:
    """30 groups, their rates beta-distributed around what is expected: the mean e-value, and how often it passes 100."""
    rng = np.random.default_rng(0)
    groups, trials, rate, rho = 30, 60, 0.08, 0.03
    cell = np.zeros(groups, np.int64)
    e: list[float] = []
    for _ in range(400):
        a, b = rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho
        hits = rng.binomial(trials, rng.beta(a, b, groups)).astype(float)
        n = np.full(groups, float(trials))
        counted = Counted(np.arange(groups), cell, n, hits, n * rate)
        e += np.exp(log_excess_e(counted, rates(counted, 1), groups, 1)).tolist()
    assert np.mean(e) < 1.3
    assert np.mean(np.array(e) > 100) < 0.01


@given(st.integers(1, 40), st.floats(0.01, 0.9), st.floats(1e-4, 0.5))
@settings(max_examples=40, deadline=None)
def test_the_mass_sums_to_one(n: int, rate: float, rho: float) -> None:
    from scipy.special import comb

    d = np.arange(n + 1, dtype=float)
    total = (comb(n, d) * np.exp(log_mass(d, np.full(n + 1, float(n)), np.full(n + 1, rate), np.full(n + 1, rho)))).sum()
    assert total == pytest.approx(1.0, rel=1e-6)


def test_the_tail_of_one_hit_or_more_is_what_is_left_of_none() -> None:
    one = np.ones(6)
    counted = Counted(np.arange(6), np.zeros(6, np.int64), 10 * one, one, one)
    none = replace(counted, hits=np.r_[0.0, np.ones(5)])
    assert upper_tail(none, rates(none, 1), 0, 6, 1) == pytest.approx(1.0, rel=1e-3)
    assert 0 < upper_tail(counted, rates(counted, 1), 0, 6, 1) < 1


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=80))
@settings(max_examples=40, deadline=None)
def test_groups_by_value_hold_the_rows_that_they_say(values: list[str | None]) -> None:
    table = pa.table({"who": pa.array(values, pa.string())})
    grouping = by_value(table, "who")
    for number, group in enumerate(grouping.artefacts):
        assert np.array_equal(group.present(table), grouping.code == number)
        assert (grouping.code == number).sum() >= LEAST
    assert {g.values[0] for g in grouping.artefacts if g.values} == {v for v in set(values) - {None} if values.count(v) >= LEAST}


@given(st.lists(st.integers(0, 60), min_size=30, max_size=200))
@settings(max_examples=40, deadline=None)
def test_time_windows_part_all_rows_and_no_moment(moments: list[int]) -> None:
    table = pa.table({"when": moments})
    grouping = by_time(table, "when")
    assert grouping is not None
    for number, window in enumerate(grouping.artefacts):
        assert np.array_equal(window.present(table), grouping.code == number)


def digits(in_memory: Callable[..., Dataset], hands: int, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    shipped = load_digits()
    who = [f"w{h}" for h in rng.integers(0, hands, len(shipped.target))]
    pictures = (shipped.images[..., None] * 15).astype(np.uint8)
    return in_memory(shipped.target.tolist(), images=pictures, table={"annotator": who}, contributor="annotator")


def probabilities(data: Dataset) -> np.ndarray:
    """Out-of-fold, by a quick model: the family takes what another computed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    assert data.images is not None
    x = data.images.reshape(len(data), -1) / 255
    return np.asarray(cross_val_predict(LogisticRegression(C=1.0, max_iter=200), x, data.y, method="predict_proba", cv=3))


def test_an_insider_among_annotators_of_digits_is_confirmed(in_memory: Callable[..., Dataset]) -> None:
    data = digits(in_memory, 20)
    for poison, expect in ((None, 0), ("w7", 1)):
        given_data, poisoned = data, np.zeros(len(data), bool)
        if poison:
            rng = np.random.default_rng(1)
            hands = np.array(data.values("annotator"))
            rows = np.flatnonzero((hands == poison) & np.isin(data.y, [3, 5]))
            y = data.y.copy()
            y[rows] = 8
            poisoned[rows] = True
            extra = rng.choice(np.flatnonzero((hands == poison) & ~poisoned), 15, replace=False)
            y[extra] = 8
            poisoned[extra] = True
            given_data = replace(data, y=y)
        family = GroupFamily().told(Heard(probabilities(given_data)))
        examined = family.examine(given_data, "fast", np.random.default_rng(0), silent)
        found = [f for f in findings_of({"group": given_data}, judge_all({"group": examined}, ALPHA)) if f.status != "shortcut"]
        assert len(found) == expect
        if expect:
            assert found[0].status == "confirmed"
            assert found[0].artefact.describe() == 'annotator = "w7"'
            assert poisoned[found[0].positions].mean() > 0.8
            assert poisoned[found[0].positions].sum() > 0.8 * poisoned.sum()
            assert "relabelled" in found[0].explanation


def test_few_contributors_are_not_compared(in_memory: Callable[..., Dataset]) -> None:
    shipped = load_digits()
    who = [f"w{i % 3}" for i in range(len(shipped.target))]
    pictures = (shipped.images[..., None] * 15).astype(np.uint8)
    data = in_memory(shipped.target.tolist(), images=pictures, table={"who": who}, contributor="who")
    check = GroupFamily().applicable(data, "fast")
    assert check.state == "not_applicable"
    assert "nobody to compare with" in check.reason


def test_canaries_are_insiders_each_with_its_own_hand(in_memory: Callable[..., Dataset]) -> None:
    data = digits(in_memory, 30)
    copy = GroupFamily().plant(data, "fast", np.random.default_rng(0))
    assert copy is not None
    hands = np.array(copy.data.values("annotator"))
    for planting in copy.plantings:
        assert len(set(hands[planting.carriers])) == 1
        assert len(set(copy.data.y[planting.carriers])) == 1
    changed = np.concatenate([p.carriers for p in copy.plantings])
    assert len(set(changed.tolist())) == len(changed)


def test_the_planted_insider_of_an_attack_is_named(in_memory: Callable[..., Dataset]) -> None:
    data = digits(in_memory, 10)
    poison = plant(data, "insider", target="class8", seed=2, params={"from": "class3", "insider": "w4"})
    family = GroupFamily().told(Heard(probabilities(poison.data)))
    examined = family.examine(poison.data, "fast", np.random.default_rng(0), silent)
    strongest = examined.tried[0]
    assert strongest.candidate.artefact == poison.artefacts[0]
    assert strongest.target == 8


def survey(rng: np.random.Generator, rows: int = 4000) -> tuple[dict[str, object], np.ndarray]:
    """A table with columns that mean something (work most of all), two that go together by nature, and labels drawn from them."""
    work = rng.integers(0, 12, rows)
    region = rng.integers(0, 6, rows)
    age = rng.normal(45, 12, rows).round()
    x = rng.normal(0, 1, (rows, 4))
    score = 3 * x[:, 0] + 2 * x[:, 1] + 0.05 * (age - 45) + np.where(work == 3, 3.0, 0.3 * (work - 6)) - 1.0
    score += np.where((work == 5) & (region == 2), 2.0, 0.0)
    y = (rng.random(rows) < 1 / (1 + np.exp(-2 * score))).astype(int)
    table = {"work": [f"w{v:02d}" for v in work], "region": [f"r{v}" for v in region], "age": age}
    return {**table, **{f"x{j}": x[:, j] for j in range(4)}}, y


def examined_survey(
    in_memory: Callable[..., Dataset], seed: int, column: str | None = None, value: str = "", target: int = 1, share: float = 0.4
) -> tuple[Dataset, np.ndarray, list[Finding]]:
    table, y = survey(np.random.default_rng(seed), 6000 if column else 4000)
    data = in_memory(y.tolist(), table=table, content=tuple(table), classes=["no", "yes"])
    poisoned = np.zeros(len(data), bool)
    if column:
        params = {"column": column, "value": value, "from": data.classes[1 - target], "share": share}
        planted = plant(data, "flip", target=data.classes[target], seed=seed, params=params)
        data, poisoned = planted.data, planted.poisoned
    examined = GroupFamily().examine(data, "fast", np.random.default_rng(seed), silent)
    return data, poisoned, [f for f in findings_of({"group": data}, judge_all({"group": examined}, ALPHA)) if f.status != "shortcut"]


def test_groups_that_differ_by_nature_are_left_alone(in_memory: Callable[..., Dataset]) -> None:
    for seed in range(2):
        assert examined_survey(in_memory, seed)[2] == []


@pytest.mark.parametrize("target", [0, 1])
def test_a_relabelled_group_is_named_with_direction_and_size(in_memory: Callable[..., Dataset], target: int) -> None:
    data, poisoned, found = examined_survey(in_memory, 3, "work", "w07", target)
    assert len(found) == 1
    assert 'work = "w07"' in found[0].artefact.describe()
    assert found[0].target == data.classes[target]
    assert poisoned[found[0].positions].mean() > 0.6
    assert f"relabelled '{data.classes[target]}'" in found[0].explanation


def test_a_group_most_of_which_would_be_relabelled_differs_by_nature(in_memory: Callable[..., Dataset]) -> None:
    """Four in five of a value's rows of one class have another label: so has, by nature, the end of a scale."""
    for share, convicted in ((0.4, ["confirmed"]), (0.8, [])):
        found = examined_survey(in_memory, 3, "work", "w07", 1, share)[2]
        assert [f.status for f in found] == convicted


def test_the_canaries_of_a_table_without_contributors_are_groups_of_it(in_memory: Callable[..., Dataset]) -> None:
    table, y = survey(np.random.default_rng(0))
    data = in_memory(y.tolist(), table=table, content=tuple(table))
    copy = GroupFamily().plant(data, "fast", np.random.default_rng(1))
    assert copy is not None
    changed = np.flatnonzero(copy.data.y != data.y)
    assert np.array_equal(np.sort(np.concatenate([p.carriers for p in copy.plantings])), changed)


@given(st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_populations_are_values_ranges_and_pairs_of_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = pa.table({"a": rng.integers(0, 4, 300), "b": rng.choice(["x", "y", None], 300), "c": rng.normal(0, 1, 300)})
    coded = code_columns(table, ["a", "b", "c"])
    seen = set()
    for population in populations(coded):
        seen.add(population.columns)
        for group, size in enumerate(population.size):
            rows = np.flatnonzero(population.code == group)
            assert len(rows) == size >= 30
            inside = np.ones(300, bool)
            for j in population.columns:
                low, high = coded.cells[rows, j].min(), coded.cells[rows, j].max()
                inside &= (coded.cells[:, j] >= low) & (coded.cells[:, j] <= high)
            assert np.array_equal(np.flatnonzero(inside), rows)
    assert {(0,), (1,), (2,)} <= seen


@pytest.mark.full
@pytest.mark.data
def test_a_group_of_three_percent_of_adult(real_data: Callable[[str], Path], in_memory: Callable[..., Dataset]) -> None:
    frame = pq.read_table(real_data("tabular/adult.parquet")).drop_columns(["split"])
    names = [c for c in frame.column_names if c != "income"]
    labels = frame.column("income").to_pylist()
    classes = sorted(set(labels))
    table = {c: frame.column(c) for c in names}
    data = in_memory([classes.index(v) for v in labels], table=table, content=names, classes=classes)
    for target in (0, 1, None):
        given_data = data
        if target is not None:
            params = {"column": "occupation", "value": "Tech-support", "from": classes[1 - target], "share": 0.3}
            given_data = plant(data, "flip", target=classes[target], seed=target, params=params).data
        examined = GroupFamily().examine(given_data, "fast", np.random.default_rng(0), silent)
        found = [f for f in findings_of({"group": given_data}, judge_all({"group": examined}, ALPHA)) if f.status != "shortcut"]
        assert len(found) == (target is not None)
        if target is not None:
            assert 'occupation = "Tech-support"' in found[0].artefact.describe()
            assert found[0].target == classes[target]


@pytest.mark.parametrize(("elsewhere", "natural"), [(0, True), (60, False)])
def test_a_class_that_only_one_group_has_is_no_relabelling(in_memory: Callable[..., Dataset], elsewhere: int, natural: bool) -> None:
    """One of four regions, told by which of the others a row is not in: most rows in neither of two are of it, and no other row is."""
    east = np.repeat([0, 1], [200, 700])
    y = np.zeros(900, int)
    y[:80], y[200 : 200 + elsewhere] = 1, 1
    data = in_memory(y.tolist(), table={"east": east}, content=("east",))
    found = Shifted((0,), (0,), np.flatnonzero(east == 0), 0, 1, 60.0, 30.0, 2.0, 40.0, 1e-12, np.arange(80))
    assert (_shifted(data, np.arange(900), ("east",), found).natural is not None) is natural


def test_a_group_has_as_much_evidence_as_it_has_witnesses() -> None:
    """Sixty purchases of one week in one shop, all with its price list, beside sixty of as many weeks."""
    rng = np.random.default_rng(0)
    prices = rng.normal(size=(2_000, 8)).round(2)
    prices[:60] = prices[0]
    prices[:, 0] = 1.0
    coded = Coded(tuple("abcdefgh"), np.ones(8, bool), np.column_stack([prices[:, :7], rng.random(2_000)]))
    y = rng.integers(0, 2, 2_000)
    witnesses = Witnesses(np.arange(2_000), Likeness.of(coded, y, rng), 0)
    for rows, share in ((np.arange(60), 0.1), (np.arange(60, 120), 0.9)):
        found = Shifted((0,), (0,), rows, 0, 1, 60.0, 30.0, 2.0, 40.0, 1e-12, rows)
        left = _alone(found, witnesses, rng)
        assert (left.log_e < 0.2 * 40) if share < 0.5 else (left.log_e > share * 40)
        assert left.p_value >= found.p_value


def test_columns_that_tell_one_another_are_twins_whatever_pairs_are_drawn() -> None:
    """As counting every pair of columns has it: equal ones, coarser ones, nearly equal ones, rare flags, and columns that are empty."""
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 60, 3_000)
    nearly = np.where(rng.random(3_000) < 0.05, rng.integers(0, 60, 3_000), fine)
    flags = [(rng.random(3_000) < 0.03).astype(int) for _ in range(5)]
    levels = [fine, fine // 10, nearly, rng.integers(0, 4, 3_000), np.arange(3_000), flags[0] * 2, *flags, np.full(3_000, -1)]
    levels += [np.where(rng.random(3_000) < 0.3, -1, fine // 20), np.zeros(3_000, int)]
    counted = [{i for i in range(len(levels)) if i == j or _tells(levels[i], levels[j])} for j in range(len(levels))]
    assert _twins(levels) == counted
    assert {len(t) for t in counted} > {1}
