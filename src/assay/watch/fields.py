"""Which columns of an event are what, and which of them are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from assay.dataset.errors import DataError

PARTS = "id", "time", "prediction", "confidence", "scores", "label", "contributor", "text", "digest"  # of an event, a column each
GROUPS = "features", "slices", "cycles"  # any number of columns each


@dataclass(frozen=True)
class Fields:
    """The columns of an event. A record with a `prediction` is a prediction; one with an `id` and a `label` alone is a late label.

    `features` are numbers, text values or lists of numbers (an embedding); `cycles` are numbers that repeat by the day or the week, one
    value a step of time (`assay.watch.cycles`); `slices` are columns by whose values the traffic is divided. With `private` nothing of
    `text` is kept: its digest alone goes into the journal.
    """

    features: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    id: str = "id"
    time: str = "time"
    prediction: str = "prediction"
    confidence: str = "confidence"
    scores: str = "scores"
    label: str = "label"
    contributor: str = "contributor"
    text: str = "text"
    digest: str = "digest"
    private: bool = False
    cycles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        named = [getattr(self, part) for part in PARTS]
        if len(set(named)) != len(named):
            raise DataError("two parts of an event are read from one column", remedy="give each its own column")
        for group in GROUPS:
            values = getattr(self, group)
            if len(set(values)) != len(values):
                raise DataError(f"a column is named twice among the {group}", remedy="name each once")
        if clash := {*self.features, *self.cycles} & {self.id, self.prediction, self.label}:
            raise DataError(f"{sorted(clash)[0]!r} cannot be a feature", remedy="name as features what the model sees")
        if both := set(self.features) & set(self.cycles):
            raise DataError(
                f"{sorted(both)[0]!r} is a feature and a cycle",
                remedy="name as cycles alone what follows the day: its mean does not stay, and would raise alarms",
            )

    def to_json(self) -> dict[str, Any]:
        """JSON types only. Cycles only where there are any: baselines that were made before them keep their digest."""
        said = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return said if self.cycles else {name: v for name, v in said.items() if name != "cycles"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fields:
        """The inverse of `to_json`. Raises DataError for a part that it does not know, or that names no column."""
        known = {f.name for f in fields(cls)}
        if other := set(data) - known:
            raise DataError(f"unknown field {sorted(other)[0]!r}", remedy=f"name some of: {', '.join(sorted(known))}")
        for part, value in data.items():
            if part in GROUPS and not (isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)):
                raise DataError(f"{part} is {value!r}, and a list of columns is expected", remedy=f'write "{part}": ["name", "other name"]')
            if part in PARTS and not (isinstance(value, str) and value):
                raise DataError(f"{part} is {value!r}, and the name of a column is expected", remedy=f'write "{part}": "name"')
            if part == "private" and not isinstance(value, bool):
                raise DataError(f"private is {value!r}", remedy="write true or false")
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**given)
