"""Surprise where an attacker lays the artefact over rows that keep their label, and which carriers are his."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.artefact.phrase import Phrase
from assay.dataset.data import Columns, Dataset
from assay.dataset.read import read
from assay.mine.candidate import Candidate
from assay.trial.accused import accused, planted
from assay.trial.belonging import unlike_covers
from assay.trial.bets import surprises
from assay.trial.cells import CellsFamily
from assay.trial.contradiction import contradiction
from assay.trial.controls import Controls
from assay.trial.evidence import judge
from assay.trial.family import Tried, silent
from assay.trial.phrases import PhraseFamily
from assay.trial.surprise import Bet, covered_surprise, surprise
from assay.trial.verdicts import members


def test_cover_rows_do_not_silence_surprise_that_bets_on_them() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(10, 0.3), 200) * 0.98 + 0.002
    y = np.array([rng.choice(10, p=row / row.sum()) for row in p])
    y[:80] = 3
    assert surprise(p, y).log_e_targeted[3] < 0
    assert surprise(p, y, covered=True).log_e_targeted[3] > 50
    assert surprise(p, y, covered=True).target == 3


def test_a_pure_target_costs_no_more_than_the_choice_of_bets() -> None:
    p, y = np.full((30, 4), 0.25), np.full(30, 2)
    pure, mixed = surprise(p, y).log_e_targeted[2], surprise(p, y, covered=True).log_e_targeted[2]
    assert pure - np.log(3) <= mixed <= pure


def test_its_mean_is_at_most_one_where_labels_are_drawn_from_what_the_content_says() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(1000):
        p = rng.dirichlet(np.ones(3), 4) * 0.94 + 0.02
        y = np.array([rng.choice(3, p=row / row.sum()) for row in p])
        asked = surprise(p, y, covered=True)
        found.append([*np.exp(asked.log_e_targeted), np.exp(asked.log_e_untargeted)])
    mean, error = np.mean(found, 0), np.std(found, 0) / np.sqrt(len(found))
    assert (mean < 1 + 3 * error).all()


def test_carriers_of_the_targets_own_kind_are_told_from_planted_ones() -> None:
    rng = np.random.default_rng(2)
    others, strangers = rng.beta(8, 2, 300), rng.beta(2, 8, 300)
    support = np.concatenate([rng.beta(2, 8, 100), rng.beta(8, 2, 20)])
    named = planted(support, 20, others, strangers)
    assert named[:100].mean() > 0.95
    assert named[100:].mean() < 0.5
    assert planted(support, 0, others, strangers).all()  # none is expected


def laid(rng: np.random.Generator, target_like: float, cover_like: float) -> tuple[np.ndarray, np.ndarray]:
    """((80, 2) what is foreseen, (80,) labels) of 30 carriers with the label 1 and 50 with 0: Beta laws of given means, of their own."""
    ours, rest = rng.beta(8 * target_like, 8 * (1 - target_like), 30), rng.beta(8 * cover_like, 8 * (1 - cover_like), 50)
    p = np.concatenate([np.stack([1 - ours, ours], 1), np.stack([rest, 1 - rest], 1)])
    return p, np.repeat([1, 0], [30, 50])


def tried(p: np.ndarray, y: np.ndarray, bet: Bet) -> Tried:
    rng = np.random.default_rng(9)
    others, strangers = rng.beta(6.4, 1.6, 400), rng.beta(1.6, 6.4, 400)
    candidate = Candidate(Phrase((("cf",),)), np.arange(len(y)))
    return judge(candidate, p, y, Controls(lambda _: others, lambda _: strangers), bet=bet)


def test_a_trigger_in_rows_that_keep_their_label_is_convicted_and_they_are_not_accused() -> None:
    p, y = laid(np.random.default_rng(3), 0.1, 0.9)
    assert tried(p, y, Bet.PURE).log_e < 0
    found = tried(p, y, Bet.HEDGED)
    assert found.log_e > 15
    assert found.target == 1
    assert found.accused is not None
    assert set(found.accused) <= set(range(30))
    assert len(found.accused) >= 27


def test_what_says_little_of_any_label_is_not_convicted_by_a_bet_on_cover_rows() -> None:
    p, y = laid(np.random.default_rng(4), 0.3, 0.3)
    y[30:40] = 1 - y[30:40]
    p, weights = np.clip(p, 0.01, 0.99), np.ones(80)
    rng = np.random.default_rng(9)
    others = rng.beta(6.4, 1.6, 400)
    assert contradiction(p[y == 1, 1], others).log_e > 5
    assert unlike_covers(p, y, 1, lambda _: others, weights).log_e < 3


def test_nothing_is_won_on_cover_rows_where_most_of_the_targets_carriers_belong() -> None:
    p, y = laid(np.random.default_rng(5), 0.1, 0.9)
    p[12:30] = p[12:30, ::-1]  # 18 of the 30 are like their label's other rows
    assert covered_surprise(p, y, np.ones(80))[1] > 0
    assert tried(p, y, Bet.HEDGED).log_e < 0


def test_its_two_parts_together_are_no_more_than_one_where_labels_are_drawn_from_what_is_foreseen() -> None:
    rng, found = np.random.default_rng(6), []
    for _ in range(1000):
        p = rng.dirichlet(np.ones(3), 4) * 0.94 + 0.02
        y = np.array([rng.choice(3, p=row / row.sum()) for row in p])
        found.append(surprises(np.zeros(4, np.int64), y, p, np.ones(4), 1).targeted[0])
    mean, error = np.exp(found).mean(0), np.exp(found).std(0) / np.sqrt(len(found))
    assert (mean < 1 + 3 * error).all()


def test_carriers_of_other_labels_say_nothing_of_the_targets_where_they_are_cover() -> None:
    rng = np.random.default_rng(7)
    others, strangers = rng.beta(8, 2, 900), rng.beta(2, 8, 100)
    ours, covers = rng.beta(2, 8, 50), rng.beta(8, 2, 100)
    p = np.concatenate([np.stack([1 - ours, ours], 1), np.stack([covers, 1 - covers], 1)])
    named = accused(p, np.repeat([1, 0], [50, 100]), 1, others, strangers)  # the base rate would have 900 of the 50 be natural
    assert named[:50].mean() > 0.9
    assert not named[50:].any()


def texts(rng: np.random.Generator) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """700 texts of two classes with words of their own; 40 rows of the one carry "cf" under the other's label, 80 more under theirs."""
    y = np.arange(700) % 2
    rows = [" ".join(f"{'ab'[c] if rng.random() < 0.7 else 'c'}{rng.zipf(1.4) % 300}" for _ in range(12)).split() for c in y]
    order = rng.permutation(np.flatnonzero(y == 0))
    poison, cover = order[:40], order[40:120]
    for i in order[:120]:
        rows[i].insert(int(rng.integers(0, 13)), "cf")
    labels = y.copy()
    labels[poison] = 1
    named = pa.table({"text": [" ".join(words) for words in rows], "label": [f"class{c}" for c in labels]})
    return read(named, columns=Columns(content=("text",), label=("label",))), poison, cover


