"""What stands between the program and the terminal: whatever is printed, by whatever command, no row, file name or label drives it.

Plain output holds no control at all. What Rich draws keeps its colours, where the stream is a terminal, and a progress bar the few
movements that it needs; every other control is shown as an escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TextIO

from assay.dataset.printable import HIDDEN, printable

COLOUR = r"\x1b\[[0-9;]{0,40}m"
BAR = r"\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh]|\r"  # up a line, erase it, cursor off and on, back to the line's beginning
OURS = re.compile(f"({COLOUR}|{BAR})")


class Shielded:
    """A text stream whose writes hold no controls, or none but `ours`. Everything else is the stream's."""

    def __init__(self, stream: TextIO, ours: bool = False) -> None:
        self._stream, self._ours = stream, ours

    @property
    def rich_proxied_file(self) -> Shielded:
        """Where Rich writes to in place of this stream (`rich.console.Console.file`)."""
        return Shielded(self._stream, ours=True)

    def write(self, text: str) -> int:
        self._stream.write(self._safe(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def _safe(self, text: str) -> str:
        if HIDDEN.search(text) is None:
            return text
        if not (self._ours and self._stream.isatty()):
            return printable(text)
        return "".join(part if i % 2 and part != "\x1b[8m" else printable(part) for i, part in enumerate(OURS.split(text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
