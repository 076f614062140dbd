"""The joint promise: all features, slices and directions together, against a baseline that is itself only a sample."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, norm

from assay.dataset.errors import DataError
from assay.stats.sequential import BLOCK, FRACTIONS, factors
from assay.watch.baseline import Baseline, Unfit, learn
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.measures import Number
from assay.watch.streams import lay_out
from watch_examples import FIELDS, table, traffic


def watched(baseline, events, step=1000):
    """Alarms of a stream, in batches."""
    detectors, found = baseline.detectors(), []
    for start in range(0, events.num_rows, step):
        batch = read_batch(events.slice(start, step), baseline.fields)
        found += detectors.update(baseline.measures.encode(batch), baseline.slices.codes(batch), np.ones(len(batch), np.int64))
    return found


def test_no_alarm_in_ten_thousand_predictions_of_the_same_kind():
    """12 baselines of 1,500 predictions, each watched for 10,000 more with a budget of 5 % for that span: few alarm, if any."""
    alarms, runs = 0, 12
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        baseline = learn(table(rng, 1500), FIELDS, run_length=10_000 / 0.05)
        alarms += bool(watched(baseline, table(rng, 10_000)))
    assert alarms <= binom.ppf(0.999, runs, 0.05 + 0.01)


@pytest.mark.full
def test_no_alarm_with_fifty_features_and_twenty_slices():
    names = [f"f{i}" for i in range(50)]
    fields, runs, alarms = Fields(features=tuple(names), slices=("a", "b", "c", "d")), 30, 0
    for seed in range(runs):
        rng = np.random.default_rng(100 + seed)

        def more(n, rng=rng):
            columns = {name: rng.normal(size=n) for name in names}
            return {**columns, **{s: rng.choice(list("vwxyz"), n) for s in "abcd"}}

        baseline = learn(table(rng, 3000, **more(3000)), fields, run_length=10_000 / 0.05)
        assert len(baseline.slices) > 20
        alarms += bool(watched(baseline, table(rng, 10_000, **more(10_000))))
    print(f"{alarms} of {runs} alarmed")
    assert alarms <= binom.ppf(0.999, runs, 0.05 + 0.01)


@pytest.mark.full
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("the rate of errors", {"wrong": 0.2}),  # 95 % right, then 80 %
        ("the place of f7", {"f7": lambda rng, n: norm.ppf(np.sqrt(rng.random(n)))}),  # its rank has the mean .5, then .667
        ("the mean confidence", {"confidence": lambda rng, n: rng.beta(9, 2, n)}),  # .9, then .82
    ],
)
def test_delays_under_the_joint_budget(what, change):
    """The same budget of 5 % in 10,000 steps for 50 features x 20 slices together: what one stream has to wait for it."""
    names = [f"f{i}" for i in range(50)]
    fields, late = Fields(features=tuple(names), slices=("a", "b", "c", "d")), []
    for seed in range(5):
        rng = np.random.default_rng(200 + seed)

        def some(n, changed, rng=rng):
            columns = {name: rng.normal(size=n) for name in names} | {s: rng.choice(list("vwxyz"), n) for s in "abcd"}
            columns |= {name: v(rng, n) if callable(v) else v for name, v in changed.items()}
            return table(rng, n, **columns)

        baseline = learn(some(5000, {}), fields, run_length=10_000 / 0.05, find=False)
        alarms = watched(baseline, pa.concat_tables([some(2000, {}), some(3000, change)]))
        late.append(min((a.clock - 2000 for a in alarms if baseline.name(a.stream).startswith(f"{what}, all")), default=np.inf))
    print(f"{what}: median delay {np.median(late):.0f} predictions under the joint budget, {len(baseline.bound):,} streams; {sorted(late)}")
    assert np.median(late) < 600


@pytest.mark.parametrize(
    ("change", "said", "within"),
    [
        ({"wrong": 0.2}, "the rate of errors", 300),
        ({"age": 50.0}, "the place of age", 300),
        ({"confidence": np.ones(3000)}, "the mean confidence", 900),
        ({"kind": np.full(3000, "z")}, "the rate of any other kind", 100),
        ({"prediction": np.zeros(3000, int)}, "the rate of class = 0", 400),
    ],
)
def test_each_change_is_found_and_named(change, said, within):
    rng = np.random.default_rng(5)
    baseline = learn(table(rng, 3000), FIELDS)
    before, after = table(rng, 2000), table(rng, 3000, **change)
    alarms = watched(baseline, pa.concat_tables([before, after.cast(before.schema)]))
    first = [a for a in alarms if baseline.name(a.stream).startswith(said)]
    assert first, [baseline.name(a.stream) for a in alarms]
    assert 2000 < first[0].clock <= 2000 + within
    assert min(a.clock for a in alarms) > 2000


@given(
    arrays(float, st.integers(1, 60), elements=st.floats(allow_nan=False, allow_infinity=False)),
    arrays(float, 40, elements=st.floats(allow_infinity=False)),
    st.booleans(),
)
def test_a_rank_is_that_of_a_search(knots, values, near):
    """Oracle: numpy's own search, whatever the numbers."""
    number = Number("x", np.sort(knots))
    values = np.concatenate((values, knots)) if near else values
    known = values[~np.isnan(values)]
    np.testing.assert_array_equal(number._below(known), np.searchsorted(number.knots, known))
    below, above = (np.searchsorted(number.knots, known, side) for side in ("left", "right"))
    np.testing.assert_allclose(number.encode(values)[~np.isnan(values), 0], (below + above) / (2 * len(knots)))


