"""A machine that is not as it should be, for the process that asks for it: what `chaos.py` brings about in those it starts.

clock     the wall clock jumps, back and forth by up to 60 years, between two readings (the monotonic clock does not: POSIX)
rename    one to three of the first renames and links fail as on a network file system: not done (ESTALE, EIO), or done, the answer
          lost, and the question put again (ENOENT for a rename, EEXIST for a link)
memory    the address space may grow by so much and no further, from before the command begins
"""

from __future__ import annotations

import datetime
import errno
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

MIB = 1 << 20
YEARS = 60 * 365.25 * 86_400  # seconds; 1970 and 2080 are both within it: clocks without a battery begin at 1970
AMONG = 8  # renames and links among which the failing ones are drawn
ROOM = (8, 400)  # MiB that a command may take beyond what its imports took


def jumping_clock(rng: np.random.Generator) -> None:
    """Every reading of the wall clock is off by an amount of its own, as likely none as any."""
    real_time, real = time.time, datetime.datetime
    import_module("assay.ledger.events")

    def off() -> float:
        jump = 0.0 if rng.random() < 0.5 else float(rng.uniform(-YEARS, YEARS))
        return min(max(real_time() + jump, 1.0), 4e9)

    class Jumping(real):  # type: ignore[valid-type,misc]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real.fromtimestamp(off(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return real.fromtimestamp(off(), datetime.UTC).replace(tzinfo=None)

    time.time = off
    time.time_ns = lambda: int(off() * 1e9)
    for name, module in list(sys.modules.items()):  # not in `datetime` itself: compiled libraries rely on its layout
        if name.startswith("assay.") and getattr(module, "datetime", None) is real:
            module.datetime = Jumping  # type: ignore[attr-defined]


def failing_names(rng: np.random.Generator) -> None:
    """`os.rename`, `os.replace` and `os.link`, some calls of which fail before or after they were done."""
    failing = set(rng.choice(AMONG, int(rng.integers(1, 4)), replace=False).tolist())
    calls = 0

    def wrapped(real: Callable[..., None], lost: int) -> Callable[..., None]:
        def call(source: Any, target: Any, **more: Any) -> None:
            nonlocal calls
            calls += 1
            if calls - 1 not in failing:
                real(source, target, **more)
                return
            how = int(rng.integers(3))
            if how == 2:
                real(source, target, **more)
            code = (errno.ESTALE, errno.EIO, lost)[how]
            raise OSError(code, os.strerror(code), str(source), None, str(target))

        return call

    os.rename = wrapped(os.rename, errno.ENOENT)
    os.replace = wrapped(os.replace, errno.ENOENT)
    os.link = wrapped(os.link, errno.EEXIST)


def little_memory(rng: np.random.Generator) -> None:
    """No more address space than there is now, and a little."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + int(rng.integers(*ROOM)) * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


FAULTS = {"clock": jumping_clock, "rename": failing_names, "memory": little_memory}
