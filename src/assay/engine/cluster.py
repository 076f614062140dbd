"""A Ray cluster (Moritz et al. 2018): work as Ray tasks, blocks in Ray's object store.

Ray restarts work whose worker or node is lost, and makes lost results again from the work that made them; it spills its store to disk.
Every node needs the same version of this program, which is checked at every piece of work. Processors of different makes may differ in
the last bit of a floating-point sum: the same answer is promised for nodes of one make, and differs by rounding between others.

Ray's ports run any program for whoever reaches them: a cluster belongs on a closed network.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from assay.engine.base import Engine, Handle, LostWork, NoEngine, using
from assay.engine.give_back import keep_freed
from assay.version import __version__

T = TypeVar("T")
R = TypeVar("R")

SLOW_START = "timed out during startup"
TRIES = 3  # times that Ray gives work again whose worker or node is lost
SLOW = 5.0  # times the median of the last pieces of the same work, after which one is given again; blocks are alike to a factor of two
PATIENCE = 60.0  # seconds below which nothing is given twice: a worker that starts takes ten
ENOUGH, REMEMBERED = 8, 200  # pieces of the same work from which the median is told
START = "pip install 'assay[ray]'"


class Remote(Handle[T]):
    """An object of Ray's store; of work that may not be done yet, with all that is needed to give it again."""

    def __init__(self, reference: Any, work: Callable[..., T] | None = None, arguments: tuple[Any, ...] = ()) -> None:
        self.reference, self.work, self.arguments = reference, work, arguments
        self.begun = time.monotonic()
        self.awaited = False  # whether other work was given this very reference


class Cluster(Engine):
    """Ray, at `address` ("auto": the cluster that this machine is part of), or, without one, on this machine with `workers` processes.

    Where this program already speaks to a cluster, that one is used, and left as it is by `close`. NoEngine where Ray is not installed
    or the cluster does not answer.
    """

    name: ClassVar[str] = "ray"
    remote = True

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise NoEngine(f"Ray is not installed. Remedy: {START}") from error
        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
            here = {"address": "local", "num_cpus": workers, "include_dashboard": False}  # and not a cluster that others started here
            options: dict[str, Any] = {"address": address} if address else here
            try:
                ray.init(log_to_driver=False, logging_level="ERROR", configure_logging=False, **options)
            except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
                raise NoEngine(
                    f"no Ray cluster answers at {address or 'this machine'} ({error}). Remedy: start one with `ray start --head`"
                ) from error
            except Exception as error:  # Ray's own, of no class: its processes had 30 seconds to start, on a machine that others keep busy
                if SLOW_START not in str(error):
                    raise
                ray.shutdown()
                raise NoEngine(f"Ray did not start within its 30 seconds. Remedy: try again when less runs here ({error})") from error
        there = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.workers = min(there, workers or there)
        self._task = ray.remote(max_retries=TRIES, num_cpus=1)(_run)
        self._took: dict[Callable[..., Any], deque[float]] = {}  # seconds of each kind of work, of pieces that were waited for

    def put(self, value: T) -> Handle[T]:
        return Remote(self._ray.put(value))

    def submit(self, work: Callable[..., R], *arguments: Any, stay: bool = False) -> Handle[R]:
        return Remote(self._give(work, arguments), work, arguments)

    def _give(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        for argument in arguments:
            if isinstance(argument, Remote):
                argument.awaited = True
        return self._task.remote(__version__, work, *(a.reference if isinstance(a, Remote) else a for a in arguments))

    def wait(self, handle: Handle[Any]) -> None:
        """Work that takes `SLOW` times as long as its like is given a second time, and what comes first counts: nodes are not all alike."""
        assert isinstance(handle, Remote)
        if handle.work is None:
            return
        took = self._took.setdefault(handle.work, deque(maxlen=REMEMBERED))
        usual = sorted(took)[len(took) // 2] if len(took) >= ENOUGH else float("inf")
        patience = max(PATIENCE, SLOW * usual) - (time.monotonic() - handle.begun)
        timeout = None if patience == float("inf") else max(0.0, patience)
        done, _ = self._ray.wait([handle.reference], timeout=timeout, fetch_local=False)
        if not done:
            self._twice(handle)
        took.append(time.monotonic() - handle.begun)
        handle.work, handle.arguments = None, ()  # no longer needed: what they hold may go

    def _twice(self, handle: Remote[Any]) -> None:
        """Begin the work again, once what it needs is there, and take whichever is done first.

        The other is called off, unless it is the first and other work was given its reference: that would fail with it.
        """
        for argument in handle.arguments:
            if isinstance(argument, Remote):
                self.wait(argument)
        assert handle.work is not None
        both = [handle.reference, self._give(handle.work, handle.arguments)]
        done, late = self._ray.wait(both, fetch_local=False)
        handle.reference = done[0]
        for reference in late:
            if reference == both[1] or not handle.awaited:
                self._ray.cancel(reference)

    def result(self, handle: Handle[R]) -> R:
        assert isinstance(handle, Remote)
        self.wait(handle)
        errors = self._ray.exceptions
        try:
            value: R = self._ray.get(handle.reference)
        except errors.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, Exception) and not isinstance(cause, errors.RayError):
                raise cause from error  # what the work itself raised
            raise LostWork(f"a worker could not begin its work: {cause or error}") from error
        except errors.RayError as error:
            raise LostWork(f"the cluster gave work up after {TRIES} further tries: {type(error).__name__}: {error}") from error
        return value

    def close(self) -> None:
        if self._ours and self._ray.is_initialized():
            self._ray.shutdown()


def _run(version: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """In the worker. What it begins in its turn are Ray tasks of the same cluster; its processor is free while it waits for them."""
    if version != __version__:
        raise NoEngine(f"a node runs version {__version__} of this program, not {version}. Remedy: install the same version on every node")
    from assay.engine.cores import alone

    with using(_within()):
        return alone(work, *arguments)


@lru_cache(maxsize=1)
def _within() -> Cluster:
    """The cluster that this worker belongs to, asked about itself once: each piece of work would else wait for an answer of its head."""
    keep_freed()
    return Cluster()
