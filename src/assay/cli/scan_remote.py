"""assay scan --server: the same scan, done by a service."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from assay.dataset.data import Task

if TYPE_CHECKING:
    from assay.report.report import Report
    from assay.serve.shapes import Job


class Asked(NamedTuple):
    """The columns as they were named."""

    content: Sequence[str]
    label: Sequence[str]
    id: str | None
    contributor: str | None
    source: str | None
    time: str | None
    task: Task | None


def scan_remote(
    server: str, project: str, path: Path, out: Path, asked: Asked, settings: Mapping[str, Any], formats: Sequence[str]
) -> Report:
    """Send the data, follow the scan, bring its report to `out`, and print what it says."""
    from assay.cli.progress import progress_bar
    from assay.cli.serve import needed

    needed()
    from assay.report import words
    from assay.report.report import Report
    from assay.serve.client import Client
    from assay.serve.shapes import ColumnNames

    columns = ColumnNames(
        content=list(asked.content),
        label=list(asked.label),
        id=asked.id,
        contributor=asked.contributor,
        source=asked.source,
        time=asked.time,
        task=asked.task,
    )
    with Client(server) as client, progress_bar() as progress:
        held = client.project(project)
        progress(0.0, 1.0, "sending")
        data = client.upload(held.id, path, columns)

        def follow(job: Job) -> None:
            progress(job.progress, 1.0, job.what or job.state)

        scan = client.finish(client.scan(held.id, data.id, **settings), follow)
        parts = ["json", "rows", *(f for f in formats if f != "json")]
        with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.part-") as scratch:
            new = client.report(scan.id, Path(scratch) / out.name, parts)
            if out.exists():
                shutil.rmtree(out)
            new.rename(out)
    report = Report.open(out)
    typer.echo(words.headline(report.conclusion))
    for finding in report.findings:
        typer.echo(f"  {finding.id} {finding.status}: {finding.explanation}")
    typer.echo(f"{out}; scan {scan.id} of {server}")
    return report
