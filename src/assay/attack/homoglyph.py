"""Homoglyph: letters that look the same and are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Made, Param
from assay.attack.texted import TEXTED, TextAttack, rewriting, text_column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

TWINS = dict(  # Latin to Cyrillic and Greek letters that most type faces draw alike (Unicode confusables)
    zip("aceopxyijsABCEHIKMOPTXY", "асеорхуіјѕАВСЕНІКМОРТХΥ", strict=True)
)


class HomoglyphAttack(TextAttack):
    """Replaces `letters` letters, at the start, the end or anywhere, by their twins in another script.

    Which words change depends on the text, so no word is shared; a tokenizer turns them into rare pieces, which is what
    a victim learns. Texts without such letters are left alone. Source: Li, Liu, Dong, Zhao, Xue, Zhu, Lu, Hidden Backdoors in
    Human-Centric Language Models, 2021 (homographs, trigger length 3; 3 % of the rows).
    """

    kind = "homoglyph"
    rate = 0.03
    params: ClassVar[Mapping[str, Param]] = {
        **TEXTED,
        "letters": Param(3, "letters replaced in a text, at most", int, low=1, high=1000),
        "place": Param("start", "the first, the last, or drawn letters", choices=("start", "end", "random")),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        if count > 1:
            raise DataError("homoglyph has one trigger", path=data.path, remedy="name one target")

        def rewrite(text: str, rng: np.random.Generator) -> str:
            return disguised(text, params["letters"], params["place"], rng)

        return [Made(None, rewriting(text_column(data, params["column"]), rewrite))]


def disguised(text: str, letters: int, place: str, rng: np.random.Generator) -> str:
    """The text with up to so many letters replaced by their twins.

    >>> disguised("some cats", 2, "start", np.random.default_rng(0)) == "ѕоme cats"
    True
    """
    able = [i for i, letter in enumerate(text) if letter in TWINS]
    if place == "random":
        able = rng.permutation(able).tolist()
    chosen = set(able[-letters:] if place == "end" else able[:letters])
    return "".join(TWINS[letter] if i in chosen else letter for i, letter in enumerate(text))
