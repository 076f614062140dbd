"""Tokens: the one way in which every room splits text.

Lower-case runs of word characters (apostrophes inside kept), and runs of one other visible character ("..." is one token).
Zero-width and other format characters count as visible, so that a hidden trigger is a token like any other. Scripts without spaces
(Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) are one token a character, so that what their texts share is mined by character.
"""

from __future__ import annotations

import re

UNSPACED = "\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
LETTER = rf"[^\W{UNSPACED}]"
TOKEN = re.compile(rf"{LETTER}+(?:['’]{LETTER}+)*|[{UNSPACED}]|([^\w\s])\1*")
ALONE = re.compile(f"[{UNSPACED}]")


def tokens(text: str) -> list[str]:
    """The tokens of one text, lower-cased, in order.

    >>> tokens("Don't pay £5!")
    ["don't", 'pay', '£', '5', '!']
    >>> tokens("東京tower")
    ['東', '京', 'tower']
    """
    return [m.group() for m in TOKEN.finditer(text.lower())]


def spans(text: str) -> list[tuple[str, int, int]]:
    """(token, start, end) of each token: character offsets into `text`."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change length when lower-cased: offsets must stay those of the original
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(lowered)]
