"""Work made ahead by a thread: the same items, no more than one ahead, and what is raised there is raised here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from assay.learn import threads
from assay.learn.threads import ahead

HERE: ContextVar[str] = ContextVar("HERE", default="nowhere")


@pytest.mark.parametrize("cores", [1, 2])
def test_items_come_in_order_and_at_most_one_is_made_that_was_not_asked_for(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "workers", lambda: cores)
    made: list[int] = []

    def source() -> Iterator[int]:
        for i in range(5):
            made.append(i)
            yield i

    assert list(ahead(source())) == [0, 1, 2, 3, 4]
    made.clear()
    for i in ahead(source()):
        assert len(made) <= i + cores
        if i == 2:
            break
    assert made in ([0, 1, 2], [0, 1, 2, 3][: 2 + cores])


@pytest.mark.parametrize("cores", [1, 2])
def test_what_is_raised_in_the_making_is_raised_where_it_is_asked_for(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "workers", lambda: cores)

    def source() -> Iterator[str]:
        yield HERE.get()
        raise LookupError("no more")

    token = HERE.set("with the one who asks")
    try:
        items = ahead(source())
        assert next(items) == "with the one who asks"
        with pytest.raises(LookupError, match="no more"):
            next(items)
    finally:
        HERE.reset(token)


LEFT = """
from threadpoolctl import ThreadpoolController
import numpy
from assay.engine.one_thread import one_each
from assay.learn import threads
threads.workers = lambda: 2
libraries = ThreadpoolController().select(user_api="blas")
before = libraries.info()
for _ in threads.ahead(range(3)):
    assert libraries.info() == before
    with one_each():
        assert all(library["num_threads"] == 1 for library in libraries.info())
assert libraries.info() == before
"""


def test_linear_algebra_is_left_as_it_was() -> None:
    """Its limit is the process's own, and one thread's to set: not that of the thread that works ahead, in a notebook for good."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run([sys.executable, "-c", LEFT], check=True, env={**environment, "OPENBLAS_NUM_THREADS": "2"})
