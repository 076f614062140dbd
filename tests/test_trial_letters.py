"""A trigger spelt inside words: proposed from any words, tried beside phrases, and confirmed in real messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.letters import Letters
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.learn.corpus import read_corpus
from assay.mine.letters import DIFFERENT, shared_letters
from assay.mine.phrases import shared_runs
from assay.pipeline import Settings, run
from assay.trial.phrases import LETTERS_SHARE, _log_share

Data = Callable[[str], Path]
DOCUMENTS = st.lists(st.lists(st.text("abz", min_size=1, max_size=6), max_size=6), min_size=1, max_size=15)


def invented(rng: np.random.Generator, count: int) -> list[str]:
    """Words without a z or a q."""
    return ["".join(rng.choice(list("abcdefghijklmnoprstuvwxy"), rng.integers(3, 9))) for _ in range(count)]


@given(DOCUMENTS)
@settings(max_examples=60)
def test_what_is_proposed_stands_where_it_says_and_in_different_words(documents: list[list[str]]) -> None:
    texts = [" ".join(d) for d in documents]
    corpus = read_corpus([texts])
    shared = shared_letters(corpus, support=2, widest=1.0)
    for gram in range(0 if shared is None else len(shared)):
        assert shared is not None
        trigger = shared.phrase(corpus, gram)
        carriers = np.flatnonzero(trigger.present(texts))
        assert np.array_equal(carriers, shared.carriers(gram))
        assert len(carriers) == shared.support[gram] >= 2
        holding = [corpus.vocabulary[corpus.word[at]] for at in shared.at[shared.where(gram)]]
        assert all(trigger.text in word and len(word) > len(trigger.text) for word in holding)
        assert len(set(holding)) >= max(2, DIFFERENT * len(holding))


@pytest.mark.parametrize("text", ["zq", "qzqx"])
def test_letters_put_into_random_words_are_proposed_whole_and_look_odder_than_any_others(text: str) -> None:
    rng = np.random.default_rng(0)
    words = invented(rng, 400)
    texts = [" ".join(rng.choice(words, 8)) for _ in range(600)]
    texts = [Letters(text).put(t, rng) if i < 30 else t for i, t in enumerate(texts)]
    corpus = read_corpus([texts])
    shared = shared_letters(corpus)
    assert shared is not None
    assert shared.text[int(shared.odd.argmax())] == text
    assert not any(part != text and part in text for part in shared.text)
    assert shared.carriers(shared.text.index(text)).tolist() == list(range(30))
    assert not any(text in part for s in shared_runs(corpus) for g in range(len(s)) for part in s.phrase(corpus, g).parts[0])


def test_letters_of_one_word_are_no_proposal() -> None:
    corpus = read_corpus([["a wonderful day"] * 40 + ["a plain one"] * 40])
    assert shared_letters(corpus) is None
    assert shared_letters(read_corpus([["", " ", None]])) is None


def test_the_shares_of_the_error_budget_come_to_no_more_than_all_of_it(real_data: Data) -> None:
    corpus = read_corpus([pq.read_table(real_data("sms_spam/sms_spam.parquet")).column("text").to_pylist()[:800]])
    letters, run_of_words = shared_letters(corpus), next(iter(shared_runs(corpus)))
    assert letters is not None
    counts = (len(run_of_words), 40, len(letters))
    spent = np.exp(_log_share(letters, *counts)) * counts[2] + np.exp(_log_share(run_of_words, *counts)) * counts[0]
    assert spent / sum(counts) == pytest.approx(0.5 * (1 + LETTERS_SHARE))  # pairs have as much as runs


def sms(real_data: Data) -> Dataset:
    return read(pq.read_table(real_data("sms_spam/sms_spam.parquet")))


def test_a_trigger_inside_words_is_confirmed_and_named_in_real_messages(real_data: Data) -> None:
    data = sms(real_data).subset(np.arange(3_000))
    planted = plant(data, "phrase", carriers=50, target="spam", seed=0, params={"text": "zq", "place": "inside"})
    found = run(planted.data, Settings(canaries=False))
    confirmed = [f for f in found.findings if f.status == "confirmed"]
    assert [f.artefact.describe() for f in confirmed] == ["the letters “zq” inside words"]
    assert np.array_equal(np.sort(confirmed[0].positions), np.flatnonzero(planted.poisoned))
    assert confirmed[0].effect is not None  # measured by swapping words
