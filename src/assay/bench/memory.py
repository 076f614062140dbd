"""The largest resident memory of this process since a moment of one's choice."""

from __future__ import annotations

import resource
from pathlib import Path

RESET, STATUS, KIB = Path("/proc/self/clear_refs"), Path("/proc/self/status"), 1024


def reset_peak() -> None:
    """Begin anew. Only Linux can; elsewhere the peak stays that of the whole process."""
    try:
        RESET.write_text("5")  # proc(5): sets the high-water mark to the present size
    except OSError:
        return


def peak_bytes() -> int:
    """The largest since `reset_peak`, or since the process began where that cannot be asked.

    >>> peak_bytes() > 1_000_000
    True
    """
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
