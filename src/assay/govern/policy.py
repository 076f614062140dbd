"""A policy: what an organisation asks of data and models before they are used, in a TOML file that is checked in a pipeline.

`read_policy(FILE)` reads `assay.toml`; `assay.govern.rules.check` gives one `Rule` for everything that it asks, held or not. What cannot be
checked is not held: skipped is never passed. Every key is in `KEYS`; docs/governance.md explains each.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from assay.dataset.errors import DataError
from assay.govern.places import NAMES, Places, look, named
from assay.govern.statements import Statement, read_statements

SCHEMA = "assay.policy/1"
LARGEST = 1 << 20  # bytes of a policy
VERDICTS = ("clean", "incomplete", "suspect", "poisoned")
RISKS = ("none", "unknown code", "dangerous")
Kind = Literal["text", "texts", "number", "count", "yes"]

KEYS: dict[str, dict[str, Kind]] = {
    "paths": {},  # names of places, checked there
    "ledger": {"required": "yes", "key": "text", "snapshot": "yes"},
    "sources": {"allowed": "texts", "approved": "yes"},
    "scan": {
        "verdict": "texts",
        "checks": "texts",
        "depth": "text",
        "max_alpha": "number",
        "max_age_days": "number",
        "sensitivity": "number",
        "max_unreadable": "number",
    },
    "votes": {"minimum": "count", "max_accused": "count", "reviewed": "yes"},
    "trusted": {"required": "yes"},
    "models": {"risk": "text", "audited": "yes", "max_age_days": "number"},
    "watch": {"required": "yes", "max_open_critical": "count", "rollback": "yes"},
    "incident": {"plan": "yes"},
    "audit": {"points": "texts", "max_age_days": "number", "statements": "yes"},
}


@dataclass(frozen=True)
class Policy:
    """`asked[section][key]` is what the file says; only what it says is asked."""

    path: Path
    places: Places
    asked: dict[str, dict[str, Any]]
    statements: tuple[Statement, ...]

    def get(self, section: str, key: str) -> Any:
        """What is asked; None where the policy does not ask for it."""
        return self.asked.get(section, {}).get(key)


@dataclass(frozen=True)
class Rule:
    """One thing that the policy asks. `problem` is "" where it is held, else the violation in words."""

    section: str
    key: str
    asks: str
    problem: str = ""

    @property
    def held(self) -> bool:
        return not self.problem


def read_policy(path: Path, now: datetime | None = None) -> Policy:
    """A policy, its paths relative to its folder. DataError names the first key or value that is not one."""
    if path.suffix.lower() in (".yaml", ".yml"):
        raise DataError("a policy is written in TOML, for which Python has a reader of its own", path=path, remedy="see docs/governance.md")
    document = _toml(path)
    if document.get("schema") != SCHEMA:
        raise DataError(f"the schema is {document.get('schema')!r}, not {SCHEMA!r}", path=path, remedy=f'begin with schema = "{SCHEMA}"')
    places = named(look(path.absolute().parent), _table(document, "paths", path), path)
    statements = read_statements(document.get("statement", []), path, now or datetime.now(UTC))
    asked = {}
    for section in document:
        if section in ("schema", "statement", "paths"):
            continue
        if section not in KEYS:
            raise DataError(f"has no section [{section}]", path=path, remedy=f"use {', '.join(KEYS)}")
        asked[section] = {key: _value(value, section, key, path) for key, value in _table(document, section, path).items()}
    return Policy(path, places, asked, statements)


def _toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"is over {LARGEST >> 20} MiB", path=path, remedy="a policy is short")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("there is no such policy", path=path, remedy="assay policy example > assay.toml") from error
    except IsADirectoryError as error:
        raise DataError("is a folder", path=path, remedy="name the policy's file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"is no TOML ({error})", path=path, remedy="see docs/governance.md for an example") from error


def _table(document: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise DataError(f"[{name}] is a section", path=path, remedy=f"write [{name}] on a line of its own")
    return table


def _value(value: Any, section: str, key: str, path: Path) -> Any:
    kind = KEYS[section].get(key)
    if kind is None:
        raise DataError(f"[{section}] has no {key!r}", path=path, remedy=f"use {', '.join(KEYS[section])}")
    fits = {
        "text": isinstance(value, str),
        "texts": isinstance(value, list) and all(isinstance(v, str) for v in value),
        "number": isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"),
        "count": isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "yes": isinstance(value, bool),
    }[kind]
    if not fits:
        what = {"text": "a text", "texts": "a list of texts", "number": "a number from 0 up", "count": "a whole number from 0 up"}
        raise DataError(f"[{section}] {key} = {value!r} is not {what.get(kind, 'true or false')}", path=path)
    known = {("scan", "verdict"): VERDICTS, ("scan", "depth"): ("fast", "full"), ("models", "risk"): RISKS}.get((section, key))
    for one in value if isinstance(value, list) else [value]:
        if known is not None and one not in known:
            raise DataError(f"[{section}] {key} = {one!r}", path=path, remedy=f"choose among {', '.join(known)}")
    return value


EXAMPLE = f'''schema = "{SCHEMA}"

# Paths are relative to this file. What is left out is looked for below it, by what it holds.
# Known: {", ".join(NAMES)}
[paths]
data = "reviews.csv"

[ledger]
required = true
# key = "example.com/data+1f9b2a07+AZ..."   # the public key, got from elsewhere
snapshot = true             # the data is, to the bit, a signed snapshot

[sources]
allowed = ["crawl-7", "vendor-*"]   # every source of a row; * stands for anything
approved = true             # each has a standing approval in the ledger

[scan]
verdict = ["clean"]         # the verdicts that pass
checks = ["label_errors"]   # these ran
max_age_days = 30
max_alpha = 0.01
sensitivity = 0.8           # of each kind that was planted in a copy, at its largest size, this share was caught
max_unreadable = 0.01       # share of records

[votes]
minimum = 3                 # on every row of a study of several annotators
max_accused = 0
reviewed = true             # no row of a review waits

[models]
risk = "none"               # loading a model file runs nothing

[watch]
required = true
max_open_critical = 0
rollback = true             # every alias has an attested version to go back to

[incident]
plan = true

[audit]
points = ["1", "2", "3"]    # of the eight of assay checklist: these are shown
statements = false          # a statement is no proof

# [[statement]]
# point = 5
# by = "ann@example.com"
# date = 2026-11-20
# text = "250 partitions; half of the test rows withstand 9 changed rows"
'''
