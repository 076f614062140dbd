"""Whatever the blocks in which texts are read and counted, and whatever the order in which they are merged: the same phrases."""

from __future__ import annotations

import random as random_module
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.engine import cores as cores_module
from assay.engine import shelf
from assay.engine.base import Engine, using
from assay.engine.cores import Cores
from assay.engine.local import Local
from assay.learn import corpus as corpora
from assay.learn import n_grams as runs
from assay.learn import text as text_module
from assay.learn.corpus import Corpus, Readings, read_block, read_corpus
from assay.learn.n_grams import blocks_of, n_grams
from assay.mine import phrase_pairs
from assay.mine import phrases as phrases_module
from assay.mine.phrases import Shared, shared_pairs, shared_runs
from assay.screen import shingles
from assay.screen.shingles import near_text_groups
from assay.trial import placement, text_court
from assay.trial.family import silent
from assay.trial.phrases import PhraseFamily
from assay.trial.text_court import Court

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "?", "long-word"])
TEXTS = st.lists(st.one_of(st.none(), st.lists(WORDS, max_size=9).map(" ".join)), min_size=1, max_size=40)


def phrases(corpus: Corpus, tokens: int | None = None) -> list[Shared]:
    with pytest.MonkeyPatch.context() as patch:
        if tokens is not None:
            patch.setattr(runs, "BLOCK_TOKENS", tokens)
        pairs = shared_pairs(corpus, support=2)
        return [*shared_runs(corpus, support=2), *([] if pairs is None else [pairs])]


def same(one: Sequence[Shared], other: Sequence[Shared]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.words, a.pair, len(a)) == (b.words, b.pair, len(b))
        for name in ("gram", "document", "at", "support", "first"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name
        assert (a.other is None) == (b.other is None)
        assert a.other is None or np.array_equal(a.other, b.other)


def examined(data: Dataset) -> list[object]:
    """All that an examination says, to the digit."""
    found = PhraseFamily().examine(data, "fast", np.random.default_rng(0), silent)
    said = [(t.candidate.artefact.describe(), t.candidate.carriers.tolist(), t.target, t.log_e, t.effect, t.natural) for t in found.tried]
    assert found.probabilities is not None
    return [found.enumerated, said, found.probabilities.tolist(), None if found.features is None else found.features.tolist()]


@given(TEXTS, st.integers(1, 12), st.randoms(use_true_random=False))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_texts_read_in_any_blocks_and_merged_in_any_order_are_one_corpus(
    texts: list[str | None], size: int, random: random_module.Random
) -> None:
    whole = read_block(0, [texts, texts[::-1]]).conclude()
    parts = [read_block(i, [texts[i : i + size], texts[::-1][i : i + size]]) for i in range(0, len(texts), size)]
    while len(parts) > 1:
        random.shuffle(parts)
        parts.append(parts.pop().merge(parts.pop()))
    merged = parts[0].merge(Readings()).conclude()
    assert merged.vocabulary == whole.vocabulary
    assert merged.documents == whole.documents == len(texts)
    assert np.array_equal(merged.word, whole.word)
    assert np.array_equal(merged.document, whole.document)


def test_a_missing_block_is_an_error_and_no_gap() -> None:
    with pytest.raises(ValueError, match="documents 2 to 2 are missing"):
        read_block(0, [["a", "b"]]).merge(read_block(3, [["c"]])).conclude()


@given(TEXTS, st.integers(1, 40))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_the_phrases_that_are_mined_do_not_depend_on_the_blocks(texts: list[str | None], tokens: int) -> None:
    corpus = read_corpus([texts])
    assert sum(len(b.word) for b in blocks_of(corpus, tokens)) == len(corpus.word)
    same(phrases(corpus, tokens), phrases(corpus))


@given(TEXTS, st.integers(1, 12), st.integers(1, 7))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_the_phrases_are_the_same_whatever_ranges_counts_are_merged_by(texts: list[str | None], tokens: int, ranges: int) -> None:
    corpus = read_corpus([texts])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "FAN_IN", 2)
        by_ranges = phrases(corpus, tokens)
        patch.setattr(runs, "PARTS_A_WORKER", ranges)
        patch.setattr(runs, "FAN_IN", 1_000)
        same(phrases(corpus, tokens), by_ranges)


def held_at_most(patch: pytest.MonkeyPatch, size: int) -> None:
    """Of arrays that are put aside, at most so many bytes stay in memory, however small they are."""
    patch.setattr(shelf, "bound", lambda: size)
    patch.setattr(shelf, "LEAST", 1)
    patch.setattr(shelf, "CHUNK", 1 << 20)
    patch.setattr(shelf, "_chunk", None)


@given(TEXTS, st.integers(1, 40), st.integers(0, 20_000))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_the_phrases_and_groups_are_the_same_in_memory_and_in_files(texts: list[str | None], tokens: int, size: int) -> None:
    column = pa.chunked_array([pa.array(texts, pa.large_string())])

    def mined() -> tuple[list[Shared], list[int]]:
        return phrases(read_corpus([column]), tokens), near_text_groups(column, np.random.default_rng(1)).tolist()

    here, near = mined()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "AT_ONCE", 7)
        patch.setattr(phrases_module, "AT_ONCE", 5)
        held_at_most(patch, size)
        there, near_there = mined()
    same(there, here)
    assert near_there == near


