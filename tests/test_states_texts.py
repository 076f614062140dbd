"""Whatever the blocks in which texts are read and counted, and whatever the order in which they are merged: the same phrases."""

from __future__ import annotations

import random as random_module
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.learn import corpus as corpora
from assay.learn import n_grams as runs
from assay.learn.corpus import Corpus, Readings, read_block, read_corpus
from assay.learn.n_grams import blocks_of, n_grams
from assay.mine import phrase_pairs
from assay.mine.phrases import Shared, shared_pairs, shared_runs

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "?", "long-word"])
TEXTS = st.lists(st.one_of(st.none(), st.lists(WORDS, max_size=9).map(" ".join)), min_size=1, max_size=40)


def phrases(corpus: Corpus, tokens: int | None = None) -> list[Shared]:
    with pytest.MonkeyPatch.context() as patch:
        if tokens is not None:
            patch.setattr(runs.blocks_of, "__defaults__", (tokens,))
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
