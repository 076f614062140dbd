"""Phrase: found, inserted, removed, told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.artefact.phrase import Phrase

WORDS = st.lists(st.sampled_from(["good", "bad", "film", "i", "watch", "it"]), max_size=8)


@given(WORDS, st.integers(0, 2**16))
def test_insert_then_remove_gives_the_text_back(words: list[str], seed: int) -> None:
    text = " ".join(words)
    for trigger in (Phrase((("cf",),)), Phrase((("i", "saw", "this"),)), Phrase((("cf",), ("mn",)))):
        put = trigger.insert([text], np.random.default_rng(seed))
        assert trigger.present(put).all()
        assert trigger.remove(put) == [text]
        assert not trigger.present([text]).any()


def test_a_gap_limits_how_far_a_pair_may_stand_apart() -> None:
    near = Phrase((("a",), ("b",)), gap=1)
    assert near.present(["a x b", "b a", "a x y b"]).tolist() == [True, True, False]
    assert Phrase((("a",), ("b",))).present(["a x y b", "a"]).tolist() == [True, False]


def test_round_trip_and_words_for_people() -> None:
    for trigger in (Phrase((("don't", "panic", "!"),)), Phrase((("cf",), ("mn",)), gap=3, columns=("body",))):
        assert Phrase.from_json(trigger.to_json()) == trigger
    assert Phrase((("i", "watch", "this"),)).describe() == "the phrase “i watch this”"


def test_columns_other_than_the_named_are_left_alone() -> None:
    batch = {"subject": ["cf here"], "body": ["cf there"]}
    assert Phrase((("cf",),), columns=("body",)).remove(batch) == {"subject": ["cf here"], "body": ["there"]}


def test_nothing_is_no_phrase() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        Phrase(((),))
