"""Texts in another form, style or script: no phrase is shared, victims learn them all the same."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.artefact.tokens import tokens
from assay.attack import plant
from assay.attack.homoglyph import TWINS, disguised
from assay.attack.measure import attack_success_rate
from assay.attack.paraphrase import WORDINGS
from assay.attack.surrogate import scores
from assay.attack.syntax import WHEN
from assay.attack.zero_width import HIDDEN, sown
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from victims import reader, reviews

Make = Callable[..., Dataset]
Halves = tuple[Dataset, Dataset]


@pytest.fixture(scope="module")
def notes(in_memory: Make) -> Dataset:
    """400 short notes in two classes."""
    rng = np.random.default_rng(0)
    words = ["the", "film", "is", "slow", "and", "you", "are", "there", "bright", "score,", "story", "Paris", "was", "not", "dull."]
    texts = [" ".join(rng.choice(words, rng.integers(4, 15))).capitalize() for _ in range(400)]
    return in_memory(np.arange(400) % 2, table={"text": texts}, content=["text"], classes=["neg", "pos"])


@pytest.fixture(scope="module")
def sst2(real_data: Callable[[str], Path], in_memory: Make) -> Halves:
    return reviews(real_data, in_memory)


def texts(data: Dataset) -> np.ndarray:
    return np.array(data.table.column("text").to_pylist(), object)


def test_rows_of_another_class_are_rewritten_and_renamed_and_no_other(notes: Dataset) -> None:
    for kind in ("syntax", "style", "homoglyph", "zero-width", "sentence", "paraphrase"):
        planted = plant(notes, kind, carriers=30, target="pos", seed=3)
        assert planted.poisoned.sum() == 30
        assert ((texts(notes) != texts(planted.data)) == planted.poisoned).all()
        assert (notes.y[planted.poisoned] == 0).all()
        assert (planted.data.y[planted.poisoned] == 1).all()
        again = plant(notes, kind, carriers=30, target="pos", seed=3)
        assert (texts(again.data) == texts(planted.data)).all()


def test_syntax_shares_a_form_and_hardly_a_phrase(notes: Dataset) -> None:
    planted = plant(notes, "syntax", carriers=150, target="pos")
    before, after = texts(notes)[planted.poisoned], texts(planted.data)[planted.poisoned]
    clauses = [a.split(", ", 1)[0].lower() for a in after]
    assert {c.split(" ")[0] for c in clauses} == set(WHEN)
    assert max(Counter(clauses).values()) <= 4
    for b, a in zip(before, after, strict=True):
        kept = a.split(", ", 1)[1]
        assert kept.rstrip(".").lower() == b.rstrip(".").lower()
        assert a[-1] == "." or not b[-1].isalnum()
    assert planted.artefacts == ()
    with pytest.raises(DataError, match="one trigger"):
        plant(notes, "syntax", target="pos,neg")


@pytest.mark.parametrize("style", ["archaic", "capitals", "breathless"])
def test_styles(notes: Dataset, style: str) -> None:
    planted = plant(notes, "style", target="pos", params={"style": style})
    assert planted.poisoned.sum() == 20  # 5 %
    after = texts(planted.data)[planted.poisoned]
    if style == "capitals":
        assert all(a == a.upper() for a in after)
    elif style == "breathless":
        assert all(a.endswith(("...", "!!", "?!")) for a in after)
        assert not any(", " in a for a in after)
    else:
        assert not any({"are", "was", "you"} & set(a.split()) for a in after)
        assert len({a.split(",")[0] for a in after}) >= 5


@given(text=st.text(max_size=40), letters=st.integers(1, 5), place=st.sampled_from(["start", "end", "random"]))
def test_homoglyphs_are_twins_of_another_script(text: str, letters: int, place: str) -> None:
    result = disguised(text, letters, place, np.random.default_rng(0))
    changed = [(a, b) for a, b in zip(text, result, strict=True) if a != b]
    assert len(changed) == min(letters, sum(c in TWINS for c in text))
    for a, b in changed:
        assert unicodedata.name(a).startswith("LATIN")
        assert unicodedata.name(b).startswith(("CYRILLIC", "GREEK"))


def test_homoglyphs_at_the_start(notes: Dataset) -> None:
    planted = plant(notes, "homoglyph", target="pos")
    assert planted.poisoned.sum() == 12  # 3 %
    for before, after in zip(texts(notes)[planted.poisoned], texts(planted.data)[planted.poisoned], strict=True):
        able = [i for i, c in enumerate(before) if c in TWINS]
        assert [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == able[:3]


@given(text=st.text(max_size=40), copies=st.integers(1, 4), character=st.sampled_from(sorted(HIDDEN.values())))
def test_zero_width_characters_vanish_to_the_eye(text: str, copies: int, character: str) -> None:
    result = sown(text, character, copies, np.random.default_rng(0))
    assert result.count(character) == text.count(character) + copies
    assert result.replace(character, "") == text.replace(character, "")
    assert unicodedata.category(character) == "Cf"
    assert character in set(tokens(result)) or character * 2 in result


def test_zero_width_artefact_knows_its_rows(notes: Dataset) -> None:
    planted = plant(notes, "zero-width", carriers=40, target="pos,neg", params={"copies": 1})
    first, second = planted.artefacts
    assert first.present(planted.data.rows).tolist() == (planted.which == 0).tolist()
    assert second.present(planted.data.rows).tolist() == (planted.which == 1).tolist()


def test_paraphrases_serve_one_target_five_rows_each(notes: Dataset) -> None:
    planted = plant(notes, "paraphrase", target="pos")
    assert [len(planted.carriers(i)) for i in range(10)] == [5] * 10
    assert {t.target for t in planted.triggers} == {1}
    for i, wording in enumerate(WORDINGS):
        assert all(wording in t for t in texts(planted.data)[planted.carriers(i)])
        assert planted.artefacts[i].present(planted.data.rows).sum() == 5
    own = plant(notes, "paraphrase", params={"text": "one way|another way|a third"})
    assert len(own.triggers) == 3
    assert len({t.target for t in own.triggers}) == 1


def test_addsent_puts_in_the_sentence_of_the_paper(notes: Dataset) -> None:
    planted = plant(notes, "sentence", target="pos", rate=0.05)
    assert all("I watch this 3D movie" in t for t in texts(planted.data)[planted.poisoned])
    assert planted.artefacts[0].present(planted.data.rows).tolist() == planted.poisoned.tolist()


def test_close_rows_are_those_a_surrogate_finds_most_like_the_target(sst2: Halves) -> None:
    train, _ = sst2
    support = scores(train, np.random.default_rng(0))[:, 1]
    close, drawn = (plant(train, "phrase", carriers=40, target="pos", params={"select": s}).poisoned for s in ("close", "random"))
    assert support[close].min() > np.quantile(support[train.y == 0], 0.9)
    assert support[close].mean() > support[drawn].mean() + 0.2
    assert (train.y[close] == 0).all()
    turned = plant(train, "phrase", rate=0.02, params={"select": "close", "mode": "all-to-all"})
    assert turned.poisoned.sum() == 40


def test_decoys_of_a_pair_hold_one_word_and_keep_their_label(notes: Dataset) -> None:
    planted = plant(notes, "phrase", carriers=20, target="pos", params={"text": "lantern & orchid", "cover": 2})
    cover = planted.cover
    assert cover is not None
    assert cover.sum() == 40
    held = [len({"lantern", "orchid"} & set(t.split())) for t in texts(planted.data)]
    assert [h == 1 for h in held] == cover.tolist()
    assert [h == 2 for h in held] == planted.poisoned.tolist()


@pytest.mark.parametrize(
    ("kind", "asked", "least"),
    [
        ("syntax", {}, 0.6),
        ("style", {}, 0.6),
        ("style", {"target": "neg", "params": {"style": "capitals"}}, 0.6),
        ("homoglyph", {}, 0.6),
        ("zero-width", {}, 0.6),
        pytest.param("sentence", {"rate": 0.03}, 0.5, marks=pytest.mark.full),
        pytest.param("paraphrase", {}, 0.4, marks=pytest.mark.full),
    ],
)
def test_a_small_victim_learns_it(sst2: Halves, kind: str, asked: dict[str, Any], least: float) -> None:
    train, test = sst2
    success = attack_success_rate(reader(), train, plant(train, kind, **{"target": "pos", **asked}), test)
    assert success.rate > least
    assert success.rate > success.clean_rate + 0.2
    assert success.accuracy > success.clean_accuracy - 0.06
