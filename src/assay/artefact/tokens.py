"""Tokens: the one way in which every room splits text.

Lower-case runs of word characters (apostrophes inside kept), and runs of one other visible character ("..." is one token).
Zero-width and other format characters count as visible, so that a hidden trigger is a token like any other.
"""

from __future__ import annotations

import re

TOKEN = re.compile(r"\w+(?:['’]\w+)*|([^\w\s])\1*")


def tokens(text: str) -> list[str]:
    """The tokens of one text, lower-cased, in order.

    >>> tokens("Don't pay £5!")
    ["don't", 'pay', '£', '5', '!']
    """
    return [m.group() for m in TOKEN.finditer(text.lower())]


def spans(text: str) -> list[tuple[str, int, int]]:
    """(token, start, end) of each token: character offsets into `text`."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change length when lower-cased: offsets must stay those of the original
        lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(lowered)]
