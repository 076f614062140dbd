"""assay corpus"""

from __future__ import annotations

import json
from pathlib import Path

import typer

from assay.cli.scan import Engine

HELP = """Look for triggers in a corpus that is larger than memory.

PATH is plain text (.txt, a document a line), JSON lines, Parquet, CSV or Arrow, packed with gzip or Zstandard or not, or a folder of such \
files. It is streamed three times and never held. Without labels a finding is suspected at most.

Exit code: 0 nothing found; 1 a suspected phrase; 2 the request or the data is wrong; 3 nothing \
found, and a file could not be read.
"""


def add(app: typer.Typer) -> None:
    app.command("corpus", help=HELP, short_help="Look for triggers in a corpus larger than memory.")(corpus)


def corpus(
    path: Path = typer.Argument(help="The corpus: a file, or a folder of files."),
    content: str | None = typer.Option(None, help="Text columns, comma-separated. Default: those that hold running text."),
    alpha: float = typer.Option(0.01, min=1e-9, max=0.1, help="As for assay scan; suspected stands at ten times it."),
    out: Path | None = typer.Option(None, help="Write the findings as JSON here."),
    keep: Path | None = typer.Option(
        None, help="Keep what was counted in this folder, and go on from there after an interruption; emptied when the scan is finished."
    ),
    engine: Engine = typer.Option(Engine.local, help="Where work runs: this machine, or a Ray cluster. Findings are the same."),
    address: str | None = typer.Option(None, help="Of a Ray cluster, such as auto. Without it one is started here."),
    workers: int | None = typer.Option(None, help="Processes to use. Default: this one, or all that the cluster has."),
    no_samples: bool = typer.Option(False, "--no-samples", help="Spell no phrase in the file."),
) -> int:
    """Scan, print what was found, and return the exit code."""
    from assay.api import at_work
    from assay.cli.progress import progress_bar
    from assay.cli.scan import listed
    from assay.dataset.atomic import refuse_existing
    from assay.trial.corpus_files import scan_corpus

    if out is not None:
        refuse_existing(out)
    with progress_bar() as progress, at_work(engine.value, address, workers):
        found = scan_corpus(path, listed(content), alpha, progress, keep)
    if out is not None:
        out.write_text(json.dumps(found.to_json(not no_samples), ensure_ascii=False, indent=1) + "\n", "utf-8")
    typer.echo(
        f"{found.documents:,} documents, {found.enumerated:,} phrases tried, {found.documents / max(found.seconds, 1e-9):,.0f} documents/s"
    )
    for note in found.notes:
        typer.echo(note)
    for tried in found.found:
        what = "a phrase" if no_samples else tried.candidate.artefact.describe()
        typer.echo(f"suspected: {what}, {tried.words}")
    if not found.found:
        typer.echo("nothing found; what this cannot see: docs/corpora.md")
    return 1 if found.found else 3 if found.lost else 0
