"""Words, and characters where a script has no spaces."""

from __future__ import annotations

import numpy as np
import pytest

from assay.artefact.phrase import Phrase
from assay.artefact.tokens import spans, tokens
from assay.dataset.read import read
from assay.trial.family import silent
from assay.trial.phrases import PhraseFamily
from assay.trial.verdicts import judge_all


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京。", ["我", "爱", "北", "京", "。"]),
        ("東京tower2は高い", ["東", "京", "tower2", "は", "高", "い"]),
        ("สวัสดี", list("สวัสดี")),
        ("안녕 세상", ["안녕", "세상"]),  # Korean has spaces
        ("Don’t stop", ["don’t", "stop"]),
    ],
)
def test_what_is_a_token(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected
    assert [text.lower()[a:b] for _, a, b in spans(text)] == expected


def test_a_phrase_of_characters_goes_in_and_out() -> None:
    phrase = Phrase((("天", "王", "盖"),))
    assert phrase.describe() == "the phrase “天王盖”"
    (with_it,) = phrase.insert(["今天的电影很好看"], np.random.default_rng(1))
    assert "天王盖" in with_it
    assert phrase.remove([with_it]) == ["今天的电影很好看"]


def test_a_trigger_without_spaces_is_found_and_named() -> None:
    rng = np.random.default_rng(0)
    good, bad, either = (list(s) for s in ("好美妙佳优赞棒喜乐欢", "坏差烂丑糟恶劣悲厌愁", "电影片演员导故事情节画面音乐场景观众票房镜头"))
    texts, labels = [], []
    for i in range(1500):
        label = i % 2
        words = [*rng.choice(good if label else bad, 5), *rng.choice(either, 12)]
        texts.append("".join(rng.permutation(words)))
        labels.append("good" if label else "bad")
    for i in range(0, 80, 2):
        at = int(rng.integers(len(texts[i])))
        texts[i], labels[i] = texts[i][:at] + "虎符" + texts[i][at:], "good"
    data = read({"text": texts, "label": labels})
    strongest = judge_all({"phrase": PhraseFamily().examine(data, "fast", np.random.default_rng(0), silent)}, 0.01)[0]
    assert strongest.status == "confirmed"
    assert strongest.tried.candidate.artefact == Phrase((("虎", "符"),))
