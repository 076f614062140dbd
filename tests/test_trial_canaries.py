"""Canaries stay out of one another's way: rows, classes, copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.dataset.data import Dataset
from assay.finding import Sensitivity
from assay.pipeline import Settings, run
from assay.trial.canaries import CROWDED, FEW, MOST_OF_DATA, MOST_OF_OTHERS, deal_plantings
from assay.trial.sensitivity import pooled


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.lists(st.integers(1, 60), max_size=12), st.integers(0, 2**31))
@example(sizes=[9, 1], wishes=[1, 1, 1], seed=1)  # three canaries of one row each that all aim at a class of one row
@settings(max_examples=150, deadline=None)
def test_no_class_is_crowded_unless_by_one_canary_alone(sizes, wishes, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    dealt = deal_plantings(y, len(sizes), wishes, np.random.default_rng(seed))
    held = np.concatenate([d.rows for d in dealt.deals]) if dealt.deals else np.empty(0, int)
    assert len(np.unique(held)) == len(held)
    assert [d.wish for d in dealt.deals] == sorted({d.wish for d in dealt.deals})
    changed = np.zeros(len(sizes))
    for deal in dealt.deals:
        assert len(deal.rows) == deal.carriers == wishes[deal.wish]
        assert (y[deal.rows] != deal.target).all()
        assert deal.carriers <= MOST_OF_DATA * len(y)
        changed += np.bincount(y[deal.rows], minlength=len(sizes))
        changed[deal.target] += deal.carriers
    assert len(held) <= MOST_OF_DATA * len(y)
    if len(dealt.deals) > 1:
        spared = [(np.bincount(y[d.rows], minlength=len(sizes)), d) for d in dealt.deals]
        by_chance = np.array([sum(min(int(n[c]), FEW) for n, _ in spared) for c in range(len(sizes))])
        first = np.max([n + (np.arange(len(sizes)) == d.target) * d.carriers for n, d in spared], axis=0)
        assert (changed <= CROWDED * np.array(sizes) + by_chance + first).all()
    fit = [w for w in wishes if w <= MOST_OF_DATA * len(y) and any(n > 0 and w <= MOST_OF_OTHERS * (len(y) - n) for n in sizes)]
    assert len(dealt.deals) + dealt.left <= len(fit)


def test_copies_of_the_same_canaries_count_as_one_interval():
    one, two = Sensitivity("phrase", "one rare word", 20, 3, 5, 0.0, 1.0), Sensitivity("phrase", "one rare word", 50, 2, 2, 0.0, 1.0)
    again = Sensitivity("phrase", "one rare word", 20, 4, 5, 0.0, 1.0)
    assert [(s.carriers, s.caught, s.planted) for s in pooled([one, two, again])] == [(20, 7, 10), (50, 2, 2)]
    assert pooled([one, two, again])[0].low == pytest.approx(0.348, abs=0.001)  # 7 of 10 (Clopper and Pearson 1934)


def messages(count: int, share: float) -> tuple[list[str], list[str]]:
    """Short messages of two kinds, words of their own and words in common; `share` of them of the rarer kind."""
    rng = np.random.default_rng(0)
    y = (rng.random(count) < share).astype(np.int64)
    common, own = [f"word{i}" for i in range(300)], [[f"{kind}{i}" for i in range(60)] for kind in ("ham", "spam")]
    said = [" ".join([*rng.choice(common, 8), *rng.choice(own[label], 4)]) for label in y]
    return said, [("ham", "spam")[label] for label in y]


def test_words_in_few_messages_of_a_rare_kind_are_caught_as_real_ones_are(memory: Callable[..., Dataset]) -> None:
    said, label = messages(1_500, 0.15)
    found = run(memory("text", {"text": said}, label), Settings(seed=1))
    assert found.verdict == "clean"
    words = {s.carriers: s for s in found.sensitivity if s.size == "one rare word"}
    assert words[20].caught + words[50].caught >= 0.8 * (words[20].planted + words[50].planted)
    assert min(words[20].planted, words[50].planted) >= 1
    checks = [c.name for c in found.checks if c.name.startswith("canaries:")]
    assert len(checks) == len(set(checks))
