"""Progress as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from fastapi.concurrency import run_in_threadpool

from assay.serve.limits import Slots
from assay.serve.queue import OPEN
from assay.serve.shapes import Job

LOOK = 0.4  # seconds between looks at the job
ALIVE = 15.0  # seconds between signs of life, so that no proxy takes the stream for dead
LONGEST = 3600.0  # seconds; a browser then connects again by itself


async def follow(slots: Slots, caller: str, job: Job, look: Callable[[], Job]) -> AsyncIterator[bytes]:
    """The job as it is, and again whenever it has changed, until it has ended."""
    with slots.one(caller):
        began = said = time.monotonic()
        yield _event(job)
        while job.state in OPEN and time.monotonic() - began < LONGEST:
            await asyncio.sleep(LOOK)
            new = await run_in_threadpool(look)
            if new != job:
                job, said = new, time.monotonic()
                yield _event(job)
            elif time.monotonic() - said > ALIVE:
                said = time.monotonic()
                yield b": still there\n\n"


def _event(job: Job) -> bytes:
    return f"event: job\ndata: {job.model_dump_json()}\n\n".encode()
