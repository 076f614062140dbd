"""What the accused did: the estimate beside the truth, which it does not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assay.crowd import damage as room
from assay.crowd import hostile as hostility
from assay.crowd.damage import damage
from assay.crowd.dawid_skene import dawid_skene
from assay.crowd.hostile import hostile
from assay.crowd.majority import majority
from crowd_examples import made_crowd, plant_colluders


def test_the_estimate_is_near_the_truth():
    """Wrong votes and spoiled labels of a planted group and of a lone guesser."""
    rng = np.random.default_rng(2)
    votes, truth = made_crowd(rng, 400, 16, 5, skill=(12, 3))
    planted, group, _ = plant_colluders(votes, truth, rng, lies=0.5)
    label = planted.label.copy()
    guesser = planted.annotator == 0
    label[guesser] = rng.integers(0, 3, guesser.sum())
    crowd = replace(planted, label=label)
    found = damage(crowd, [tuple(group.tolist()), (0,)])
    for unit, told in zip((group, [0]), found, strict=True):
        mine = np.isin(crowd.annotator, unit)
        wrong = (crowd.label != truth[crowd.row])[mine].sum()
        assert told.votes == mine.sum()
        assert abs(told.wrong - wrong) < 0.1 * wrong + 3
        assert told.usual < 0.7 * wrong
        trusted = crowd.take(~np.isin(crowd.annotator, [*group.tolist(), 0]))
        back = crowd.take(np.isin(crowd.annotator, unit) | ~np.isin(crowd.annotator, [*group.tolist(), 0]))
        for method, spoiled in ((dawid_skene, told.spoiled), (majority, told.spoiled_counting)):
            lost = int((method(trusted).label == truth).sum()) - int((method(back).label == truth).sum())
            assert abs(spoiled - lost) <= 0.2 * abs(lost) + 5
    assert found[0].turned_counting > 20
    assert abs(found[1].spoiled) < 6


def test_a_group_is_one_unit_of_blame():
    rng = np.random.default_rng(5)
    votes, truth = made_crowd(rng, 300, 20, 7, skill=(12, 3))
    planted, group, _ = plant_colluders(votes, truth, rng, lies=0.5)
    found = hostile(planted, rng)
    assert [unit.annotators for unit in found.damage] == [tuple(group.tolist())]
    assert found.damage[0].wrong > 100
    trusted = planted.without(group)
    assert found.changed == (dawid_skene(planted).label != dawid_skene(trusted).label).sum() > 0


def test_nothing_is_estimated_beyond_the_budget_or_with_nobody_left(monkeypatch):
    votes, _ = made_crowd(np.random.default_rng(0), 50, 5, 3)
    assert damage(votes, [(0, 1, 2, 3, 4)]) == [None]
    monkeypatch.setattr(room, "MOST_VOTES", 200)
    first, second = damage(votes, [(0,), (1,)])
    assert first is not None
    assert second is None


def test_the_same_votes_are_fitted_once(monkeypatch):
    """However many are accused: everybody, the trusted, and each unit let back in, of which one alone is everybody."""
    fitted = []

    def counted(votes):
        fitted.append(len(votes))
        return dawid_skene(votes)

    for module in (room, hostility):
        monkeypatch.setattr(module, "dawid_skene", counted)
    rng = np.random.default_rng(2)
    votes, truth = made_crowd(rng, 400, 16, 5, skill=(12, 3))
    planted, group, _ = plant_colluders(votes, truth, rng, lies=0.5)
    assert len(hostile(planted, np.random.default_rng(0)).damage) == 1
    assert sorted(fitted) == [len(planted.without(group)), len(planted)]
    label = planted.label.copy()
    guesser = planted.annotator == 0
    label[guesser] = rng.integers(0, 3, guesser.sum())
    crowd = replace(planted, label=label)
    fitted.clear()
    found = hostile(crowd, np.random.default_rng(0), known=np.where(np.arange(400) < 40, truth, -1))
    assert len(found.damage) == 2
    assert found.changed == (dawid_skene(crowd).label != dawid_skene(crowd.without(found.accused)).label).sum()
    assert len(fitted) == len(set(fitted)) == 4
