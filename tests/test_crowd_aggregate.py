"""Aggregation: the paper's figures, a peer's accuracy on real crowds, shards, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.crowd.aggregate import confusion_matrices, methods
from assay.crowd.dawid_skene import dawid_skene, fit, shards_of
from assay.crowd.majority import majority, shares
from assay.crowd.read import read_votes
from assay.crowd.votes import Votes, from_arrays
from crowd_examples import REAL, made_crowd, real_crowd

# Per cent right of crowd-kit 1.4.2 with its defaults (100 rounds for the two of Dawid and Skene), one run, `benchmarks/crowd.py`.
CROWD_KIT = {
    "majority": {"bluebird": 75.93, "dog": 81.16, "product": 89.66, "rte": 87.50},
    "dawid_skene": {"bluebird": 88.89, "dog": 84.26, "product": 93.97, "rte": 92.75},
    "one_coin": {"bluebird": 58.33, "dog": 83.02, "product": 90.84, "rte": 92.50},
    "mace": {"bluebird": 73.15, "dog": 83.02, "product": 92.90, "rte": 92.62},
    "glad": {"bluebird": 72.22, "dog": 83.40, "product": 92.83, "rte": 92.50},
}
SLACK = 0.2  # points of accuracy


def test_the_anaesthetists_of_1979(real_data):
    """Dawid & Skene (1979), tables 3 and 4: the share of patients in each class, and the errors of the first observer."""
    votes = read_votes(real_data("crowd/dawid_skene_anaesthesia.parquet"), duplicates="all")
    found = dawid_skene(votes)
    assert found.posterior.mean(0).round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    first = found.confusion(0)[votes.annotators.index("1")]
    assert np.allclose(first, [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]], atol=0.006)


@pytest.mark.parametrize("name", REAL)
def test_as_right_as_crowd_kit_on_real_crowds(real_data, name):
    votes, truth = real_crowd(real_data, name)
    right = {method: 100 * float((f(votes).label == truth).mean()) for method, f in methods().items()}
    for method, figures in CROWD_KIT.items():
        assert right[method] >= figures[name] - SLACK, method
    assert max(right.values()) >= right["majority"]
    assert right["dawid_skene"] >= right["majority"]


@pytest.mark.parametrize("method", ["dawid_skene", "majority"])
def test_beside_crowd_kit_in_one_run(real_data, method):
    peers = pytest.importorskip("crowdkit.aggregation")
    import pandas as pd

    votes, truth = real_crowd(real_data, "bluebird")
    frame = pd.DataFrame({"task": votes.row, "worker": votes.annotator, "label": votes.label})
    peer = {"dawid_skene": peers.DawidSkene, "majority": peers.MajorityVote}[method]()
    theirs = peer.fit_predict(frame).sort_index().to_numpy()
    assert (methods()[method](votes).label == truth).mean() >= (theirs == truth).mean() - SLACK / 100


@pytest.mark.parametrize("method", list(methods()))
def test_better_than_any_single_annotator(method):
    rng = np.random.default_rng(1)
    votes, truth = made_crowd(rng, rows=600, annotators=15, each=7)
    found = methods()[method](votes)
    single = [(votes.label == truth[votes.row])[votes.annotator == a].mean() for a in range(15)]
    assert (found.label == truth).mean() > max(single) - 0.01
    assert np.corrcoef(found.skill, single)[0, 1] > 0.9
    assert np.allclose(found.posterior.sum(1), 1)


@pytest.mark.parametrize("method", list(methods()))
def test_rows_without_votes_have_no_label(method):
    votes, _ = made_crowd(np.random.default_rng(0), rows=50)
    found = methods()[method](votes.take(votes.row > 2))
    assert found.label[:3].tolist() == [-1] * 3
    assert (found.label[3:] >= 0).all()


def test_shards_give_the_answer_of_the_whole():
    votes, _ = made_crowd(np.random.default_rng(2), rows=400)
    whole = dawid_skene(votes)
    cut = votes.row < 150
    parts = [Votes(votes.row[s] - d, votes.annotator[s], votes.label[s], votes.rows[a:b], votes.annotators, votes.classes)
             for s, d, a, b in ((cut, 0, 0, 150), (~cut, 150, 150, 400))]  # fmt: skip
    found = fit(parts)
    assert np.allclose(np.concatenate([f.posterior for f in found]), whole.posterior, atol=1e-9)
    assert np.allclose(found[0].skill, whole.skill)
    _, shards = shards_of(parts)
    tallies = [shard.tally(shares(part)) for shard, part in zip(shards, parts, strict=True)]
    _, (everything,) = shards_of([votes])
    assert np.allclose(tallies[0].merge(tallies[1]).pairs, everything.tally(shares(votes)).pairs)


def test_shards_of_different_crowds_are_refused():
    votes = from_arrays([0, 0], ["a", "b"], [0, 1])
    with pytest.raises(ValueError, match="share their annotators"):
        fit([votes, from_arrays([0, 0], ["a", "c"], [0, 1])])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(methods())))
def test_names_of_classes_do_not_matter(seed, method):
    votes, _ = made_crowd(np.random.default_rng(seed), rows=40, annotators=6, each=4)
    turned = Votes(votes.row, votes.annotator, (votes.label + 1) % 3, votes.rows, votes.annotators, votes.classes)
    one, other = methods()[method](votes), methods()[method](turned)
    assert np.allclose(one.posterior, np.roll(other.posterior, -1, axis=1), atol=1e-6)


def test_confusion_matrices_are_shares():
    votes, truth = made_crowd(np.random.default_rng(3), rows=2000, annotators=5, each=5)
    known = np.eye(3)[truth]
    matrices = confusion_matrices(votes, known, prior=0)
    mine = votes.annotator == 2
    by_hand = [[(votes.label[mine & (truth[votes.row] == t)] == c).mean() for c in range(3)] for t in range(3)]
    assert np.allclose(matrices[2], by_hand)
    assert np.allclose(confusion_matrices(votes, majority(votes).posterior).sum(2), 1)


def test_one_who_always_lies_is_worth_as_much_as_one_who_never_does():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 400)
    labels = np.stack([np.where(rng.random(400) < p, truth, 1 - truth) for p in (0.75, 0.75, 0.75, 0.05)])
    votes = from_arrays(np.tile(np.arange(400), 4), np.repeat(list("abcd"), 400), labels.ravel())
    assert (dawid_skene(votes).label == truth).mean() > 0.93
    assert (majority(votes).label == truth).mean() < 0.85
