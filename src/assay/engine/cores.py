"""The cores of this machine: one process each, started afresh, reading shared blocks from mapped files.

A process that dies (killed, out of memory) takes the pool with it; the pool is made again and what was under way is done again, up to
`TRIES` times. Memory is bounded by the window of `assay.engine.base`. Placed blocks, results that stay and whatever else is large lie on
disk: the pipes between processes copy what passes through them several times, and hold up whoever reads it. If this process is killed,
its workers end too, and the next one removes its files.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from assay.engine.base import Engine, Handle, LostWork
from assay.engine.give_back import keep_freed
from assay.engine.leftovers import claimed, let_go
from assay.engine.one_thread import one_each
from assay.engine.shelf import scratch
from assay.engine.spill import Spilled, spill

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3  # of one piece of work: what kills its worker three times will kill the fourth
LARGE = 1 << 18  # bytes of arrays from which arguments and results go by a file: less costs more to put there than to send


class Task(Handle[T]):
    """Work given to the pool, with all that is needed to give it again."""

    def __init__(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> None:
        self.work, self.arguments, self.tries = work, arguments, 1
        self.future: Future[Any] = Future()
        self.pool = 0  # the number of the pool that it was last given to
        self.given: Spilled | None = None  # the arguments, as they travel
        self.held: Spilled | None = None  # the result, as it came


class Placed(Handle[T]):
    """A block placed for all workers."""

    def __init__(self, held: Spilled) -> None:
        self.held = held
        weakref.finalize(self, held.drop)


class Cores(Engine):
    """`workers` processes of this machine. Scratch files lie in `folder`, or where temporary files do."""

    name: ClassVar[str] = "cores"
    remote = True

    def __init__(self, workers: int, folder: Path | None = None) -> None:
        self.workers = workers
        self.folder, self._lock = claimed(folder or scratch())
        self._number = 0
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        self._number += 1
        spawn = multiprocessing.get_context("spawn")  # fork would copy threads' locks, and is not to be had everywhere
        return ProcessPoolExecutor(self.workers, spawn, _prepare)

    def put(self, value: T) -> Handle[T]:
        return Placed(spill(value, self.folder))

    def submit(self, work: Callable[..., R], *arguments: Any, stay: bool = False) -> Handle[R]:
        task = Task(work, arguments)
        self._give(task)
        return task

    def _give(self, task: Task[Any]) -> None:
        if task.given is None:
            task.given = spill(tuple(self._ready(a) for a in task.arguments), self.folder, LARGE)
            weakref.finalize(task, task.given.drop)
        task.pool = self._number
        try:
            task.future = self._pool.submit(_run, task.work, task.given, self.folder)
        except BrokenProcessPool:
            self._again(task)

    def _ready(self, argument: Any) -> Any:
        """An argument as it travels: what lies in a file as its place there."""
        if isinstance(argument, Placed):
            return argument.held
        return self._finished(argument) if isinstance(argument, Task) else argument

    def _finished(self, task: Task[Any]) -> Spilled:
        while task.held is None:
            try:
                task.held = task.future.result()
            except BrokenProcessPool:
                self._again(task)
                continue
            weakref.finalize(task, task.held.drop)
            if task.given is not None:
                task.given.drop()
            task.given, task.arguments = None, ()  # no longer needed: what they hold may go
        return task.held

    def _again(self, task: Task[Any]) -> None:
        """Give work again whose pool broke, to a new pool if nobody made one yet."""
        if task.tries == TRIES:
            raise LostWork(f"{task.work.__name__} ended its process {TRIES} times (out of memory, perhaps)")
        if task.pool == self._number:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._start()
        task.tries += 1
        self._give(task)

    def wait(self, handle: Handle[Any]) -> None:
        if isinstance(handle, Task):
            error = handle.future.exception()
            if isinstance(error, BrokenProcessPool):
                self._again(handle)
                self.wait(handle)

    def result(self, handle: Handle[R]) -> R:
        if isinstance(handle, Placed):
            return handle.held.load()
        assert isinstance(handle, Task)
        value: R = self._finished(handle).load()
        return value

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        let_go(self.folder, self._lock)


def _prepare() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # a process a core: threads of one would only take cores from another
    keep_freed()
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent: BaseProcess | None) -> None:
    """End this process when its parent has: the queue that it waits at would stay open, as its fellows hold it too."""
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(work: Callable[..., Any], given: Spilled, folder: Path) -> Spilled:
    """In the worker: the arguments made ready, the work done, and its result put away."""
    value = alone(work, *(a.load() if isinstance(a, Spilled) else a for a in given.load()))
    return spill(value, folder, LARGE)


def alone(work: Callable[..., R], *arguments: Any) -> R:
    """`work(*arguments)` with the linear algebra libraries held to one thread, so that sums are made in one order."""
    with one_each():
        return work(*arguments)
