"""Our detectors beside river's, on the same streams in one run. river is no dependency: skipped where it is not installed."""

from __future__ import annotations

import numpy as np
import pytest

from assay.stats.sequential import mean_bounds
from test_stats_sequential import first_alarms

pytestmark = pytest.mark.full
STEPS, CHANGE, STREAMS = 10_000, 5000, 40
STREAM = {
    "uniform, mean .5 to .667": (lambda r, s: r.random(s), lambda r, s: np.sqrt(r.random(s)), 0.5),
    "errors, .10 to .20": (lambda r, s: (r.random(s) < 0.1) * 1.0, lambda r, s: (r.random(s) < 0.2) * 1.0, 0.1),
}


def of_river(kind, values):
    """(first alarm or -1) of one stream."""
    detector = kind()
    for i, v in enumerate(values.tolist()):
        detector.update(v)
        if detector.drift_detected:
            return i
    return -1


@pytest.mark.parametrize("name", STREAM)
def test_false_alarms_and_delays(name):
    drift = pytest.importorskip("river.drift")
    before, after, mean = STREAM[name]
    rng = np.random.default_rng(0)
    quiet = before(rng, (STEPS, STREAMS))
    moved = np.vstack((before(rng, (CHANGE, STREAMS)), after(rng, (STEPS - CHANGE, STREAMS))))
    learnt = np.array([mean_bounds(before(rng, 2000), 0.005, 0.005)[1] for _ in range(STREAMS)])
    found = {
        "ours, mean known, run length 100,000": lambda x: first_alarms(x, np.full(STREAMS, mean), 1e5),
        "ours, mean known, run length 1,000,000": lambda x: first_alarms(x, np.full(STREAMS, mean), 1e6),
        "ours, mean from 2,000 values, run length 10,000": lambda x: first_alarms(x, learnt, 1e4),
        "ours, mean from 2,000 values, run length 100,000": lambda x: first_alarms(x, learnt, 1e5),
        "river ADWIN": lambda x: np.array([of_river(drift.ADWIN, v) for v in x.T]),
        "river PageHinkley": lambda x: np.array([of_river(drift.PageHinkley, v) for v in x.T]),
    }
    delays = {}
    for who, run in found.items():
        false, first = (run(quiet) >= 0).mean(), run(moved)
        late = first[first >= CHANGE] - CHANGE
        delays[who] = np.median(late) if len(late) else np.inf
        print(f"{name:26} {who:50} false in 10,000: {false:.3f}; median delay {delays[who]:.0f}; missed {(first < 0).mean():.2f}")
        if who.startswith("ours"):
            assert false <= 0.2
    if name.startswith("uniform"):
        assert delays["ours, mean known, run length 100,000"] <= 60
        assert delays["ours, mean from 2,000 values, run length 100,000"] < delays["river ADWIN"]
