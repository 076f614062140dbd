"""The checklist of a project: where things lie, the eight points, and the same as JSON for the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.govern.facts import Facts
from assay.govern.places import CONFIG, NAMES, SEVERAL, Places, look
from assay.govern.points import Point, examine
from assay.govern.policy import read_policy
from assay.govern.statements import Statement
from assay.version import __version__

SCHEMA = "assay.checklist/1"


@dataclass(frozen=True)
class Checklist:
    """The eight points of one project at one moment."""

    places: Places
    made: datetime
    fingerprint: str | None  # of the data set
    points: tuple[Point, ...]

    def passes(self, *, statements: bool = False) -> bool:
        """Whether every point is shown, or, with `statements`, at least said."""
        return all(p.state in (("shown", "said") if statements else ("shown",)) for p in self.points)

    def to_json(self) -> dict[str, Any]:
        """Schema "assay.checklist/1"; paths relative to the project where they lie in it."""
        places = {}
        for name in NAMES:
            value = getattr(self.places, name)
            paths = value if isinstance(value, tuple) else () if value is None else (value,)
            told = [_relative(path, self.places.root) for path in paths]
            places[name] = told if name in SEVERAL else (told[0] if told else None)
        return {
            "schema": SCHEMA,
            "assay": __version__,
            "made": self.made.isoformat(timespec="seconds"),
            "fingerprint": self.fingerprint,
            "places": places,
            "points": [{"point": p.number, "title": p.title, "state": p.state, **_sentences(p)} for p in self.points],
        }


def _sentences(point: Point) -> dict[str, list[str]]:
    return {"held": point.held, "missing": point.lacks, "broken": point.broken, "said": point.said, "next": point.next}


def _relative(path: Path, root: Path) -> str:
    path = path.absolute()
    return path.relative_to(root.absolute()).as_posix() if path.is_relative_to(root.absolute()) else str(path)


def checklist(path: Path, *, given: dict[str, Path] | None = None, trust: str | None = None, now: datetime | None = None) -> Checklist:
    """The checklist of a data set, or of the folder of a project. `given` names places that are not to be looked for.

    DataError where nothing is at `path`, or `assay.toml` is wrong; what is wrong further on stands in the points.
    """
    at = now or datetime.now(UTC)
    places, statements, key = _found(path, at)
    places = replace(places, **{n: ((p,) if n in SEVERAL else p) for n, p in (given or {}).items()})  # type: ignore[arg-type]
    facts = Facts(places, trust=trust or key, now=at)
    points = examine(facts, statements)
    try:
        fingerprint = None if facts.data is None else facts.data.fingerprint
    except DataError:  # said already, by every point that needs the data
        fingerprint = None
    return Checklist(places, at, fingerprint, points)


def _found(path: Path, now: datetime) -> tuple[Places, Sequence[Statement], str | None]:
    places = look(path)
    config = (path if path.is_dir() else path.parent) / CONFIG
    if not config.is_file():
        return places, (), None
    policy = read_policy(config, now)
    found = policy.places if path.is_dir() else replace(policy.places, data=path)
    return found, policy.statements, policy.get("ledger", "key")
