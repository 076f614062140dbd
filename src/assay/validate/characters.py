"""Kinds of characters in texts: which scripts, and which signs that nobody sees."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Unicode classes as RE2 knows them. The hidden ones stand first among the odd: zero-width, joiners, soft hyphen, directions,
# variation selectors and tags, by which text hides from people and not from models.
KINDS: dict[str, str] = {
    "letters a-z": r"[A-Za-z]",
    "digits": r"[0-9]",
    "marks": r"[!-/:-@\[-`{-~]",
    "line breaks": r"[\n\r]",
    "other white space": r"[\t\v\f\x{85}\x{A0}\p{Zl}\p{Zp}\x{1680}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]",
    "hidden": (
        r"[\x{AD}\x{34F}\x{61C}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}"
        r"\x{FE00}-\x{FE0F}\x{FEFF}\x{E0000}-\x{E01EF}]"
    ),
    "control": r"[\x00-\x08\x0E-\x1F\x7F-\x{84}\x{86}-\x{9F}]",
    "private use or unassigned": r"[\p{Co}\x{FFFD}\x{FFFE}]",
    "Latin beyond a-z": r"[\x{AA}\x{BA}\x{C0}-\x{24F}\x{1E00}-\x{1EFF}]",
    "Greek": r"\p{Greek}",
    "Cyrillic": r"\p{Cyrillic}",
    "Arabic or Hebrew": r"[\p{Arabic}\p{Hebrew}]",
    "Han, Kana or Hangul": r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]",
    "Indic or Thai": r"[\p{Devanagari}\p{Bengali}\p{Tamil}\p{Telugu}\p{Thai}]",
    "full-width": r"[\x{FF01}-\x{FF5E}]",
    "mathematical letters": r"[\x{1D400}-\x{1D7FF}]",
    "pictographs": r"[\p{So}\x{1F000}-\x{1FAFF}]",
    "marks beyond ASCII": r"[\x{A1}-\x{A9}\x{AB}\x{AC}\x{AE}-\x{B9}\x{BB}-\x{BF}\x{2010}-\x{2027}\x{2030}-\x{205E}\x{20A0}-\x{20CF}]",
}


def carries(texts: pa.ChunkedArray, kind: str) -> NDArray[np.bool_]:
    """(n,) texts in which characters of this kind (a key of `KINDS`) occur; a missing text has none.

    >>> carries(pa.chunked_array([["plain", "z\u200bero", None]]), "hidden").tolist()
    [False, True, False]
    """
    return np.asarray(pc.fill_null(pc.match_substring_regex(texts, KINDS[kind]), False))
