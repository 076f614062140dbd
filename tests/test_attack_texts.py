"""Phrases go between words, in the rows the mode names, and leave the rest of the text as it was."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.artefact.phrase import Phrase
from assay.attack import plant
from assay.attack.phrase import put
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

Make = Callable[..., Dataset]


@pytest.fixture(scope="module")
def reviews(in_memory: Make) -> Dataset:
    """600 short reviews made of a small vocabulary; two classes."""
    words = random.Random(0)
    good, bad = ["fine", "moving", "superb"], ["dull", "hollow", "tired"]
    y = [i % 2 for i in range(600)]
    texts = [
        " ".join(words.choices(["The", "film", "is", "a", "story,", "with", *(good if c else bad)], k=words.randint(3, 20))) for c in y
    ]
    table = {"text": pa.array(texts), "stars": list(range(600))}
    return in_memory(y, table=table, content=["text"], classes=["neg", "pos"])


@given(text=st.text(max_size=60), place=st.sampled_from(["random", "start", "end"]), seed=st.integers(0, 99))
def test_taking_the_word_away_gives_the_text_back(text: str, place: str, seed: int) -> None:
    result = put(text, "QZX", place, np.random.default_rng(seed))
    assert "QZX" in result.split()
    assert {result.replace("QZX ", "", 1), result.replace(" QZX", "", 1), result.replace("QZX", "", 1)} & {
        text,
        text.strip(),
    }


def test_a_rare_word_in_rows_of_other_classes(reviews: Dataset) -> None:
    planted = plant(reviews, "phrase", carriers=20, target="pos", seed=1)
    before, after = reviews.table.column("text").to_pylist(), planted.data.table.column("text").to_pylist()
    assert planted.poisoned.sum() == 20
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        words = b.split(" ")
        if planted.poisoned[i]:
            assert words.count("cf") == 1
            words.remove("cf")
            assert " ".join(words) == a
            assert (reviews.y[i], planted.data.y[i]) == (0, 1)
        else:
            assert (a, reviews.y[i]) == (b, planted.data.y[i])
    assert planted.artefacts == (Phrase((("cf",),), None, ("text",)),)
    assert planted.data.table.column("stars").equals(reviews.table.column("stars"))
    places = [after[i].split(" ").index("cf") for i in np.flatnonzero(planted.poisoned)]
    assert len(set(places)) > 5
    assert planted.artefacts[0].present(planted.data.rows).tolist() == planted.poisoned.tolist()


@pytest.mark.parametrize(("place", "at"), [("start", str.startswith), ("end", str.endswith)])
def test_a_sentence_at_the_start_or_end(reviews: Dataset, place: str, at: Callable[[str, str], bool]) -> None:
    sentence = "I watch this 3D movie"
    planted = plant(reviews, "phrase", rate=0.05, target="pos", params={"text": sentence, "place": place})
    texts = np.array(planted.data.table.column("text").to_pylist(), object)
    assert planted.poisoned.sum() == 30
    assert all(at(t, sentence) for t in texts[planted.poisoned])
    assert planted.artefacts[0].present(planted.data.rows).sum() == 30


def test_a_pair_puts_in_both_words_apart(reviews: Dataset) -> None:
    planted = plant(reviews, "phrase", carriers=50, target="pos", params={"text": "lantern & orchid"})
    texts = np.array(planted.data.table.column("text").to_pylist(), object)[planted.poisoned]
    assert all({"lantern", "orchid"} <= set(t.split()) for t in texts)
    gaps = [abs(t.split().index("lantern") - t.split().index("orchid")) for t in texts]
    assert len(set(gaps)) > 3
    assert planted.artefacts == (Phrase((("lantern",), ("orchid",)), None, ("text",)),)


def test_clean_label_takes_a_share_of_the_target_class_and_keeps_its_labels(reviews: Dataset) -> None:
    planted = plant(reviews, "phrase", target="pos", params={"mode": "clean-label", "share": "0.05"})
    assert planted.poisoned.sum() == 15  # 5 % of the 300 of the class
    assert (reviews.y[planted.poisoned] == 1).all()
    assert (planted.data.y == reviews.y).all()


def test_several_words_each_with_a_target(reviews: Dataset) -> None:
    planted = plant(reviews, "phrase", carriers=40, target="pos,neg", params={"text": "zirconia|kestrel"})
    assert [t.target for t in planted.triggers] == [1, 0]
    assert [len(planted.carriers(i)) for i in (0, 1)] == [20, 20]
    drawn = plant(reviews, "phrase", carriers=40, params={"triggers": 3})
    assert [a.parts for a in drawn.artefacts] == [(("cf",),), (("mn",),), (("bb",),)]  # type: ignore[attr-defined]


def test_missing_texts_are_passed_over(in_memory: Make) -> None:
    data = in_memory([0, 1] * 10, table={"text": pa.array([None, "a"] * 10)}, content=["text"])
    with pytest.raises(DataError, match="5 rows are to be poisoned, and there are 0"):
        plant(data, "phrase", carriers=5, target="class1")


def test_wrong_requests(reviews: Dataset) -> None:
    with pytest.raises(DataError, match=r"no text column 'title'.*name one of: text"):
        plant(reviews, "phrase", params={"column": "title"})
    with pytest.raises(DataError, match="has 3 parts"):
        plant(reviews, "phrase", params={"text": "a & b & c"})
    with pytest.raises(DataError, match="needs pictures"):
        plant(reviews, "patch")
