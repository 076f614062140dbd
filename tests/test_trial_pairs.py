"""The rate of a pair of classes that the other pairs of its source foretell."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay.trial.pairs import _rate_of_source


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_rate_of_a_source_is_the_median_over_its_other_pairs(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.poisson(1.5, (k, k)).astype(float)
    trials, votes, compared = hits + rng.poisson(5, (k, k)), 1.0 + rng.poisson(20, k), rng.random(k) < 0.8
    rate = _rate_of_source(hits, trials, votes, compared)
    for a in range(k):
        for b in range(k):
            others = [c for c in range(k) if compared[c] and c not in (a, b)]
            by_hand = 0.0
            if compared[a] and compared[b] and a != b and len(others) > 1:
                by_hand = np.median([hits[a, c] / votes[c] for c in others]) * votes[b] / max(trials[a, b], 1e-12)
            assert np.isclose(rate[a, b], by_hand)
