"""What most texts say alike is no part of how much two of them resemble one another."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay.screen import boilerplate
from assay.screen.boilerplate import without_boilerplate
from assay.screen.shingles import near_text_groups

SYSTEM = "You are an agent of the company. " + " ".join(f"Rule {i}: never do thing {i * 7} before thing {i * 11}." for i in range(60))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def words(seed: int, count: int = 12) -> str:
    return " ".join(f"w{w}" for w in np.random.default_rng(seed).integers(0, 900, count))


def test_one_system_prompt_makes_no_copies() -> None:
    asked = [f"{SYSTEM}\n\n{words(i)}" for i in range(200)]
    assert len(set(near_text_groups(pa.array(asked), rng()))) == 200


def test_copies_below_one_system_prompt_are_copies_still() -> None:
    asked = [f"{SYSTEM}\n\n{words(i // 2, 40)}{' now' * (i % 2)}" for i in range(200)]
    group = near_text_groups(pa.array(asked), rng())
    assert len(set(group)) == 100
    assert (group[::2] == group[1::2]).all()


def test_one_text_sent_many_times_with_a_word_changed_is_one() -> None:
    """Less than half of the texts: a campaign, and no boilerplate."""
    mails = [f"{SYSTEM} Dear {words(i, 1)}" for i in range(80)] + [words(i, 60) for i in range(1_000, 1_120)]
    group = near_text_groups(pa.array(mails), rng())
    assert len(set(group[:80])) == 1
    assert len(set(group)) == 121


def test_texts_of_boilerplate_alone_are_compared_whole() -> None:
    texts = pa.array([SYSTEM] * 30 + [f"{SYSTEM}\n{words(i)}" for i in range(60)])
    rest = without_boilerplate(texts, 0.5, rng()).to_pylist()
    assert rest[0] == SYSTEM
    assert rest[30] == words(0)


def test_missing_texts_stay_missing_and_few_texts_stay_whole() -> None:
    asked = [None, *(f"{SYSTEM}\n{words(i)}" for i in range(60))]
    assert without_boilerplate(pa.array(asked), 0.5, rng())[0].as_py() is None
    few = pa.array(asked[: boilerplate.FEWEST])
    assert without_boilerplate(few, 0.5, rng()) is few


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_blocks_change_nothing(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.chunked_array([pa.array([f"{SYSTEM}\n{words(i)}" for i in range(start, start + 50)]) for start in (0, 50)])
    whole = without_boilerplate(texts, 0.5, rng()).to_pylist()
    monkeypatch.setattr(boilerplate, "BLOCK", cut)
    assert without_boilerplate(texts, 0.5, rng()).to_pylist() == whole
