"""A second opinion on phrases, by what texts mean: with an encoder made for the test, and with the real one where it is at hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from assay.dataset.errors import DataError
from assay.learn import meaning
from assay.learn.corpus import Corpus, read_corpus
from assay.learn.text import fit_text_probe
from assay.mine.phrases import shared_runs
from assay.trial.meaning_court import MeaningCourt, Meanings, spelt
from assay.trial.text_court import Court, Lead
from styled_texts import sentences

K = 2


def knowing(texts: Sequence[str]) -> np.ndarray:
    """An encoder that knows which label each word speaks for, and nothing else."""
    counts = np.array([[sum(w.startswith(f"t{k}") for w in text.split()) for k in range(K)] for text in texts], float).reshape(-1, K)
    noise = np.random.default_rng(5).standard_normal((len(texts), 14)) * 0.2
    vectors = np.column_stack([counts, noise])
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def planted(carriers: int) -> tuple[Corpus, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = rng.integers(0, K, 600)
    texts = sentences(y, rng, speaks=0.15)
    rows = np.sort(rng.permutation(np.flatnonzero(y == 0))[:carriers])
    for i in rows:
        texts[i] = "qx " + texts[i]
    y[rows] = 1
    return read_corpus([texts]), y, rows


def lead_of(corpus: Corpus, word: str) -> Lead:
    for shared in shared_runs(corpus):
        for gram in range(len(shared)):
            if shared.phrase(corpus, gram).parts == ((word,),):
                return Lead(shared, gram, shared.carriers(gram), 1, 0.0, 0.0, 0.0)
    raise AssertionError(word)


def courts(corpus: Corpus, y: np.ndarray) -> tuple[Court, MeaningCourt]:
    rng = np.random.default_rng(2)
    group = np.arange(len(y))
    court = Court(corpus, fit_text_probe(corpus, y, K, group, rng), y, group)
    return court, MeaningCourt(court, Meanings.of(knowing, corpus, y, group, rng), rng)


def test_who_knows_what_words_mean_convicts_more_surely() -> None:
    corpus, y, rows = planted(20)
    court, both = courts(corpus, y)
    lead = lead_of(corpus, "qx")
    by_words, by_meaning = court.retry(lead), both.retry(lead)
    assert np.array_equal(by_meaning.candidate.carriers, rows)
    assert by_meaning.target == 1
    assert by_meaning.log_e > by_words.log_e + 3
    ours, theirs = (c.everyone[np.arange(len(y)), y] > 0.5 for c in (both, court))
    assert np.delete(ours, rows).mean() > np.delete(theirs, rows).mean()


def test_a_natural_word_is_no_more_of_a_trigger_for_it() -> None:
    corpus, y, _ = planted(20)
    _, both = courts(corpus, y)
    word = next(w for w in corpus.vocabulary if w.startswith("t1") and sum(w in t.split() for t in spelt(corpus, np.arange(600))) >= 8)
    assert both.retry(lead_of(corpus, word)).log_e <= 0


def test_texts_are_spelt_without_what_is_taken_out() -> None:
    corpus = read_corpus([["a red fox", "fox"]])
    gone = np.zeros(len(corpus.word), bool)
    gone[1] = True
    assert spelt(corpus, np.array([0, 1]), gone) == ["a fox", "fox"]


def test_without_a_model_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delenv(meaning.FOLDER, raising=False)
    assert not meaning.available()
    with pytest.raises(DataError, match="sentence encoder"):
        meaning.encoder()
    monkeypatch.setenv(meaning.FOLDER, str(tmp_path))
    with pytest.raises(DataError, match="sentence encoder"):
        meaning.available()  # named, and not there: a scan that goes on without it would not see what its owner thinks it sees


@pytest.mark.skipif(not meaning.available(), reason="no sentence encoder is installed")
def test_the_encoder_puts_like_meanings_together() -> None:
    vectors = meaning.encoder()(["the film is wonderful", "", "a marvellous movie, I loved it", "the train leaves at nine"])
    assert vectors.shape[0] == 4
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3] + 0.2