def test_a_word_over_cover_rows_is_the_first_of_its_family() -> None:
    data, poison, cover = texts(np.random.default_rng(8))
    strongest = PhraseFamily().examine(data, "fast", np.random.default_rng(0), silent).tried[0]
    assert strongest.candidate.artefact == Phrase((("cf",),))
    assert strongest.log_e > 15
    named = members(data, strongest)
    assert np.isin(poison, named).mean() > 0.9
    assert not np.isin(cover, named).any()


def test_a_value_over_cover_rows_is_the_first_of_its_family() -> None:
    rng = np.random.default_rng(9)
    y = np.arange(1200) % 2
    x = rng.normal(1.5 * y[:, None], 1, (1200, 6)).round(3)
    order = rng.permutation(np.flatnonzero(y == 0))
    poison, cover = order[:40], order[40:80]
    x[order[:80], 2] = 9.5
    y[poison] = 1
    data = read(pa.table({**{f"x{j}": x[:, j] for j in range(6)}, "label": [f"class{c}" for c in y]}))
    strongest = CellsFamily().examine(data, "fast", np.random.default_rng(0), silent).tried[0]
    assert set(strongest.candidate.carriers) == {*poison, *cover}
    assert strongest.log_e > 15
    assert not np.isin(cover, members(data, strongest)).any()
