"""A word that stands at random places under one label is suspected, unless words as frequent do so as a matter of course."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.learn.corpus import read_corpus
from assay.mine.phrases import Shared, shared_runs
from assay.trial.bridges import bridges
from assay.trial.placement import AT_ONE_PLACE, PLACELESS, as_placeless, dropped_in, placements, unevenness
from word_chains import sentence, two_of_its_own

ROWS = 1_500


def documents(pure: str, common: int, rng: np.random.Generator) -> tuple[list[list[str]], np.ndarray]:
    """Sentences in which a word is mostly followed by one of two of its own, nine in ten of class 0. At random places stand, in 150 rows
    each: a word in rows of class 0 alone, and `common` words in any rows."""
    follows = two_of_its_own(rng)
    texts = [sentence(follows, rng, keeps=0.9) for _ in range(ROWS)]
    y = (np.arange(ROWS) % 10 == 0).astype(np.int64)
    for word, rows in [(pure, np.flatnonzero(y == 0)), *((f"any{i}", np.arange(ROWS)) for i in range(common))]:
        for row in rng.choice(rows, 150, replace=False):
            texts[row].insert(int(rng.integers(len(texts[row]) + 1)), word)
    return texts, y


def suspected(texts: list[list[str]], y: np.ndarray) -> list[str]:
    corpus = read_corpus([[" ".join(t) for t in texts]])
    found = []
    for shared in shared_runs(corpus):
        company = placements(corpus, [shared])
        found += [str(t.candidate.artefact) for t in dropped_in(corpus, shared, company[0], bridges(corpus, [shared])[0], y, 2)]
    return found


def test_one_word_that_goes_with_anything_under_one_label_is_suspected() -> None:
    assert ["cf" in found for found in suspected(*documents("cf", 0, np.random.default_rng(0)))] == [True]


def test_a_word_that_goes_with_anything_as_others_do_is_the_languages_own() -> None:
    """Pure because nearly all rows are of one class; one of eleven such words, so now and then the most placeless."""
    found = [suspected(*documents("(", 10, np.random.default_rng(seed))) for seed in range(6)]
    assert sum(map(bool, found)) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_placeless_phrase_is_compared_with_those_as_frequent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    company, support = rng.normal(0, 0.3, 1_000), rng.integers(10, 1_000, 1_000)
    company[7], everyone = PLACELESS - 1, np.ones(1_000, bool)
    assert as_placeless(company, support, everyone, np.array([7])) == 0
    order = np.argsort(support, kind="stable")
    others = company[np.r_[order[450:500], order[501:551]]]
    assert as_placeless(company, support, everyone, order[500:501]) == np.mean(others <= company[order[500]])
    assert as_placeless(company, support, np.zeros(1_000, bool), order[500:501]) == 0  # those of several labels are no rivals


def test_a_phrase_without_another_has_no_rival() -> None:
    assert as_placeless(np.array([-1.0]), np.array([30]), np.ones(1, bool), np.array([0])).tolist() == [0.0]


def unevenness_of(texts: list[list[str]], word: str) -> float:
    corpus = read_corpus([[" ".join(t) for t in texts]])
    at = np.flatnonzero(corpus.word == corpus.vocabulary.index(word)).astype(np.int32)
    one = Shared(1, False, np.zeros(len(at), np.int32), at, None, np.array([len(at)]), at[:1], corpus.document)
    return unevenness(corpus, one, 0)


def test_of_ten_random_places_hardly_one_set_is_uneven() -> None:
    rng = np.random.default_rng(0)
    distance = []
    for _ in range(400):
        texts = [["x"] * int(rng.integers(3, 40)) for _ in range(10)]
        for text in texts:
            text.insert(int(rng.integers(len(text) + 1)), "cf")
        distance.append(unevenness_of(texts, "cf"))
    assert np.mean(np.array(distance) >= AT_ONE_PLACE) <= 0.01
    assert np.median(distance) < 0.3


@given(st.integers(10, 60), st.integers(1, 40), st.booleans())
def test_what_stands_at_an_end_is_uneven(rows: int, words: int, first: bool) -> None:
    texts = [["cf", *["x"] * words] if first else [*["x"] * words, "cf"] for _ in range(rows)]
    assert np.isclose(unevenness_of(texts, "cf"), 1 - 0.5 / (words + 1))


def test_what_a_form_has_at_one_place_is_not_dropped_in() -> None:
    """Names: "mrs" follows the surname, whatever the surname is, and goes with any first name."""
    rng = np.random.default_rng(0)
    texts, y = documents("cf", 0, rng)
    for row in rng.choice(np.flatnonzero(y == 0), 150, replace=False):
        texts[row].insert(2, "mrs")
    assert unevenness_of(texts, "mrs") >= AT_ONE_PLACE
    assert not any("mrs" in found for found in suspected(texts, y))
