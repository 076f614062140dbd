"""This process: work is done at once, one piece after another, and values stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from assay.engine.base import Engine, Handle

T = TypeVar("T")
R = TypeVar("R")


class Here(Handle[T]):
    """A value in this process."""

    def __init__(self, value: T) -> None:
        self.value = value


class Local(Engine):
    """A loop.

    >>> list(Local().map(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """

    name: ClassVar[str] = "local"
    workers = 1
    remote = False

    def put(self, value: T) -> Handle[T]:
        return Here(value)

    def submit(self, work: Callable[..., R], *arguments: Any, stay: bool = False) -> Handle[R]:
        return Here(work(*(a.value if isinstance(a, Here) else a for a in arguments)))

    def wait(self, handle: Handle[Any]) -> None:
        pass

    def result(self, handle: Handle[R]) -> R:
        assert isinstance(handle, Here)
        value: R = handle.value
        return value

    def close(self) -> None:
        pass


LOCAL = Local()
