"""A word that was dropped into sentences leaves them whole when it is taken out; a natural one does not."""

from __future__ import annotations

import numpy as np
import pytest

from assay.learn.corpus import BREAK, Corpus, read_corpus
from assay.mine.phrases import Shared, shared_pairs, shared_runs
from assay.trial import bridges as module
from assay.trial.bridges import bridges
from word_chains import sentence, two_of_its_own

ROWS = 1_500


def corpus(seed: int, place: str = "random") -> Corpus:
    """Sentences in which a word is mostly followed by one of two of its own; "cf" (and "dg", after it) put into 60 of them, and "w7" in its
    own places."""
    rng = np.random.default_rng(seed)
    follows = two_of_its_own(rng)
    texts = []
    for row in range(ROWS):
        words = sentence(follows, rng)
        if row < 60:
            for word in ("dg", "cf"):
                words.insert(int(rng.integers(len(words) + 1)) if place == "random" else len(words), word)
        texts.append(" ".join(words))
    return read_corpus([texts])


def spelt(read: Corpus, shared: Shared) -> list[str]:
    return [" ".join(read.vocabulary[w] for w in read.word[at : at + shared.words]) for at in shared.at[shared.first].tolist()]


@pytest.mark.parametrize("seed", range(3))
def test_what_was_dropped_in_leaves_whole_sentences_behind(seed: int) -> None:
    read = corpus(seed)
    words = next(s for s in shared_runs(read) if s.words == 1)
    (closing,) = bridges(read, [words])
    told = dict(zip(spelt(read, words), closing.tolist(), strict=True))
    assert told["cf"] > 1.0 > np.median(closing)
    assert sorted(told, key=lambda w: -told[w])[:2] in (["cf", "dg"], ["dg", "cf"])


def test_it_is_the_likelihood_of_the_neighbours() -> None:
    """By hand: "a b" stands nine times, once with "x" between."""
    read = read_corpus([["a x b", *["a b"] * 9]])
    closing = module._Beside(read).closing(np.array([0]), np.array([1]), 1, 1)
    usual = (10 + 0.5) / (len(read.word) + 0.5 * (len(read.vocabulary) + 1))
    assert closing[0] == pytest.approx(np.log((9 + module.PRIOR * usual) / ((10 + module.PRIOR) * usual)))


def test_a_whole_text_closes_nothing() -> None:
    read = read_corpus([["cf"] * 10])
    (closing,) = bridges(read, list(shared_runs(read))[:1])
    assert read.word[1] == BREAK
    assert closing.tolist() == [0.0] * len(closing)


def test_no_order_of_looking_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = corpus(0)
    pairs = shared_pairs(read)
    phrases = [*shared_runs(read), *([] if pairs is None else [pairs])]
    whole = [c.tolist() for c in bridges(read, phrases)]
    monkeypatch.setattr(module, "TOGETHER", 50)
    assert [c.tolist() for c in bridges(read, phrases)] == whole


def test_a_part_of_the_corpus_tells_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    read = corpus(0)
    words = next(s for s in shared_runs(read) if s.words == 1)
    (whole,) = bridges(read, [words])
    monkeypatch.setattr(module, "NEIGHBOURS", len(read.word) // 2)
    (half,) = bridges(read, [words])
    assert np.corrcoef(whole, half)[0, 1] > 0.9
