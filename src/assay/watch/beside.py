"""Two pieces of work beside each other, on two cores: numpy, pyarrow and the disk let others run while they work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MANY = 500  # events from which on a second thread saves more than it costs to start (a tenth of a millisecond)


def beside(first: Callable[[], None], second: Callable[[], None], worth: bool = True) -> None:
    """Run both, and wait for both; one after the other where it is not `worth` a thread. What either raises is raised here.

    >>> said: list[str] = []
    >>> beside(lambda: said.append("a"), lambda: said.append("b"))
    >>> sorted(said)
    ['a', 'b']
    """
    if not worth:
        first()
        second()
        return
    with ThreadPoolExecutor(1, "assay-watch") as pool:
        other = pool.submit(second)
        first()
    other.result()
