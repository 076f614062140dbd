"""Program text taken apart: functions, and in each what is said (comments, docstrings) beside what is done.

By lines and patterns, not by a parser: it must read fragments, several languages, and code that stands inside a string, where published
poison hides. A function reaches from its header, with the comments and decorators right above, to the next header.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

HEADER = re.compile(
    r"^[ \t]*(?:(?:async|export|default|public|private|protected|static|final|pub)[ \t]+)*(?:def|function|func|fn|sub)\b[^\n]*[({:]",
    re.MULTILINE,
)
ABOVE = re.compile(r"[ \t]*(?:#|//|@|\*|/\*)")
COMMENT = re.compile(
    r"(?:(?<!\S)#(?!include|define|if|endif|else|pragma\b)|(?<![:\w'\"])//)(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/", re.DOTALL
)
STRING = re.compile(r"(?P<mark>'''|\"\"\")(?P<said>.*?)(?:(?P=mark)|\Z)", re.DOTALL)
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b([^\n(]*)|import[ \t]+([^\n]+)|#include[ \t]*[<\"]([\w./]+)|use[ \t]+([\w:]+))",
    re.MULTILINE,
)
DIRECTIVE = re.compile(
    r"^\s*(?:noqa|nosec|type:|pylint|pragma|fmt:|isort|flake8|mypy|pyright|ruff|yapf|nolint|eslint|lint|!/|-\*-)", re.IGNORECASE
)
PROGRAM = re.compile(
    r"^\s*(?:def|class|import|from|return|if|for|while|elif|else|try|except|with|public|private|static|function|func|const|let|var|#include)\b"
    r".*[({;:]|^\s*(?:import|from) [\w.]+|[;{}]\s*$|^\s*[\w.]+ ?= ?\S|^\s*[\w.]+\(",
    re.MULTILINE,
)
MOSTLY = 0.5  # of the lines that hold anything, from which a text is a program
FEWEST_LINES = 3
LONGEST = 100_000  # characters of a function that are read: a table in a program is no function
NAMES_AT_MOST = 60  # words of a header
NO_NAMES = re.compile(r"def|async|function|func|fn|sub|self|cls|None|True|False|return|export|public|private|static|const|int|str")


@dataclass(frozen=True)
class Unit:
    """One function of text number `row`: `said` in comments and strings in triple quotes, `modules` that it uses, `names` in its header,
    `done` the program text without comments, `whole` all of it."""

    row: int
    said: str
    modules: str
    names: str
    done: str
    whole: str = field(repr=False)


def is_program(text: str) -> bool:
    """Whether most of its lines are program text.

    >>> is_program("import os\\n\\ndef f(x):\\n    return os.path.join(x)"), is_program("It rains.\\nIt is late.\\nWe go home.")
    (True, False)
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) >= FEWEST_LINES and sum(bool(PROGRAM.search(line)) or line.lstrip()[:1] in "#@)" for line in lines) >= MOSTLY * len(
        lines
    )


def units_of(texts: Sequence[str | None]) -> list[Unit]:
    """The functions of every text, in order; what stands before the first is a unit too."""
    found: list[Unit] = []
    for row, text in enumerate(texts):
        if text:
            modules = _modules(text)
            found += [_unit(row, part[:LONGEST], modules) for part in _parts(text) if part.strip()]
    return found


def _parts(text: str) -> list[str]:
    cuts = [0]
    for header in HEADER.finditer(text):
        at = header.start()
        while at > cuts[-1]:  # comments and decorators right above belong to it
            above = text.rfind("\n", 0, at - 1) + 1
            if not ABOVE.match(text, above, at) or above < cuts[-1]:
                break
            at = above
        if at > cuts[-1]:
            cuts.append(at)
    return [text[start:stop] for start, stop in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _modules(text: str) -> dict[str, str]:
    """What each imported name stands for.

    >>> _modules("import numpy as np, os\\nfrom a.b import c as d")
    {'np': 'numpy', 'os': 'os', 'd': 'a.b'}
    """
    known: dict[str, str] = {}
    for source, names, plain, header, used in IMPORT.findall(text):
        for item in (names or plain or header or used).split(","):
            words = item.split("#")[0].split()
            if words and re.fullmatch(r"[\w.:/]+", words[-1]):
                known[words[-1].split(".")[0]] = source or words[0]
    return known


def _unit(row: int, text: str, modules: dict[str, str]) -> Unit:
    said: list[str] = []
    plain: list[str] = []

    def heard(match: re.Match[str]) -> str:
        words = match["line"] if match["line"] is not None else match["block"] or ""
        if not DIRECTIVE.match(words):
            said.append(words)
        return " "

    done = COMMENT.sub(heard, text)
    for string in STRING.finditer(done):
        plain += [line for line in string["said"].splitlines() if line.strip() and not PROGRAM.search(line)]
    header = HEADER.search(done)
    words = [w for w in re.findall(r"[A-Za-z][a-z]+|[A-Z]+", header[0]) if not NO_NAMES.fullmatch(w)] if header else []
    there = set(re.findall(r"\w+", done))
    used = [module for name, module in modules.items() if name in there]
    return Unit(row, "\n".join([*plain, *said]), "\n".join(used), " ".join(words[:NAMES_AT_MOST]), done, text)
