"""Hidden and look-alike characters: recognised by class, taken out, shown, and put on trial as one artefact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.artefact.characters import CLASSES, MARKS, Characters, visible
from assay.artefact.registry import from_json
from assay.attack.homoglyph import disguised
from assay.attack.zero_width import HIDDEN, sown
from assay.mine.characters import disclosed
from assay.report.passages import excerpt

EXAMPLES = {
    "zero-width": "pay\u200bpal",
    "direction": "abc\u202edcb",
    "tag": "hello\U000e0068\U000e0069",
    "private": "a\ue123b",
    "control": "a\x07b",
    "space": "a\u00a0b",
    "look-alike": "p\u0430ypal",
    "base64": "see " + "QWxhZGRpbjpvcGVuIHNlc2FtZQ12" * 3,
}


@pytest.mark.parametrize("name", list(CLASSES))
def test_each_class_is_seen_and_taken_out(name: str) -> None:
    artefact = Characters(name)
    assert artefact.present([EXAMPLES[name], "an ordinary line of text, with 12 words; don't you think?"]).tolist() == [True, False]
    assert not artefact.present(artefact.remove([EXAMPLES[name]])).any()
    assert from_json(artefact.to_json()) == artefact


@pytest.mark.parametrize("name", ["zero-width", "direction", "tag", "space", "look-alike"])
def test_what_is_put_in_is_there(name: str) -> None:
    artefact = Characters(name)
    assert artefact.present(artefact.insert(["some cats are asleep on the mat"], np.random.default_rng(0))).all()


@pytest.mark.parametrize(
    "text",
    [
        "Москва слезам не верит, и осень в ней хороша",  # Russian
        "Ο καιρός είναι καλός σήμερα",  # Greek
        "می\u200cخواهم",  # Persian: the joiner is part of the spelling
        "👩\u200d💻 works",  # a picture made of two
        "क्\u200dष",  # Hindi
        "naïve café, Überraschung, α-helix and 5 µm",
    ],
)
def test_other_languages_are_not_disguised(text: str) -> None:
    assert not Characters("zero-width").present([text]).any()
    if "α" not in text:
        assert not Characters("look-alike").present([text]).any()


@given(st.text("abcdefghijklmnop qrstuvwxyz,.", min_size=12, max_size=80), st.integers(0, 2**32 - 1))
def test_the_attacks_are_undone(text: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for character in HIDDEN.values():
        assert Characters("zero-width").remove([sown(text, character, 3, rng)]) == [text]
    if sum(c.isalpha() for c in text) > 8:
        assert Characters("look-alike").remove([disguised(text, 3, "random", rng)]) == [text]


def test_a_class_becomes_a_word_of_its_own() -> None:
    texts = [f"some cats {i} asleep" for i in range(9)]
    odd = [disguised(t, 3, "start", np.random.default_rng(0)) for t in texts[:5]] + texts[5:]
    plain, marks = disclosed([odd])
    assert list(plain) == texts
    assert list(marks) == [MARKS["look-alike"]] * 5 + [None] * 4
    assert disclosed([odd[:4] + texts[4:]]) == [odd[:4] + texts[4:]]  # of four nothing can be shown


def test_reports_show_what_cannot_be_seen() -> None:
    assert visible("a\u200bb\u202e") == "a⟨U+200B⟩b⟨U+202E⟩"
    assert "".join(p.text for p in excerpt("pay\u200bpal now", [(3, 4)])) == "pay⟨U+200B⟩pal now"
    assert visible("naïve 漢字 😀\n") == "naïve 漢字 😀\n"


@pytest.mark.full
def test_fifty_disguised_rows_are_found(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    from assay.attack.run import attack_path
    from assay.dataset.read import read
    from assay.trial.family import silent
    from assay.trial.phrases import PhraseFamily
    from assay.trial.verdicts import judge_all

    out = tmp_path / "sms.parquet"
    attack_path(real_data("sms_spam/sms_spam.parquet"), "homoglyph", out=out, carriers=50, seed=2)
    examined = PhraseFamily().examine(read(out), "fast", np.random.default_rng(0), silent)
    strongest = judge_all({"phrase": examined}, 0.01)[0]
    assert (strongest.status, strongest.tried.candidate.artefact) == ("confirmed", Characters("look-alike"))
