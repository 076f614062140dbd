"""What an engine is: it runs picklable functions over blocks, and merges states in one fixed order.

The guarantee: `map` and `fold` give what a loop in this process gives, to the bit, as long as the work depends on its arguments alone
and merging is exact (counts of whole numbers, sets of rows); on any number of workers, and whichever of them were lost on the way.
Work that cannot be finished raises `LostWork`, which names it: nothing is ever left out in silence.

A function sent to workers stands at the top of a module (workers import it), changes none of its arguments (blocks are held once and
seen by many), and draws no random numbers but from a seed among its arguments. An engine knows nothing of data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, runtime_checkable

T = TypeVar("T")
R = TypeVar("R")

WINDOW = 2  # pieces of work under way a worker: one runs while the next waits; more would only fill memory
FAN_IN = 8  # states merged in one step: a tree of few levels, whose inner nodes are work for the workers too


class LostWork(RuntimeError):
    """A piece of work that could not be finished: its workers were lost, or ran out of memory, again and again."""


class NoEngine(RuntimeError):
    """The engine that was asked for is not there, or is not fit for use; the message ends in a remedy."""


class State(Protocol):
    """What is gathered from rows so that any split and any order of merging give the same conclusion."""

    def merge(self, other: Self, /) -> Self: ...


@runtime_checkable
class Wide(State, Protocol):
    """A state of which several are merged more cheaply at once than one after another."""

    def merge_all(self, others: Sequence[Any], /) -> Self: ...


S = TypeVar("S", bound=State)


class Handle(Generic[T]):
    """A value that an engine holds: a block placed for all workers to see, or the result of work, perhaps still under way."""


class Engine(ABC):
    """Runs work. Arguments that are handles reach the work as the values behind them."""

    name: ClassVar[str]
    workers: int  # pieces of work that run at once
    remote: bool  # work runs in other processes: it must be picklable, and cannot report its progress

    @abstractmethod
    def put(self, value: T) -> Handle[T]:
        """Place a value once for all workers to read; it must not be changed afterwards."""

    @abstractmethod
    def submit(self, work: Callable[..., R], *arguments: Any, stay: bool = False) -> Handle[R]:
        """Begin `work(*arguments)`. `stay`: the result is for other work, and is not brought here until it is asked for."""

    @abstractmethod
    def wait(self, handle: Handle[Any]) -> None:
        """Until the work behind the handle has ended, well or not."""

    @abstractmethod
    def result(self, handle: Handle[R]) -> R:
        """The value. Raises what the work raised, or LostWork."""

    @abstractmethod
    def close(self) -> None:
        """Let go of workers and of what they hold."""

    def map(self, work: Callable[..., R], calls: Iterable[Sequence[Any]]) -> Iterator[R]:
        """`work(*call)` of each call, in their order, no more than `WINDOW` a worker begun and not yet taken."""
        begun: deque[Handle[R]] = deque()
        for call in calls:
            if len(begun) >= WINDOW * self.workers:
                yield self.result(begun.popleft())
            begun.append(self.submit(work, *call))
        while begun:
            yield self.result(begun.popleft())

    def hold(self, work: Callable[..., R], calls: Iterable[Sequence[Any]]) -> list[Handle[R]]:
        """The same, the results staying where they were made."""
        held: list[Handle[R]] = []
        for number, call in enumerate(calls):
            if number >= WINDOW * self.workers:
                self.wait(held[number - WINDOW * self.workers])
            held.append(self.submit(work, *call, stay=True))
        return held

    def fold(self, work: Callable[..., S], calls: Iterable[Sequence[Any]]) -> S | None:
        """The states that `work(*call)` makes, merged in the order of the calls, `FAN_IN` neighbours at a time; None of no call."""
        whole = self.folded(work, calls)
        return None if whole is None else self.result(whole)

    def folded(self, work: Callable[..., S], calls: Iterable[Sequence[Any]]) -> Handle[S] | None:
        """The same, left where it was made, for other work."""
        levels: list[list[Handle[S]]] = [[]]
        begun: deque[Handle[S]] = deque()

        def begin(*task: Any) -> Handle[S]:
            if len(begun) >= WINDOW * self.workers:
                self.wait(begun.popleft())
            begun.append(self.submit(*task, stay=True))
            return begun[-1]

        for call in calls:
            levels[0].append(begin(work, *call))
            for depth in range(len(levels)):
                if len(levels[depth]) == FAN_IN:
                    whole = begin(merged, *levels[depth])
                    levels[depth] = []
                    if depth + 1 == len(levels):
                        levels.append([])
                    levels[depth + 1].append(whole)
        rest = [handle for level in reversed(levels) for handle in level]  # the higher a level, the earlier its blocks
        if not rest:
            return None
        return rest[0] if len(rest) == 1 else begin(merged, *rest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def merged(first: S, *others: S) -> S:
    """States merged from left to right, or all at once."""
    if isinstance(first, Wide):
        return first.merge_all(others)
    for other in others:
        first = first.merge(other)
    return first


def spans(count: int, size: int) -> list[tuple[int, int]]:
    """`count` rows cut into blocks of `size`: (start, stop) of each, the last one shorter.

    >>> spans(5, 2), spans(0, 2)
    ([(0, 2), (2, 4), (4, 5)], [])
    """
    return [(start, min(start + size, count)) for start in range(0, count, size)]


_CURRENT: ContextVar[Engine | None] = ContextVar("engine", default=None)


def current() -> Engine:
    """The engine that work is given to here: this process, unless `using` says otherwise.

    It is found rather than passed along, like the number of threads: where work runs never bears on what it gives.
    """
    from assay.engine.local import LOCAL

    return _CURRENT.get() or LOCAL


@contextmanager
def using(engine: Engine) -> Iterator[Engine]:
    """Within the block, `current()` is this engine."""
    token = _CURRENT.set(engine)
    try:
        yield engine
    finally:
        _CURRENT.reset(token)
