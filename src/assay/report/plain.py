"""A Rich renderable whose text drives no terminal: what comes from data is shown, its controls as a mark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from assay.dataset.printable import HIDDEN

MARK = "�"  # one cell wide, so that tables keep their lines; the HTML page and the JSON say which character it was


@dataclass(frozen=True)
class Plain:
    """`inner`, with every hidden or controlling character of its text as MARK. Its own styles stay."""

    inner: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.inner, options):
            yield segment if segment.control else Segment(HIDDEN.sub(MARK, segment.text), segment.style)
