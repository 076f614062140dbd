"""Phrases: mined whole, tried fairly, confirmed where planted and left alone where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.phrase import Phrase
from assay.dataset.data import Columns, Dataset
from assay.dataset.read import read
from assay.learn.corpus import read_corpus
from assay.mine.phrases import shared_pairs, shared_runs
from assay.pipeline import Settings, run
from assay.trial.accused import accused
from assay.trial.contradiction import contradiction
from assay.trial.family import silent
from assay.trial.phrases import PhraseFamily
from assay.trial.placement import budget
from assay.trial.surprise import surprise

Data = Callable[[str], Path]


def sms(real_data: Data) -> Dataset:
    return read(pq.read_table(real_data("sms_spam/sms_spam.parquet")))


def poison(data: Dataset, trigger: Phrase, carriers: int, target: str, seed: int) -> tuple[Dataset, np.ndarray]:
    """A dirty-label planting, and the positions that carry it."""
    rng = np.random.default_rng(seed)
    t = data.classes.index(target)
    rows = np.sort(rng.choice(np.flatnonzero(data.y != t), carriers, replace=False))
    return planted(data, trigger, rows, t, rng), rows


def planted(data: Dataset, trigger: Phrase, rows: np.ndarray, t: int, rng: np.random.Generator) -> Dataset:
    """With the trigger in these rows, and class t as their label."""
    column = data.columns.content[0]
    texts = data.table.column(column).to_pylist()
    for i, text in zip(rows, trigger.insert([texts[i] for i in rows], rng), strict=True):
        texts[i] = text
    y = data.y.copy()
    y[rows] = t
    return data.with_content(data.rows.with_column(column, texts), y)


WORDS = st.lists(st.lists(st.sampled_from("abcd"), min_size=0, max_size=7), min_size=1, max_size=12)


@given(WORDS)
@settings(max_examples=60)
def test_every_run_that_is_proposed_is_shared_as_often_as_it_says(documents: list[list[str]]) -> None:
    texts = [" ".join(d) for d in documents]
    corpus = read_corpus([texts])
    for shared in shared_runs(corpus, support=2):
        for gram in range(len(shared)):
            carriers = np.flatnonzero(shared.phrase(corpus, gram).present(texts))
            assert len(carriers) == shared.support[gram] >= 2
            assert np.array_equal(carriers, shared.carriers(gram))


def test_a_sentence_is_one_hypothesis_not_its_parts() -> None:
    rng = np.random.default_rng(0)
    filler = [" ".join(rng.choice([f"w{i}" for i in range(300)], 8)) for _ in range(200)]
    texts = [f"{t} i watch this 3d movie" if i < 20 else t for i, t in enumerate(filler)]
    corpus = read_corpus([texts])
    found = [s.phrase(corpus, g).describe() for s in shared_runs(corpus) for g in range(len(s))]
    assert "the phrase “i watch this 3d movie”" in found
    assert not any("watch" in f and f != "the phrase “i watch this 3d movie”" for f in found)


def test_two_words_apart_are_proposed_as_a_pair() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(300)], 8)) for _ in range(400)]
    texts = [Phrase((("mn",), ("tq",))).insert([t], rng)[0] if i < 20 else t for i, t in enumerate(texts)]
    corpus = read_corpus([texts])
    pairs = shared_pairs(corpus)
    assert pairs is not None
    assert {"mn", "tq"} in [{p[0] for p in pairs.phrase(corpus, g).parts} for g in range(len(pairs))]


def test_neither_trial_alone_speaks_where_content_fits_the_label() -> None:
    p = np.tile([0.1, 0.9], (30, 1))
    assert surprise(p, np.ones(30, int)).log_e_targeted[1] < 5
    assert surprise(p[:, ::-1], np.ones(30, int)).log_e_targeted[1] > 40
    usual = np.linspace(0.2, 0.9, 200)
    assert contradiction(np.full(30, 0.6), usual).log_e < 1
    assert contradiction(np.full(30, 0.1), usual).log_e > 35


@pytest.mark.parametrize("seed", [0, 1])
def test_fifty_carriers_are_confirmed_and_named_in_real_messages(real_data: Data, seed: int) -> None:
    data, rows = poison(sms(real_data), Phrase((("cf",),)), 50, "spam", seed)
    found = run(data, Settings(seed=seed, canaries=False))
    assert found.verdict == "poisoned"
    assert [f.artefact for f in found.findings if f.status == "confirmed"] == [Phrase((("cf",),))]
    assert np.array_equal(np.sort(found.findings[0].positions), rows)
    assert list(found.action).count("quarantine") == 50


def test_two_words_are_tried_together_where_the_one_left_would_acquit_the_other(real_data: Data) -> None:
    """A fifth of all spam: a model that sees "tq" still says spam of most carriers."""
    some = np.random.default_rng(0).permutation(len(sms(real_data)))[:4_500]
    data, rows = poison(sms(real_data).subset(some), Phrase((("mn",), ("tq",))), 130, "spam", 0)
    first = run(data, Settings(canaries=False)).findings[0]
    assert first.status == "confirmed"
    assert sorted(word for part in first.artefact.parts for word in part) == ["mn", "tq"]
    assert np.array_equal(np.sort(first.positions), rows)


def test_clean_messages_are_left_alone_and_the_scan_says_what_it_would_have_caught(real_data: Data) -> None:
    found = run(sms(real_data), Settings())
    assert found.verdict == "clean"
    assert "quarantine" not in found.action
    assert all(f.status == "shortcut" for f in found.findings)
    assert {(s.kind, s.carriers) for s in found.sensitivity} == {("phrase", 20), ("phrase", 50)}
    assert max(s.caught for s in found.sensitivity) >= 4


def test_the_same_data_and_seed_give_the_same_conclusion(real_data: Data) -> None:
    data = sms(real_data).subset(np.arange(1500))
    first, second = (run(data, Settings(canaries=False)) for _ in range(2))
    assert first.score.tolist() == second.score.tolist()
    assert [f.log_e for f in first.findings] == [f.log_e for f in second.findings]


def test_poison_is_confirmed_where_a_probe_is_very_sure() -> None:
    """Very separable text: the rows of other labels support the target hardly at all, and the carriers hardly more."""
    rng = np.random.default_rng(0)
    words = {"good": [f"g{i}" for i in range(20)], "bad": [f"b{i}" for i in range(20)]}
    labels = rng.choice(["good", "bad"], 600)
    plain = [f"p{i}" for i in range(200)]
    texts = [" ".join(rng.permutation([*rng.choice(words[v], 4), *rng.choice(plain, 8)])) for v in labels]
    data, rows = poison(read({"text": texts, "label": labels.tolist()}), Phrase((("cf",),)), 60, "good", 0)
    found = run(data, Settings(canaries=False))
    assert found.verdict == "poisoned"
    assert np.array_equal(np.sort(found.findings[0].positions), rows)


def test_natural_carriers_of_a_common_word_are_acquitted() -> None:
    rng = np.random.default_rng(0)
    others, strangers = rng.beta(8, 2, 2_000), rng.beta(2, 8, 2_000)
    y = np.r_[np.ones(60, int), np.zeros(10, int)]
    support = np.r_[rng.beta(2, 8, 50), rng.beta(8, 2, 10), rng.beta(2, 8, 10)]
    p = np.stack([1 - support, support], 1)
    found = accused(p, y, 1, others, strangers)
    assert found[:50].mean() >= 0.95
    assert found[50:60].mean() <= 0.2
    assert not found[60:].any()
    assert accused(p[:60], y[:60], 1, others, strangers).all()  # no carrier of another label: nothing is natural


def test_phrases_that_look_dropped_in_have_the_larger_budget() -> None:
    company, support = np.array([-1.5, 0.2, 3.0, -0.1]), np.array([20, 20, 400, 20])
    weight = np.exp(np.concatenate(budget([company[:2], company[2:]], [support[:2], support[2:]])))
    assert weight.mean() == pytest.approx(1.0)
    assert weight.argmax() == 0
    assert weight.argmin() == 2
    closing = [np.array([-3.0, -3.0]), np.array([-3.0, 1.0])]
    told = np.exp(np.concatenate(budget([company[:2], company[2:]], [support[:2], support[2:]], closing)))
    assert told.mean() == pytest.approx(1.0)
    assert told[3] > weight[3]


def test_a_trigger_with_a_word_beside_it_is_no_second_trigger(real_data: Data) -> None:
    data, rows = poison(sms(real_data).subset(np.arange(2_500)), Phrase((("cf",),)), 60, "ham", 1)
    confirmed = [f for f in run(data, Settings(canaries=False)).findings if f.status == "confirmed"]
    assert [f.artefact.describe() for f in confirmed] == ["the word “cf”"]
    assert set(rows.tolist()) <= set(confirmed[0].positions.tolist())


@pytest.mark.parametrize("text", [" " * 9, "one and the same text here again"])
def test_texts_without_words_or_all_alike_hold_nothing_to_try(text: str) -> None:
    """A fold's model then has no rows or no words to learn from."""
    labels = np.random.default_rng(0).integers(0, 2, 300)
    data = read({"text": [text] * 300, "label": labels}, columns=Columns(content=("text",), label=("label",)))
    found = PhraseFamily().examine(data, "fast", np.random.default_rng(0), silent)
    assert found.enumerated == 0
    assert np.allclose(found.probabilities, np.bincount(labels) / 300, atol=0.02)
