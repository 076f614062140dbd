"""A progress bar with time left, for work of more than two seconds; nothing where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from assay.trial.family import Progress, silent

PATIENCE = 2.0  # seconds before a bar appears: shorter work needs none


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A `Progress` drawn on stderr while the block runs, gone afterwards."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield silent
        return
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=1.0)
    began = time.monotonic()
    started = False

    def report(done: float, total: float, what: str) -> None:
        nonlocal started
        if not started and time.monotonic() - began > PATIENCE:
            bar.start()
            started = True
        said = what if total else f"{what}, {done:,.0f} rows"
        bar.update(task, completed=done / total if total else 0.0, description=said)

    try:
        yield report
    finally:
        if started:
            bar.stop()