def test_one_event_at_a_time_and_in_batches_say_the_same():
    rng = np.random.default_rng(6)
    baseline = learn(table(rng, 1000), FIELDS, run_length=10_000)
    events = table(rng, 600, wrong=0.3)
    one, many = watched(baseline, events, step=1), watched(baseline, events, step=50)
    assert one
    assert many
    assert baseline.name(one[0].stream) == baseline.name(many[0].stream)
    assert abs(one[0].clock - many[0].clock) <= 50


def test_weights_are_one_budget():
    rng = np.random.default_rng(7)
    baseline = learn(table(rng, 1000), FIELDS)
    streams = lay_out(baseline.measures.all, baseline.slices)
    assert streams.weight.sum() == pytest.approx(1)
    assert (np.diff(streams.slice) >= 0).all()


def test_a_period_that_changes_is_refused():
    rng = np.random.default_rng(8)
    events = pa.concat_tables([table(rng, 2000), table(rng, 1000, wrong=0.4)])
    with pytest.raises(Unfit, match="changes within itself: the rate of errors"):
        learn(events, FIELDS)


def test_a_short_period_is_refused():
    with pytest.raises(DataError, match="300 are the least"):
        learn(table(np.random.default_rng(9), 200), FIELDS)


def test_a_baseline_comes_back_as_it_was_and_a_changed_one_is_refused():
    rng = np.random.default_rng(10)
    events = table(rng, 1200, vector=pa.array(list(rng.normal(size=(1200, 6)))), time=np.arange(1200.0))
    baseline = learn(events, Fields(features=("age", "kind", "vector"), slices=("country",)))
    data = baseline.to_json()
    again = Baseline.from_json(data)
    assert again.to_json() == data
    assert "years on average" in again.promise()
    batch = read_batch(events, baseline.fields)
    np.testing.assert_array_equal(again.measures.encode(batch), baseline.measures.encode(batch))
    with pytest.raises(DataError, match="was changed"):
        Baseline.from_json({**data, "run_length": 1.0})


def test_an_embedding_that_turns_is_seen():
    rng = np.random.default_rng(11)
    mix = rng.normal(size=(8, 8))

    def vectors(n, shift):
        return pa.array(list(rng.normal(size=(n, 8)) @ mix + shift))

    fields = Fields(features=("vector",))
    baseline = learn(table(rng, 2000, vector=vectors(2000, 0.0)), fields)
    alarms = watched(baseline, table(rng, 1000, vector=vectors(1000, 3.0)))
    assert any("vector" in baseline.name(a.stream) for a in alarms)


def test_the_bounds_of_a_slice_hold_its_true_mean():
    """Over 20 baselines with 1 % to miss in all, no bound of an error rate lies below the truth."""
    for seed in range(20):
        rng = np.random.default_rng(200 + seed)
        baseline = learn(traffic(rng, 1000), FIELDS)
        errors = baseline.streams.measure == 0
        assert (baseline.bound[errors] >= 0.05).all()


def test_all_slices_together_move_as_each_would_alone():
    """Against the recursion, written out a block of four events at a time for one stream after the other."""
    rng = np.random.default_rng(12)
    baseline = learn(table(rng, 1500), FIELDS, run_length=1e40)
    events = table(rng, 1300, wrong=0.08, age=42.0)
    batch = read_batch(events, baseline.fields)
    x, codes = baseline.measures.encode(batch), baseline.slices.codes(batch)
    x[rng.random(x.shape) < 0.05] = np.nan
    detectors, streams = baseline.detectors(), baseline.streams
    for start, stop in ((0, 1000), (1000, 1001), (1001, 1300)):
        assert not detectors.update(x[start:stop], codes[start:stop], np.ones(stop - start, np.int64))
    expected = np.zeros((len(streams), len(FRACTIONS)))
    last = np.zeros(len(baseline.slices), int)
    for start, stop in ((0, 1000), (1000, 1001), (1001, 1300)):
        for s, rows in baseline.slices.members(codes[start:stop]):
            of = np.flatnonzero(streams.slice == s)
            values = x[start:stop][np.ix_(rows, streams.measure[of])]
            values[:, ~streams.up[of]] = 1 - values[:, ~streams.up[of]]
            for i in range(0, len(rows), BLOCK):
                clock = start + rows[i : i + BLOCK][-1] + 1
                expected[of] += clock - last[s]
                expected[of] *= factors(values[i : i + BLOCK], baseline.bound[of]).prod(axis=0)
                last[s] = clock
    np.testing.assert_allclose(detectors.state, expected, rtol=1e-8)
