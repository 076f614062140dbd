"""Hostile annotators: found where they are planted among real ones, and nobody else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.crowd.collusion import collusion
from assay.crowd.copies import copies
from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.expected import expect
from assay.crowd.hostile import by, hostile
from assay.crowd.pairs import excess
from assay.crowd.singles import adversaries, sleepers, spammers
from crowd_examples import made_crowd, plant_colluders, real_crowd


def crowd_with(rng, change, rows=700, annotators=15, each=7):
    """A made crowd in which annotator 0's votes go through `change(labels, truth, order)`."""
    votes, truth = made_crowd(rng, rows, annotators, each, skill=(12, 3))
    label, mine = votes.label.copy(), np.flatnonzero(votes.annotator == 0)
    label[mine] = change(label[mine], truth[votes.row[mine]], np.arange(len(mine)) / len(mine))
    return replace(votes, label=label), truth


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("spammer", lambda y, t, o: np.random.default_rng(1).integers(0, 3, len(y))),
        ("spammer", lambda y, t, o: np.full(len(y), 2)),
        ("adversary", lambda y, t, o: (t + 1) % 3),
        ("sleeper", lambda y, t, o: np.where(o < 0.6, t, np.random.default_rng(1).integers(0, 3, len(y)))),
    ],
)
def test_each_kind_is_called_by_its_name(kind, change):
    votes, _ = crowd_with(np.random.default_rng(0), change)
    found = hostile(votes, np.random.default_rng(0))
    assert found.accused.tolist() == [0]
    assert kind in {accusation.kind for accusation in found.accusations}
    assert all("agrees with the others" in accusation.evidence for accusation in found.accusations)


def test_a_copy_cat_is_told_from_whom_it_copies():
    rng = np.random.default_rng(3)
    votes, _ = made_crowd(rng, 300, 15, 7, skill=(5, 3))
    mine = np.flatnonzero(votes.annotator == 0)
    copied = replace(
        votes,
        row=np.r_[votes.row, votes.row[mine]],
        annotator=np.r_[votes.annotator, np.full(len(mine), 15)],
        label=np.r_[votes.label, votes.label[mine]],
        annotators=(*votes.annotators, "cat"),
        time=np.r_[votes.time, votes.time[mine] + 0.5],
    )
    found = hostile(copied, np.random.default_rng(0))
    assert [(a.annotator, a.kind, a.partners) for a in found.accusations] == [(15, "copy-cat", (0,))]
    timeless = hostile(replace(copied, time=None), np.random.default_rng(0))
    assert sorted((a.annotator, a.kind) for a in timeless.accusations) == [(0, "second account"), (15, "second account")]
    assert next(c for c in timeless.checks if c.name == "sleepers").reason == "the votes have no times"


@pytest.mark.parametrize("name", ["bluebird", "rte"])
def test_colluders_among_real_annotators(real_data, name):
    votes, truth = real_crowd(real_data, name)
    rng = np.random.default_rng(5)
    planted, group, targets = plant_colluders(votes, truth, rng, lies=0.5)
    found = collusion(planted, rng)
    assert found.accused[group].mean() >= 0.95
    assert not found.accused[: len(votes.annotators)].any()
    assert np.isin(targets, found.targets).mean() > 0.5
    right = (dawid_skene(planted.without(group)).label == truth).mean()
    assert (dawid_skene(planted.without(np.flatnonzero(found.accused))).label == truth).mean() >= right - 0.01


@pytest.mark.full
def test_three_hundred_crowds_with_a_fifth_of_colluders(real_data):
    """95 % of the colluders are found in each real crowd, and nobody real is accused of colluding in 99 % of all."""
    wronged = 0
    for name, runs in (("bluebird", 100), ("rte", 100), ("dog", 50), ("product", 50)):
        votes, truth = real_crowd(real_data, name)
        hits, of = 0, 0
        for seed in range(runs):
            rng = np.random.default_rng([7, seed])
            planted, group, _ = plant_colluders(votes, truth, rng, lies=rng.uniform(0.4, 0.6))
            accused = collusion(planted, rng).accused
            hits, of = hits + int(accused[group].sum()), of + len(group)
            wronged += bool(accused[: len(votes.annotators)].any())
        assert hits / of >= 0.95, name
    assert wronged <= 3


@pytest.mark.parametrize("name", ["bluebird", "dog", "rte"])
def test_real_crowds_hold_no_group(real_data, name):
    votes, _ = real_crowd(real_data, name)
    assert not collusion(votes, np.random.default_rng(11)).accused.any()


@pytest.mark.parametrize("name", ["bluebird", "rte", *(pytest.param(n, marks=pytest.mark.full) for n in ("dog", "product"))])
def test_whom_real_crowds_accuse_adds_nothing_indeed(real_data, name):
    """With the answers at hand: those called spammers are right about as often in every class as a guess."""
    votes, truth = real_crowd(real_data, name)
    for accusation in hostile(votes, np.random.default_rng(0)).accusations:
        mine = votes.annotator == accusation.annotator
        t = truth[votes.row[mine]]
        right = votes.label[mine] == t
        recall = np.mean([right[t == c].mean() for c in np.unique(t)])
        assert recall - 1 / len(np.unique(t)) < 0.1


def test_honest_crowds_are_left_alone():
    """No single-annotator test accuses in more of 60 made crowds than its level allows by far."""
    wrong = np.zeros(4)
    for seed in range(60):
        votes, _ = made_crowd(np.random.default_rng([1, seed]), 150, 12, 5, classes=2, skill=(10, 3))
        told = expect(votes)
        accused = [by(p, 0.01).any() for p in (spammers(votes, told), adversaries(votes, told), sleepers(votes, told)[0])]
        wrong += np.array([*accused, copies(votes, told).accused.any()])
    assert wrong.max() <= 3


def test_agreement_beyond_chance_is_standard_normal_for_honest_pairs():
    votes, _ = made_crowd(np.random.default_rng(8), 600, 20, 6, skill=(8, 3))
    z = excess(votes, expect(votes).chance)[np.triu_indices(20, 1)]
    assert abs(z.mean()) < 0.35
    assert 0.6 < z.std() < 1.2


def test_two_votes_a_row_accuse_nobody():
    votes, _ = made_crowd(np.random.default_rng(0), 50, 10, 2)
    found = hostile(votes, np.random.default_rng(0))
    assert not found.accusations
    assert all(check.state == "not_applicable" and check.reason for check in found.checks)


def test_the_same_seed_gives_the_same_answer():
    votes, _ = made_crowd(np.random.default_rng(1), 100, 10, 5)
    one, other = (collusion(votes, np.random.default_rng(4)).log_e for _ in range(2))
    assert np.array_equal(one, other)
