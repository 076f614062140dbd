"""Linear algebra and OpenMP held to one thread."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@contextmanager
def one_each() -> Iterator[None]:
    """Within the block, linear algebra and OpenMP keep to one thread: for whoever runs threads or processes of his own beside each other,
    and so that sums are made in one order."""
    with _controller(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:
    """The libraries in this process: 3 ms to find, so they are looked for again only after an import."""
    return ThreadpoolController()
