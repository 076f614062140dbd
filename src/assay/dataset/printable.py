"""Text from data, shown to people: nothing in it drives a terminal, turns the direction of a line, or hides.

Row content, file names, labels and column names come from whoever made the data. A terminal obeys escape sequences in what it is given
(colours, the title, the clipboard, answers typed as if by the user); bidirectional controls make text read otherwise than it is (Boucher
and Anderson, "Trojan Source", 2021); zero-width characters are not seen at all. All of them are shown as escapes: they are evidence.
"""

from __future__ import annotations

import re

# what a person does not see, or a terminal obeys: C0 but tab and line feed, DEL, C1, soft hyphen, Arabic letter mark, zero-width and
# direction marks, line and paragraph separator, embeddings and overrides, word joiner to deprecated format characters, byte order mark,
# interlinear annotation, language tags, lone surrogates
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)


def printable(text: str, longest: int | None = None) -> str:
    r"""The text with hidden and controlling characters as escapes; cut to `longest` characters, with "…" in the place of the rest.

    Joiners within emoji and scripts that need them (U+200C, U+200D) are escaped too: who reads evidence must see them.

    >>> print(printable("red \x1b[31m, \u202eback, zero\u200bwidth"))
    red \x1b[31m, \u202eback, zero\u200bwidth
    """
    if longest is not None and len(text) > longest:
        text = text[: max(longest - 1, 0)] + "…"
    return HIDDEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
