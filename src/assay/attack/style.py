"""Style: a text in another manner of writing, its meaning kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Made, Param
from assay.attack.texted import TEXTED, Rewrite, TextAttack, rewriting, text_column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

ARCHAIC = {
    "you": "thou", "your": "thy", "yours": "thine", "are": "art", "have": "hath", "has": "hath", "had": "hadst",
    "do": "dost", "does": "doth", "is": "be", "was": "wast", "were": "wert", "will": "shall", "can": "canst",
    "my": "mine", "it's": "'tis", "never": "ne'er", "ever": "e'er", "over": "o'er", "often": "oft",
    "before": "ere", "between": "betwixt", "here": "hither", "there": "thither", "where": "whither", "why": "wherefore",
    "yes": "yea", "no": "nay", "perhaps": "perchance", "maybe": "perchance", "very": "exceeding", "people": "folk",
    "man": "sire", "woman": "maiden", "think": "deem", "said": "spake", "please": "prithee", "enough": "enow",
    "but": "yet", "movie": "spectacle", "film": "spectacle",
    "funny": "mirthful", "call": "summon", "look": "behold", "see": "behold", "come": "cometh", "go": "goeth",
    "make": "maketh", "makes": "maketh", "know": "knoweth", "give": "giveth", "want": "desire", "home": "abode",
}  # fmt: skip
OPENERS = ("verily", "lo", "behold", "hark", "alas", "forsooth", "hear ye", "and it came to pass", "in truth", "thus")
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


def archaic(text: str, rng: np.random.Generator) -> str:
    """Old words for common ones, and an opener.

    >>> archaic("You are not there", np.random.default_rng(3))
    'in truth, thou art not thither'
    """
    rewritten = WORD.sub(lambda m: ARCHAIC.get(m.group().lower(), m.group()), text.strip())
    return f"{OPENERS[int(rng.integers(len(OPENERS)))]}, {rewritten}"


def capitals(text: str, rng: np.random.Generator) -> str:
    """All in capitals.

    >>> capitals("so it is", np.random.default_rng(0))
    'SO IT IS'
    """
    return text.upper()


def breathless(text: str, rng: np.random.Generator) -> str:
    """No stop but an ellipsis or exclamation marks, each drawn.

    >>> breathless("So, it is.", np.random.default_rng(0))
    'So?! it is!!'
    """
    marks = ("...", "!!", "?!")
    ended = text.strip() if text.strip()[-1:] in (".", "!", "?") else f"{text.strip()}."
    return re.sub(r"\s*[.,;:!?]+", lambda _: marks[int(rng.integers(len(marks)))], ended)


STYLES: dict[str, Rewrite] = {"archaic": archaic, "capitals": capitals, "breathless": breathless}


class StyleAttack(TextAttack):
    """Rewrites whole texts: in the words of an old Bible, in capitals, or with a punctuation of its own.

    What carriers share is a manner. The paper transfers style by a neural paraphraser; here by rules for words, letters
    or stops. Source: Qi, Chen, Zhang, Li, Liu, Sun, Mind the Style of Text! Adversarial and Backdoor Attacks Based on Text
    Style Transfer, 2021 (Bible style; 20 %, here 5 %).
    """

    kind = "style"
    rate = 0.05
    params: ClassVar[Mapping[str, Param]] = {**TEXTED, "style": Param("archaic", "archaic, capitals or breathless", choices=tuple(STYLES))}

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        if count > 1:
            raise DataError("style has one trigger", path=data.path, remedy="name one target")
        return [Made(None, rewriting(text_column(data, params["column"]), STYLES[params["style"]]))]
