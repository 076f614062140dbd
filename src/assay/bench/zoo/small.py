"""Small models of the zoo, trained and judged in one go: what names one, and a run over many that goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.bench.runner import add_lines, read_lines


@dataclass(frozen=True)
class Spec:
    """One model. `attack` "" is a clean one."""

    set: str
    model: str
    attack: str
    seed: int

    @property
    def id(self) -> str:
        """A name for its line.

        >>> Spec("elec2", "forest", "", 3).id
        'elec2-forest-clean-3'
        """
        return f"{self.set}-{self.model}-{self.attack or 'clean'}-{self.seed}"


def run(
    record: Path, specs: Sequence[Spec], minutes: float, one: Callable[[Spec], dict[str, Any]], told: Callable[[Any], None]
) -> tuple[int, int]:
    """(models there, models left) after so many minutes: a line of `one` each is added to `record`, and `told` of it."""
    record.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    done = {line["id"] for line in read_lines(record)}
    left = [spec for spec in specs if spec.id not in done]
    for number, spec in enumerate(left):
        if time.monotonic() > end:
            return len(done) + number, len(left) - number
        line = one(spec)
        add_lines(record, [line])
        told(line)
    return len(done) + len(left), 0
