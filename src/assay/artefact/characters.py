"""Characters that nobody sees, or that look like others: a whole class of them is one artefact, however it is spelt in each row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.artefact.base import Artefact, Bools, Unanswerable
from assay.artefact.in_texts import found_in, text_columns
from assay.dataset.rows import Rows

# Letters of Cyrillic and Greek that most type faces draw like Latin ones (Unicode TR 39, confusables.txt, the single-letter ones).
TWINS = dict(
    zip(
        "асеорхуіјѕԁһӏԛԝАВЕЅІЈКМНОРСТХУԌԚԜαορνικυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "aceopxyijsdhlqwABESIJKMHOPCTXYGQWaopvikuABEZHIKMNOPTYX", strict=True,
    )
)  # fmt: skip
HIDDEN = "\u00ad\u180e\u200b-\u200d\u2060-\u2064\ufeff"
ODD_LETTERS = "\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\u2100-\u214f"  # full-width, mathematical and letter-like
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Class:
    """Which characters, what they are called, and what stands in their place once they are taken out."""

    words: str
    found: re.Pattern[str]
    plain: Callable[[str], str]


def _nothing(found: str) -> str:
    return ""


def _latin(found: str) -> str:
    return unicodedata.normalize("NFKC", "".join(TWINS.get(c, c) for c in found))


CLASSES = {
    # between other scripts they are part of the spelling, and between pictures part of the picture
    "zero-width": Class("characters of no width", re.compile(rf"(?<![^\x00-\x7f{HIDDEN}])[{HIDDEN}]+(?![^\x00-\x7f{HIDDEN}])"), _nothing),
    "direction": Class(
        "characters that turn the direction of writing", re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+"), _nothing
    ),
    "tag": Class("tag characters and supplementary variation selectors", re.compile(r"[\U000e0000-\U000e01ef]+"), _nothing),
    "private": Class("characters for private use", re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010fffd]+"), _nothing),
    "control": Class("control characters", re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]+"), _nothing),
    "space": Class("blanks of an odd kind", re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2028\u2029]+"), lambda found: " "),
    "look-alike": Class(
        "letters that look like others",
        re.compile(rf"[{''.join(TWINS)}{ODD_LETTERS}]+(?:[A-Za-z]*[{''.join(TWINS)}{ODD_LETTERS}]+)*"), _latin,
    ),
    "base64": Class(
        "a run of encoded bytes", re.compile(r"(?<![A-Za-z0-9+/])(?=[A-Za-z+/]*\d)(?=[^A-Z\s]*[A-Z])[A-Za-z0-9+/]{40,}={0,2}"), _nothing
    ),
}  # fmt: skip
MARKS = {name: chr(0xE000 + number) for number, name in enumerate(CLASSES)}  # stand for a class in a corpus: private use, cleared before
NAMES = {mark: name for name, mark in MARKS.items()}
ESCAPED = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ue000-\uf8ff\ufeff\U000e0000-\U000e01ef\U000f0000-\U0010fffd]"
)
SUSPECT = re.compile("|".join(c.found.pattern for c in CLASSES.values()))


def visible(text: str) -> str:
    """The text with characters that cannot be seen written as their numbers.

    >>> visible("pay\\u200bpal")
    'pay⟨U+200B⟩pal'
    """
    return ESCAPED.sub(lambda m: f"⟨U+{ord(m.group()):04X}⟩", text)


def spans_of_class(name: str, text: str) -> list[tuple[int, int]]:
    """Where a class stands. Look-alikes count inside a word that has Latin letters too, or in a text that is mostly Latin."""
    if name != "look-alike":
        return [m.span() for m in CLASSES[name].found.finditer(text)]
    if text.isascii():
        return []
    letters = [c for c in text if c.isalpha()]
    latin = sum(_is_latin(c) for c in letters)
    found = []
    for word in WORD.finditer(text):
        if not word.group().isascii() and (latin > 0.5 * len(letters) or any(_is_latin(c) for c in word.group())):
            inside = [m.span() for m in CLASSES[name].found.finditer(word.group())]
            strange = any(c.isalpha() and not _is_latin(c) and c not in TWINS and not _odd(c) for c in word.group())
            if inside and not strange:  # a word with other letters of that script is a word of that language
                found += [(word.start() + a, word.start() + b) for a, b in inside]
    return found


def _odd(letter: str) -> bool:
    return re.match(f"[{ODD_LETTERS}]", letter) is not None


def _is_latin(letter: str) -> bool:
    return letter.isascii() or "\u00c0" <= letter <= "\u024f"


def without_class(name: str, text: str) -> str:
    """The text with a class taken out, or turned into the letters that it looks like."""
    for start, end in reversed(spans_of_class(name, text)):
        text = text[:start] + CLASSES[name].plain(text[start:end]) + text[end:]
    return text


@dataclass(frozen=True)
class Characters(Artefact):
    """Texts in `columns` (empty: any) that hold a class of characters, one of `CLASSES`.

    >>> hidden = Characters("zero-width")
    >>> hidden.present(["pay\\u200bpal", "paypal"]).tolist(), hidden.remove(["pay\\u200bpal"])
    ([True, False], ['paypal'])
    >>> Characters("look-alike").remove(["th\\u0435 b\\u0435st", "\\u043c\\u043e\\u0441\\u043a\\u0432\\u0430"])
    ['the best', 'москва']
    """

    name: str
    columns: tuple[str, ...] = ()
    kind: ClassVar[str] = "characters"

    def __post_init__(self) -> None:
        if self.name not in CLASSES:
            raise ValueError(f"no class of characters {self.name!r}; there are {', '.join(CLASSES)}")

    def find(self, text: str) -> list[tuple[int, int]]:
        """Character spans of them."""
        return spans_of_class(self.name, text)

    def _texts(self, rows: Rows) -> list[str]:
        return text_columns(rows, self.columns)

    def _present(self, rows: Rows) -> Bools:
        return found_in(rows, self._texts(rows), self.find)

    def _insert(self, rows: Rows, rng: np.random.Generator) -> Rows:
        if self.name in ("base64", "private", "control"):
            raise Unanswerable(f"there are too many ways to put in {CLASSES[self.name].words}")
        names = self._texts(rows)
        if not names:
            raise ValueError(f"no text column to insert into; columns: {rows.table.column_names}")
        return rows.with_column(names[0], [self._into(v or "", rng) for v in rows.table.column(names[0]).to_pylist()])

    def _into(self, text: str, rng: np.random.Generator) -> str:
        at = int(rng.integers(0, len(text) + 1))
        if self.name == "look-alike":
            latin = {v: k for k, v in reversed(TWINS.items())}
            able = [i for i, c in enumerate(text) if c in latin][:3]
            return "".join(latin[c] if i in able else c for i, c in enumerate(text))
        if self.name == "space":
            return text.replace(" ", "\u00a0", 1)
        put = {"zero-width": "\u200b", "direction": "\u202e", "tag": "\U000e0061"}[self.name]
        return text[:at] + put + text[at:]

    def _remove(self, rows: Rows) -> Rows:
        for name in self._texts(rows):
            texts = [None if v is None else without_class(self.name, v) for v in rows.table.column(name).to_pylist()]
            rows = rows.with_column(name, texts)
        return rows

    def describe(self) -> str:
        return CLASSES[self.name].words

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "columns": list(self.columns)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Characters:
        return cls(str(data["name"]), tuple(data.get("columns", ())))
