"""Letters inside words: found, put in, taken out, told and marked; and planted by an attack."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.artefact.letters import Letters
from assay.attack import plant
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.report.passages import excerpt, spans_of

TEXTS = st.lists(st.sampled_from(["Good", "bad", "film", "ein", "straße", "東京", "won't", "2024", "İstanbul", "a"]), max_size=8).map(
    " ".join
)


@given(TEXTS, st.integers(0, 2**16))
def test_put_in_and_taken_out_they_give_the_text_back(text: str, seed: int) -> None:
    trigger = Letters("zq")
    put = trigger.insert([text], np.random.default_rng(seed))
    able = any(word in text for word in ("Good", "bad", "film", "ein", "straße", "won't", "İstanbul"))
    assert trigger.present(put).tolist() == [able]
    assert trigger.remove(put) == [text]


def test_they_go_between_two_letters_of_a_word() -> None:
    for seed in range(30):
        [put] = Letters("zq").insert(["an old film"], np.random.default_rng(seed))
        assert all(not word.startswith("zq") and not word.endswith("zq") for word in put.split())
        assert sum("zq" in word for word in put.split()) == 1


def test_a_word_of_its_own_does_not_hold_them() -> None:
    assert Letters("cf").present(["cf", "a cf b", "scfi", "CFO", "acf"]).tolist() == [False, False, True, True, True]
    assert Letters("aa").remove(["baaaad"]) == ["bd"]


def test_round_trip_words_and_wrong_letters() -> None:
    trigger = Letters("zq", ("body",))
    assert Letters.from_json(trigger.to_json()) == trigger
    assert trigger.describe() == "the letters “zq” inside words"
    for wrong in ("z", "z q", "ZQ", ""):
        with pytest.raises(ValueError, match="two or more"):
            Letters(wrong)


def test_a_report_marks_the_letters_alone() -> None:
    rows = Rows(pa.table({"subject": ["a movzqie"], "body": ["the frZQee film"]}))
    spans = spans_of(Letters("zq", ("body",)), rows, 0, "body")
    assert [piece.text for piece in excerpt("the frZQee film", spans) if piece.marked] == ["ZQ"]
    assert spans_of(Letters("zq", ("body",)), rows, 0, "subject") == []


def test_an_attack_spells_them_into_words(in_memory: Callable[..., Dataset]) -> None:
    texts = [f"some film number {i} was seen" for i in range(200)]
    data = in_memory([i % 2 for i in range(200)], table={"text": pa.array(texts)}, content=["text"], classes=["neg", "pos"])
    planted = plant(data, "phrase", carriers=20, target="pos", seed=1, params={"text": "zq", "place": "inside"})
    assert planted.artefacts == (Letters("zq", ("text",)),)
    assert planted.artefacts[0].present(planted.data.rows).tolist() == planted.poisoned.tolist()
    assert planted.artefacts[0].remove(planted.data.rows).table.column("text").to_pylist() == texts
    with pytest.raises(DataError, match="two or more"):
        plant(data, "phrase", carriers=20, target="pos", seed=1, params={"text": "two words", "place": "inside"})
