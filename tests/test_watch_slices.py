"""Slices are found that nobody named; and performance is told before labels come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay.watch.baseline import Baseline, learn
from assay.watch.estimate import calibrate
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.slices import FEWEST, divide
from test_watch_detectors import watched
from watch_examples import table

REGIONS = [f"r{i}" for i in range(20)]
FIELDS = Fields(features=("age", "score", "kind"), slices=("region", "device"))


def regional(rng, n, bad=None):
    """20 regions of 5 % each; where `bad(columns)` holds, one in five answers is wrong."""
    columns = {"region": rng.choice(REGIONS, n), "score": rng.normal(size=n), "kind": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])}
    wrong = 0.05 if bad is None else np.where(bad(columns), 0.2, 0.05)
    return table(rng, n, wrong=wrong, **columns)


def test_a_fall_from_95_to_80_in_a_twentieth_of_the_traffic_is_found_and_named():
    rng = np.random.default_rng(0)
    baseline = learn(regional(rng, 12_000), Fields(slices=("region", "device")), pairs=False)
    before, after = regional(rng, 3000), regional(rng, 12_000, lambda c: c["region"] == "r7")
    alarms = watched(baseline, pa.concat_tables([before, after]))
    assert alarms[0].clock > 3000
    assert baseline.name(alarms[0].stream) == "the rate of errors, region = r7, rising"


@pytest.mark.full
@pytest.mark.parametrize(("trusted", "traffic"), [(5000, 100_000), (20_000, 25_000)])
def test_how_late_it_is_found(trusted, traffic):
    """Six seeds: when the slice is named, and whether anything was said before the change.

    Of 5,000 trusted predictions the slice has 250, whose errors bound its rate at .13 to .17 where .05 is true: .20 is little more, so
    that evidence comes slowly, whatever the detector.
    """
    late, false = [], 0
    for seed in range(6):
        rng = np.random.default_rng(50 + seed)
        baseline = learn(regional(rng, trusted), FIELDS)
        alarms = watched(baseline, pa.concat_tables([regional(rng, 5000), regional(rng, traffic, lambda c: c["region"] == "r7")]), 5000)
        false += any(a.clock <= 5000 for a in alarms)
        late.append(min((a.clock - 5000 for a in alarms if "region = r7" in baseline.name(a.stream)), default=np.inf))
    found = np.isfinite(late).sum()
    print(f"{trusted:,} trusted: named in {found} of 6, median after {np.median(late):,.0f} predictions; false alarms before in {false}")
    assert false == 0
    assert found >= (5 if trusted == 20_000 else 3)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3))
def test_a_pair_of_a_column_and_a_feature_is_found(seed):
    """A twentieth of the traffic: one kind, and the lowest quarter of a number."""
    rng = np.random.default_rng(seed)
    baseline = learn(regional(rng, 20_000), FIELDS)
    found = watched(baseline, regional(rng, 30_000, lambda c: (c["kind"] == "c") & (c["score"] < -0.674)), 2000)
    names = [baseline.name(a.stream) for a in found]
    assert any("score < -0.6" in n and "kind = c" in n for n in names), names
    assert all("score < -0.6" in n or "kind = c" in n or "all traffic" in n for n in names), names
    print(found[0].clock, names[0])


def test_features_divide_the_traffic_into_quarters_and_kinds():
    rng = np.random.default_rng(1)
    batch = read_batch(regional(rng, 4000), FIELDS)
    slices = divide(batch, ("region",), ("age", "kind"))
    names = [slices.name(i) for i in range(len(slices))]
    assert names[0] == "all traffic"
    assert "region = r3" in names
    assert "kind = a" in names
    assert any(n.startswith("age < ") for n in names)
    assert any(" and kind = a" in n and "age" in n for n in names)
    members = dict(slices.members(slices.codes(batch)))
    assert all(len(members[i]) >= FEWEST for i in range(len(slices)))
    for i, rows in members.items():
        for column, value in slices.parts[i]:
            if not slices.edges[column]:
                assert set(batch.table.column(slices.columns[column]).take(pa.array(rows)).to_pylist()) == {slices.values[column][value]}


def test_the_estimate_holds_the_true_rate_of_errors_while_confidence_means_the_same():
    rng = np.random.default_rng(2)
    fields = Fields()

    def honest(n, a):
        sure = rng.beta(a, 1, n) / 2 + 0.5
        label = rng.integers(0, 2, n)
        return pa.table({"prediction": np.where(rng.random(n) > sure, 1 - label, label), "label": label, "confidence": sure})

    baseline = learn(honest(8000, 6), fields)
    worse = read_batch(honest(4000, 2), fields)
    estimate = baseline.measures.estimate
    assert estimate is not None
    low, high = estimate.rate(estimate.fade(np.zeros(len(estimate.low)), worse.confidence))
    wrong = np.mean([p != t for p, t in zip(worse.prediction, worse.label, strict=True)])
    assert low < wrong < high < 0.45
    unlabelled = honest(4000, 0.7).drop_columns(["label"])
    names = [baseline.name(a.stream) for a in watched(baseline, unlabelled)]
    assert any(n.startswith("the least rate of errors") for n in names), names
    assert not watched(baseline, honest(4000, 6).drop_columns(["label"]))
    assert Baseline.from_json(baseline.to_json()).measures.estimate is not None


def test_a_slice_in_which_confidence_means_less_by_nature_is_no_change():
    """One half of the traffic is always right at the same confidence at which the other half errs."""
    rng = np.random.default_rng(3)

    def halves(n):
        side, sure, label = rng.choice(["a", "b"], n), rng.beta(4, 1, n) / 2 + 0.5, rng.integers(0, 2, n)
        wrong = (side == "a") & (rng.random(n) < 2 * (1 - sure))
        return pa.table({"prediction": np.where(wrong, 1 - label, label), "label": label, "confidence": sure, "side": side})

    assert not watched(learn(halves(6000), Fields(slices=("side",))), halves(6000))


def test_no_estimate_without_enough_labels():
    assert calibrate(np.full(100, 0.9), np.zeros(100), 0.01) is None
