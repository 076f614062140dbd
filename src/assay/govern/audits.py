"""Audits of a model that were made before: what an inspection looked at, and what it did not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.govern.places import INSPECTION

BEHAVIOUR = ("trigger inversion", "adversarial examples")  # what an inspection of loading alone leaves open


@dataclass(frozen=True)
class Audit:
    """One inspection on file. `left` is what it says that it did not run; `made` is its file's date."""

    path: Path
    model: str
    risk: str
    left: tuple[str, ...]
    made: datetime


def read_audit(path: Path) -> Audit:
    """An inspection that `assay inspect --out` wrote. DataError for any other file."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not str(said["schema"]).startswith(INSPECTION):
            raise KeyError("schema")
        left = tuple(item for item in map(str, said.get("not_run", BEHAVIOUR)) if item != "repair")
        return Audit(path, str(said["file"]), str(said["risk"]), left, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("is no inspection of a model", path=path, remedy="make one: assay inspect MODEL --out FILE.json") from error
