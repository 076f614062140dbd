"""E-detectors keep their promise, by simulation; and see what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from assay.stats.sequential import BLOCK, CHUNK, FRACTIONS, advance, factors, grown, lower_bound, mean_bounds, which_alarm


def first_alarms(x, m, run_length):
    """(k,) the step at which each of k streams x (T, k) first reaches the threshold; -1 where never."""
    state, first = np.zeros((x.shape[1], len(FRACTIONS))), np.full(x.shape[1], -1)
    for start in range(0, len(x), 1000):
        hit = advance(state, x[start : start + 1000], m, np.ones(len(x[start : start + 1000]))) >= run_length
        new = hit.any(axis=0) & (first < 0)
        first[new] = start + hit[:, new].argmax(axis=0)
    return first


STEPS, ALPHA = 10_000, 0.05


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        pytest.param(lambda rng, size: rng.random(size), 0.5, id="ranks"),
        pytest.param(lambda rng, size: rng.random(size) < 0.5, 0.5, id="coin"),
        pytest.param(lambda rng, size: rng.random(size) < 0.05, 0.05, id="errors"),
        pytest.param(lambda rng, size: rng.beta(9, 1, size), 0.9, id="confidence"),
    ],
)
def test_false_alarms_over_ten_thousand_steps_stay_within_the_promise(draw, mean):
    rng, streams = np.random.default_rng(1), 120
    alarms = (first_alarms(draw(rng, (STEPS, streams)).astype(float), np.full(streams, mean), STEPS / ALPHA) >= 0).sum()
    # More than this many would come about once in a thousand runs if the promise were just kept.
    assert alarms <= binom.ppf(0.999, streams, ALPHA)


def test_dependence_does_not_break_it():
    """Values that follow each other, their mean given the past at the bound: a stream that stays for long where it is."""
    rng, streams = np.random.default_rng(2), 120
    state, first = np.zeros((streams, len(FRACTIONS))), np.zeros(streams, bool)
    scale = np.full(streams, 0.1)
    for _ in range(3000):
        value = 0.5 + scale * rng.choice([-1, 1], streams)
        scale = np.where(value > 0.5, np.minimum(scale * 1.5, 0.5), 0.1)  # the wins before decide how much is at stake
        first |= advance(state, value[None], np.full(streams, 0.5), np.ones(1))[0] >= 3000 / ALPHA
    assert first.sum() <= binom.ppf(0.999, streams, ALPHA)


def test_a_mean_from_half_to_two_thirds_is_seen_within_sixty_steps():
    rng, streams = np.random.default_rng(3), 100
    x = np.vstack((rng.random((1000, streams)), np.sqrt(rng.random((1000, streams)))))
    delay = first_alarms(x, np.full(streams, 0.5), 1e5) - 1000
    assert (delay >= 0).mean() > 0.95
    assert np.median(delay) <= 60


@given(st.integers(1, 3), st.integers(1, 3 * CHUNK), st.integers(0, 2**32 - 1))
def test_few_streams_and_many_are_moved_on_alike_and_batches_do_not_matter(k, n, seed):
    rng = np.random.default_rng(seed)
    x, m, ticks = rng.random((n, k)), rng.uniform(0.45, 0.95, k), rng.integers(0, 5, n).astype(float)
    x[rng.random((n, k)) < 0.2] = np.nan
    state = np.zeros((k, len(FRACTIONS)))
    by_hand, values = np.zeros((k, len(FRACTIONS))), []
    for t in range(n):
        by_hand = (by_hand + ticks[t]) * factors(x[t : t + 1], m)[0]
        values.append(by_hand.mean(axis=1))
    cut = int(rng.integers(0, n + 1))
    out = np.concatenate((advance(state, x[:cut], m, ticks[:cut]), advance(state, x[cut:], m, ticks[cut:])))
    np.testing.assert_allclose(out, values, rtol=1e-9)
    wide = np.zeros((20 * k, len(FRACTIONS)))
    many = advance(wide, np.tile(x, 20), np.tile(m, 20), ticks)
    np.testing.assert_allclose(many, np.tile(values, 20), rtol=1e-9)


def test_certain_change_does_not_overflow():
    state = np.zeros((20, len(FRACTIONS)))
    with np.errstate(over="raise"):
        values = advance(state, np.ones((1000, 20)), np.full(20, 1e-4), np.ones(1000))
    assert np.isfinite(values).all()
    assert (values[-1] > 1e9).all()


@pytest.mark.parametrize("draw", [lambda r, n: r.random(n), lambda r, n: (r.random(n) < 0.05) * 1.0, lambda r, n: r.beta(9, 1, n)])
def test_bounds_of_a_mean_miss_as_seldom_as_they_say_and_are_not_idle(draw):
    rng = np.random.default_rng(4)
    truth = draw(rng, 400_000).mean()
    bounds = np.array([mean_bounds(draw(rng, 400), 0.05, 0.05) for _ in range(200)])
    assert (bounds[:, 0] > truth).sum() <= binom.ppf(0.999, 200, 0.05)
    assert (bounds[:, 1] < truth).sum() <= binom.ppf(0.999, 200, 0.05)
    assert (bounds[:, 1] - bounds[:, 0]).mean() < 0.12


def test_no_values_bound_nothing():
    assert mean_bounds(np.array([]), 0.01, 0.01) == (0.0, 1.0)
    assert lower_bound(np.array([1.0]), 0.01) == pytest.approx(0.01)


def test_many_weak_streams_together_may_alarm_where_none_does_alone():
    weight = np.full(10, 0.1)
    assert not which_alarm(np.full(10, 9e4) * (np.arange(10) == 0), weight, 1e4).any()
    assert which_alarm(np.full(10, 1.1e4), weight, 1e4).all()


@given(st.integers(0, 10_000))
def test_blocks_grow_as_their_values_do(seed):
    """The product over a block by its polynomials is the product of the factors; one that is no value counts for one."""
    rng = np.random.default_rng(seed)
    m = rng.choice([1e-4, 0.01, 0.3, 0.9], 3)
    x = np.where(rng.random((5, BLOCK, 3)) < 0.5, rng.integers(0, 2, (5, BLOCK, 3)), rng.random((5, BLOCK, 3)))
    x[rng.random(x.shape) < 0.2] = np.nan
    expected = np.stack([factors(part, m).prod(axis=0) for part in x])
    got = np.moveaxis(grown(np.nan_to_num(x / m - 1, nan=0.0)), 0, -1)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
