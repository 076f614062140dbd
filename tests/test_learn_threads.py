"""Work made ahead by a thread: the same items, no more than one ahead, and what is raised there is raised here."""

from __future__ import annotations

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