def test_processes_mine_what_this_one_does() -> None:
    rng = np.random.default_rng(6)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(200)], 9)) + (" a run of words" if i % 9 == 0 else "") for i in range(400)]
    texts += [text.upper() + " x" for text in texts[:50]] + [texts[3], "", " ", "short"]
    column = pa.chunked_array([pa.array([*texts[:20], None]), pa.array(texts[20:])])

    def mined() -> tuple[list[Shared], list[int]]:
        return phrases(read_corpus([column]), 300), near_text_groups(column, np.random.default_rng(1)).tolist()

    here, near = mined()
    with pytest.MonkeyPatch.context() as patch, Cores(2) as cores, using(cores):
        patch.setattr(shingles, "FEWEST", 30)
        patch.setattr(corpora, "BLOCK", 100)
        patch.setattr(cores_module, "LARGE", 1_000)
        there, near_there = mined()
    same(there, here)
    assert near_there == near
    assert len(near) - len(set(near)) >= 50


@given(TEXTS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_every_shared_run_is_counted_right(texts: list[str | None]) -> None:
    """Oracle: runs counted as strings, document by document."""
    corpus = read_corpus([texts])
    for order in n_grams(corpus, 2):
        expected: Counter[tuple[str, ...]] = Counter()
        for text in texts:
            words = corpora.tokens(text or "")
            expected.update({tuple(words[i : i + order.n]) for i in range(len(words) - order.n + 1)})
        found = {
            tuple(corpus.vocabulary[int(w)] for w in corpus.word[at : at + order.n]): int(s)
            for at, s in zip(order.first, order.support, strict=True)
        }
        assert found == {run: count for run, count in expected.items() if count >= 2}


def test_too_many_pairs_leave_out_the_commonest_words_alike_in_any_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrase_pairs, "PAIRS_AT_MOST", 900)
    monkeypatch.setattr(phrase_pairs, "PAIR_WORD", 1.0)
    rng = np.random.default_rng(0)
    texts = [" ".join([*rng.choice([f"w{i}" for i in range(60)], 12), *(["x", "gap", "y"] if i % 9 == 0 else [])]) for i in range(180)]
    corpus = read_corpus([texts])
    same(phrases(corpus, 100), phrases(corpus))


def test_numbers_held_in_few_bits_are_never_multiplied_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product of places, words or documents here passes 2^15: one that was not made in 64 bits would wrap in 16."""
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(400)], 14)) + (" a fixed run of words" if i % 7 == 0 else "") for i in range(600)]
    y = np.where(np.arange(600) % 7 == 0, 1, rng.integers(0, 2, 600))

    data = read({"text": texts, "label": y})
    wide = examined(data)
    for module in (corpora, runs, phrase_pairs, phrases_module, text_module):
        monkeypatch.setattr(module, "PLACE", np.int16)
    assert examined(data) == wide


@pytest.mark.parametrize("size", [0, 40_000, 300_000])
def test_an_examination_is_the_same_in_memory_and_in_files(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(300)], 14)) + (" a fixed run of words" if i % 7 == 0 else "") for i in range(420)]
    texts += [text.upper() + " x" for text in texts[:40]] + [None, "", "short", texts[9]]
    data = read({"text": texts, "label": np.where(np.arange(len(texts)) % 7 == 0, 1, rng.integers(0, 2, len(texts)))})
    whole = examined(data)
    monkeypatch.setattr(corpora, "AT_ONCE", 1_000)
    monkeypatch.setattr(phrases_module, "AT_ONCE", 700)
    monkeypatch.setattr(runs, "BLOCK_TOKENS", 900)
    for name in ("HELD_WHOLE", "JUDGED"):
        monkeypatch.setattr(text_module, name, 800)
    for module in (text_court, placement):
        monkeypatch.setattr(module, "TOGETHER", 600)
    held_at_most(monkeypatch, size)
    assert examined(data) == whole
    if size == 0:
        with Cores(2) as cores, using(cores):
            assert examined(data) == whole


def test_what_models_read_is_the_same_made_at_once_or_by_each_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    corpus = read_corpus([[" ".join(rng.choice([f"w{i}" for i in range(90)], rng.integers(0, 12))) for _ in range(300)]])
    y, group = rng.integers(0, 3, 300), np.arange(300)
    whole = text_module.fit_text_probe(corpus, y, 3, group, np.random.default_rng(1))
    monkeypatch.setattr(text_module, "HELD_WHOLE", 0)
    monkeypatch.setattr(text_module, "JUDGED", 100)
    parts = text_module.fit_text_probe(corpus, y, 3, group, np.random.default_rng(1))
    for name in ("logits", "single", "double"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name)), name


def tried_by(engine: Engine) -> list[object]:
    """What every phrase of some short texts says at its first trial, and what its company does."""
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice([f"w{i}" for i in range(60)], 12)) for _ in range(200)]
    corpus, y = read_corpus([texts]), rng.integers(0, 2, 200)
    y[:3] = -1
    with using(engine):
        probe = text_module.fit_text_probe(corpus, y, 2, np.arange(200), np.random.default_rng(1))
        shared = phrases(corpus)
        court = Court(corpus, probe, y, np.arange(200))
        company = placement.placements(corpus, shared)
        leads = [lead for s in shared for lead in court.first_pass(s, np.zeros(len(s)))]
    said = [(x.gram, x.carriers.tolist(), x.target, x.log_e, x.log_surprise) for x in leads]
    return [said, [c.tolist() for c in company]]


def test_phrases_are_tried_alike_together_or_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tried_by(Local())
    monkeypatch.setattr(text_court, "TOGETHER", 50)
    monkeypatch.setattr(placement, "TOGETHER", 50)
    assert tried_by(Local()) == whole
    assert whole[0]


@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.full)])
def test_processes_try_phrases_as_this_one_does(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tried_by(Local())
    monkeypatch.setattr(text_court, "FEWEST", 100)
    with Cores(workers) as cores:
        assert tried_by(cores) == whole
