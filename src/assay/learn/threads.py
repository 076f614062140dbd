"""Work spread over this machine's cores with the same answer on any number of them.

NumPy lets threads run side by side while it computes. Each piece of work is done by one thread with the linear algebra
library and OpenMP held to that thread, so that floating sums are made in one order however many cores there are, and no loop
waits for a core that others keep busy (boosted trees on one busy core of two: thirteen times slower without).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from assay.engine.base import Handle, State, current, merged
from assay.engine.local import LOCAL
from assay.engine.one_thread import one_each

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound=State)

MOST = 16  # threads: beyond, memory bandwidth is the limit


def workers() -> int:
    """How many threads to use: the cores this process may run on, or fewer where OMP_NUM_THREADS says so."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, MOST, int(wanted) if wanted.isdigit() and int(wanted) > 0 else MOST))


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`work` of every item, in the order of the items.

    >>> in_parallel(lambda x: x * x, [1, 2, 3])
    [1, 4, 9]
    """
    listed = list(items)
    count = min(workers(), len(listed))
    with one_each():
        if count <= 1:
            return [work(item) for item in listed]
        with threads(count) as pool:
            return list(pool.map(work, listed))


def threads(count: int, name: str = "") -> ThreadPoolExecutor:
    """So many threads, each of which holds OpenMP to itself: its limit is each thread's own. Linear algebra's is the process's, for one
    thread to set and to restore, and is left alone here: see `one_each`."""
    return ThreadPoolExecutor(count, name, threadpool_limits, (1, "openmp"))


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, a thread making the next while the last is looked at; where there is one core, none is made before it is asked for.

    >>> list(ahead(x * x for x in [1, 2, 3]))
    [1, 4, 9]
    """
    if workers() < 2:
        yield from items
        return
    source, context = iter(items), copy_context()

    def taken() -> list[T]:
        return list(islice(source, 1))

    with threads(1, "ahead") as pool:
        coming = pool.submit(context.run, taken)
        while item := coming.result():
            coming = pool.submit(context.run, taken)
            yield from item


def spread(work: Callable[..., R], calls: Iterable[Sequence[Any]]) -> list[R]:
    """`work(*call)` of each, in order: by the engine in use, or, where that is this process and nothing is kept, by its threads.

    As with any engine, `work` stands at the top of a module, and arguments may be handles of what was placed.

    >>> spread(pow, [(2, 3), (3, 2)])
    [8, 9]
    """
    engine = current()
    if engine is not LOCAL:
        return list(engine.map(work, calls))
    return in_parallel(lambda call: engine.result(engine.submit(work, *call)), calls)


def gathered(work: Callable[..., S], calls: Iterable[Sequence[Any]]) -> S:
    """The states that `work(*call)` makes, at least one, merged; in the way of `spread`."""
    engine = current()
    if engine is LOCAL:
        return merged(*spread(work, calls))
    whole = engine.fold(work, calls)
    assert whole is not None
    return whole


def kept(work: Callable[..., R], calls: Iterable[Sequence[Any]]) -> list[Handle[R]]:
    """In the way of `spread`, the results staying with those who made them, for further work."""
    engine = current()
    return engine.hold(work, calls) if engine.remote else [engine.put(value) for value in spread(work, calls)]
