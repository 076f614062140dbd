"""Why annotators disagree: crowds in which the reason for each disagreement is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.crowd.dawid_skene import dawid_skene, one_coin
from assay.crowd.disputes import confused_pairs, disputes
from assay.crowd.hostile import Hostile, hostile
from assay.crowd.majority import majority
from assay.crowd.votes import Votes
from crowd_examples import made_crowd, plant_colluders, real_crowd

NOBODY = Hostile((), (), 0)


def crowd_of_reasons(seed, rows=1500, annotators=20, each=7, classes=4):
    """Careless annotators 0 to 2 (wrong in 35 %), others in 3 %; class 0 is called 1 in 30 % by everybody; 8 % of the rows are hard."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    hard = rng.random(rows) < 0.08
    row = np.repeat(np.arange(rows), each)
    who = np.argsort(rng.random((rows, annotators)), axis=1)[:, :each].ravel()
    t = truth[row]
    wrong = (t + rng.integers(1, classes, len(row))) % classes
    label = np.where(rng.random(len(row)) < np.where(who < 3, 0.35, 0.03), wrong, t)
    label = np.where((t == 0) & (rng.random(len(row)) < 0.3), 1, label)
    other = (truth + 1 + (truth == 0)) % classes
    label = np.where(hard[row] & (t != 0) & (rng.random(len(row)) < 0.4), other[row], label)
    names = (tuple(map(str, range(rows))), tuple(map(str, range(annotators))), tuple("abcd"))
    return Votes(row, who, label, *names), truth, hard


@pytest.mark.parametrize("seed", range(3))
def test_each_reason_is_read(seed):
    votes, truth, hard = crowd_of_reasons(seed)
    read = disputes(one_coin(votes), votes, NOBODY)
    assert (0, 1) in read.confused
    reading = np.array(read.reading)
    open_pair, hard_here = truth[read.row] == 0, hard[read.row] & (truth[read.row] != 0) & (read.votes_against >= 2)
    assert (reading[open_pair] == "guideline").mean() > 0.7
    assert (reading[hard_here] == "hard row").mean() > 0.55  # two dissents in seven often are two slips
    dissent = votes.label != one_coin(votes).label[votes.row]
    only_careless = np.array([set(votes.annotator[dissent & (votes.row == r)].tolist()) <= {0, 1, 2} for r in read.row])
    assert (reading[only_careless & ~open_pair & ~hard[read.row]] == "careless").mean() > 0.9
    assert all(read.evidence)


def test_evidence_claims_no_more_than_there_is():
    """Three people, three labels, one row; and one of three dissents on another."""
    names = (("r0", "r1"), ("x", "y", "z"), ("a", "b", "c"))
    votes = Votes(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 0, 0, 1]), *names)
    tied, lone = disputes(majority(votes), votes, NOBODY).evidence
    assert "1 say 'a', 2 dissent; the dissenters are expected to be wrong on" in tied
    assert "2 say 'a', 1 dissent with 'b'; the dissenters are expected to be wrong on" in lone


def test_colluders_rows_are_an_attack(real_data):
    votes, truth = real_crowd(real_data, "rte")
    planted, group, targets = plant_colluders(votes, truth, np.random.default_rng(2))
    found = hostile(planted, np.random.default_rng(0))
    trusted = planted.without(found.accused)
    read = disputes(dawid_skene(trusted), planted, found)
    reading = dict(zip(read.row.tolist(), read.reading, strict=True))
    assert np.mean([reading.get(r) == "attack" for r in targets.tolist()]) > 0.8
    elsewhere = [reading[r] for r in read.row.tolist() if r not in set(targets.tolist())]
    assert np.mean([r == "attack" for r in elsewhere]) < 0.35
    assert any("accused" in said for said in read.evidence)
    assert len(group)


def test_no_pair_is_open_where_errors_fall_evenly():
    votes, truth = made_crowd(np.random.default_rng(0), 1000, 20, 5, classes=4)
    assert not confused_pairs(votes, truth, np.ones(len(votes), bool)).any()


def test_agreement_is_no_dispute():
    votes, truth = made_crowd(np.random.default_rng(0), 100, 10, 5)
    same = replace(votes, label=truth[votes.row])
    assert len(disputes(dawid_skene(same), same, NOBODY)) == 0
