"""Memory that was let go of, given back to the system between the steps of long work.

The C library keeps what is freed for itself, so that a process stays about as large as its largest step: 234 MiB, of which 76 are in use,
once the phrases that 200,000 short texts share are found.
"""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
KEPT = 1 << 28  # bytes that a worker keeps for its next piece of work
FROM_SYSTEM = 1 << 25  # bytes from which memory is asked of the system each time: the most that glibc allows


def give_back() -> None:
    """Ask Arrow's pool and, where it is glibc, the C library to return what is free. It changes nothing but the process's size."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; others have none
        if trim is not None:
            trim(ctypes.c_size_t(0))


def keep_freed() -> None:
    """Let this process keep what it frees, up to `KEPT`: for workers, whose pieces of work each need as much again, and to whom the system
    would hand it anew page by page (an eighth of their time over columns of a million rows)."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for option, value in ((M_MMAP_THRESHOLD, FROM_SYSTEM), (M_TRIM_THRESHOLD, KEPT), (M_TOP_PAD, KEPT // 4)):
                mallopt(ctypes.c_int(option), ctypes.c_int(value))
