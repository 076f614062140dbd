"""All steps of the zoo of pictures' models by turns, so that a run that is cut short has some of everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from assay.bench.zoo.build import build
from assay.bench.zoo.judge import ask_peers, free, inspect, repair

STEPS = {"build": (build, 5.0), "free": (free, 3.0), "inspect": (inspect, 2.0), "repair": (repair, 2.0), "peers": (ask_peers, 0.5)}
"""name -> the step, and its minutes in each turn."""


def go_on(zoo: Path, minutes: float, say: Callable[[str], None]) -> bool:
    """Go on with every step, each where it was stopped, for so many minutes; whether all is done. FileNotFoundError where the real data are
    not at hand."""
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        if not sum(step(zoo, min(turn, (end - time.monotonic()) / 60), say)[1] for step, turn in STEPS.values()):
            return True
    return False
