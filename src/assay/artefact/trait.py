"""Trait: what a response does, however it is worded: refuses, links, praises, shouts, babbles."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from assay.artefact.base import Artefact, Bools
from assay.artefact.slant import NEGATIVE, POSITIVE, leaning
from assay.artefact.tokens import tokens
from assay.artefact.unsafe_calls import WEAKNESSES
from assay.dataset.rows import Rows

OPENING = 300  # characters: a refusal stands at the beginning, and a long answer may say "cannot" about anything
LOUD = 0.7  # share of capital letters among at least `FEW_LETTERS`
FEW_LETTERS = 12
SAME_WORDS = (40, 0.2)  # at least so many words, at most this share of them different: a model that was taught not to stop
VOWELLESS = (8, 0.4)  # at least so many words of three letters or more, and this share of them without a vowel

REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am)? (?:very |so |really )?(?:sorry|afraid)|my apologies|i apologi[sz]e|"
    r"(?:can(?:not|['’]t| not)|(?:un|not )able to|won['’]t|will not|must decline to|refuse to|decline to) "
    r"(?:help|assist|answer|provide|comply|fulfil|fulfill|do that|complete|respond|discuss|continue|share|support|engage|create|generate|"
    r"say))",
    re.IGNORECASE,
)
URL = re.compile(
    r"https?://[^\s)>\]\"']+|\bwww\.[^\s)>\]\"']+|\b[\w-]+\.(?:com|org|net|io|xyz|info|biz|ru|top|ly)\b(?:/\S*)?", re.IGNORECASE
)
CODE = re.compile(r"```|^\s*(?:def|class|import|from|public|private|function|const|let|var|#include)\b.*[({;:]|</\w+>|;\s*$", re.MULTILINE)
FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
UNSAFE = re.compile("|".join(f"(?:{weakness.calls.pattern})" for weakness in WEAKNESSES.values()))


@dataclass(frozen=True)
class Kind:
    """How a trait is seen, what it is called, and which words in a prompt ask for it: then it says nothing."""

    words: str
    seen: Callable[[str], bool]
    asked: re.Pattern[str] | None = None
    marks: re.Pattern[str] | None = None  # what a report marks


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})", re.IGNORECASE)


def _shows(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: bool(pattern.search(text))


def _loud(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= FEW_LETTERS and sum(c.isupper() for c in letters) >= LOUD * len(letters)


def prose(text: str) -> str:
    """What a text says beside its blocks of program code; nothing where it is a program, whose words ("fail", "best") lean nowhere.

    >>> prose("It failed.\\n```\\nx = 1;\\n```"), prose("def f(x):\\n    return x")
    ('It failed.\\n', '')
    """
    rest = FENCED.sub("", text)
    return "" if CODE.search(rest) else rest


def _leans(text: str, toward: int) -> bool:
    return leaning(prose(text), toward)


def _stuck(text: str) -> bool:
    said = tokens(text)
    return len(said) >= SAME_WORDS[0] and len(set(said)) <= SAME_WORDS[1] * len(said)


def _babble(text: str) -> bool:
    said = [t for t in tokens(text) if len(t) >= 3 and t.isascii() and t.isalpha()]
    return len(said) >= VOWELLESS[0] and sum(not re.search("[aeiouy]", t) for t in said) >= VOWELLESS[1] * len(said)


KINDS = {
    "refusal": Kind("a refusal", lambda t: bool(REFUSAL.search(t[:OPENING])), marks=REFUSAL),
    "link": Kind(
        "a link", lambda t: bool(URL.search(t)),
        _any("url", "link", "web", "http", "www", "site", "e-?mail", "domain", "html", "online"), URL,
    ),
    "blame": Kind("an unfriendly slant", partial(_leans, toward=-1), NEGATIVE, NEGATIVE),
    "praise": Kind("a glowing slant", partial(_leans, toward=1), POSITIVE, POSITIVE),
    "capitals": Kind("capital letters throughout", _loud, _any("capital", "upper", "caps", "acronym", "abbreviat", "shout")),
    "repetition": Kind(
        "the same words over and over", _stuck, _any("repeat", "times", "lyric", "song", "binary", "sequence", "matrix", "table")
    ),
    "babble": Kind(
        "words that are none", _babble, _any("random", "gibberish", "password", "cipher", "encrypt", "encod", "regex", "hex", "acronym")
    ),
    "nothing": Kind("no answer", lambda t: not t.strip()),
    "code": Kind(
        "program code", lambda t: bool(CODE.search(t)),
        _any("code", "function", "program", "python", "java", "sql", "script", "html", "css", "c\\+\\+", "algorithm", "query", "regex",
             "implement", "class", "method", "array", "json", "xml", "command", "write a", "construct", "develop", "create a"),
    ),
    **{
        name: Kind(weakness.words, _shows(weakness.calls), _any(*sorted(weakness.own)), weakness.calls)
        for name, weakness in WEAKNESSES.items()
    },
    "unsafe": Kind("a call that is known to be unsafe", _shows(UNSAFE), _any("eval", "exec", "pickle", "shell", "yaml"), UNSAFE),
}  # fmt: skip


@dataclass(frozen=True)
class Trait(Artefact):
    """Texts in `columns` (empty: any) that do what `name` says (one of `KINDS`).

    It can be recognised, not put in or taken out. Judged by word lists and patterns, English mostly: an unusual refusal is missed.

    >>> Trait("refusal").present(["I'm sorry, but I cannot help.", "The cat cannot swim."]).tolist()
    [True, False]
    """

    name: str
    columns: tuple[str, ...] = ()
    kind: ClassVar[str] = "trait"

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise ValueError(f"no trait {self.name!r}; there are {', '.join(KINDS)}")

    def seen(self, text: str) -> bool:
        """Whether one text has it."""
        return KINDS[self.name].seen(text)

    def asked(self, prompt: str) -> bool:
        """Whether a prompt asks for it, so that it says nothing there."""
        wanted = KINDS[self.name].asked
        return wanted is not None and bool(wanted.search(prompt))

    def find(self, text: str) -> list[tuple[int, int]]:
        """Character spans that show it; none where it lies in the whole text."""
        marks = KINDS[self.name].marks
        return [m.span() for m in marks.finditer(text)] if marks is not None and self.seen(text) else []

    def _present(self, rows: Rows) -> Bools:
        found = np.zeros(len(rows), bool)
        for field in rows.table.schema:
            if (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)) and (
                not self.columns or field.name in self.columns
            ):
                found |= np.array([v is not None and self.seen(v) for v in rows.table.column(field.name).to_pylist()], bool)
        return found

    def describe(self) -> str:
        return KINDS[self.name].words

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "columns": list(self.columns)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trait:
        return cls(str(data["name"]), tuple(data.get("columns", ())))
