"""assay scan"""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path

import typer

HELP = """Find poison in a data set and write a report.

PATH is an image folder or zip archive (class/file.png), images beside a labels.csv, a CSV, Parquet, JSONL or Arrow file or a folder \
of them, a saved Hugging Face data set, WebDataset shards, IDX, or an .npz with x and y. Nothing is ever changed in it.

Exit code: 0 nothing found; 1 a finding reaches --fail-on; 2 the request or the data is wrong; 3 a planned check did \
not complete.
"""


class Depth(StrEnum):
    fast = "fast"
    full = "full"


class Engine(StrEnum):
    local = "local"
    ray = "ray"


class FailOn(StrEnum):
    confirmed = "confirmed"
    suspected = "suspected"
    never = "never"


class Task(StrEnum):
    classification = "classification"
    multilabel = "multilabel"
    regression = "regression"
    pairs = "pairs"
    generation = "generation"
    none = "none"


def add(app: typer.Typer) -> None:
    app.command("scan", help=HELP, short_help="Find poison in a data set and write a report.")(scan)


def scan(
    path: str = typer.Argument(help="The data: a file, a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME.", metavar="PATH"),
    content: str | None = typer.Option(None, help="Columns that a model sees, comma-separated.", rich_help_panel="Columns"),
    label: str | None = typer.Option(None, help="Label columns, comma-separated.", rich_help_panel="Columns"),
    id: str | None = typer.Option(None, help="Column that names a row.", rich_help_panel="Columns"),
    contributor: str | None = typer.Option(None, help="Column that says who added a row.", rich_help_panel="Columns"),
    source: str | None = typer.Option(None, help="Column that says where a row is from.", rich_help_panel="Columns"),
    time: str | None = typer.Option(None, help="Column that says when a row was added.", rich_help_panel="Columns"),
    response: str | None = typer.Option(None, help="Columns that a model learns to write, comma-separated.", rich_help_panel="Columns"),
    task: Task | None = typer.Option(None, help="What is learnt from it; inferred if not given.", rich_help_panel="Columns"),
    trusted: Path | None = typer.Option(None, help="Rows known to be good: what is as usual among them is natural."),
    since: Path | None = typer.Option(None, help="An earlier report on this data, to which rows were only added: say what came with them."),
    ledger: Path | None = typer.Option(None, help="A ledger that knows who brought each row."),
    signatures: str | None = typer.Option(None, help="Known triggers and releases to match: a signed file, or builtin."),
    embeddings: Path | None = typer.Option(None, help="Numbers a model of yours made of each picture (.npy, .npz): used at depth full."),
    alpha: float = typer.Option(0.01, help="False discovery rate over all artefacts, for their stated nulls."),
    depth: Depth = typer.Option(Depth.fast, help="fast, or full: every check, and a missing one is exit 3."),
    seed: int = typer.Option(0, min=0, help="The same data, settings and seed give the same report."),
    engine: Engine = typer.Option(Engine.local, help="Where work runs: this machine, or a Ray cluster. Findings are the same."),
    address: str | None = typer.Option(None, help="Of a Ray cluster, such as auto. Without it one is started here."),
    workers: int | None = typer.Option(None, help="Processes to use. Default: this one, or all that the cluster has."),
    no_samples: bool = typer.Option(False, "--no-samples", help="Keep content, triggers too, out of every output."),
    no_canaries: bool = typer.Option(False, "--no-canaries", help="Do not measure what this scan would have caught: about half the time."),
    keep_states: bool = typer.Option(False, "--keep-states", help="Keep what was read of texts for a later --since; it holds their words."),
    out: Path | None = typer.Option(None, help="Folder of the report. Default: NAME.assay here."),
    format: str = typer.Option("json,html,sarif", help="What to write beside rows.parquet; junit may be added."),
    server: str | None = typer.Option(None, help="Send the data to this service and scan there; its token in ASSAY_TOKEN."),
    project: str = typer.Option("scans", help="With --server: the project it belongs to, made where there is none."),
    fail_on: FailOn = typer.Option(FailOn.suspected, help="The weakest finding that makes the exit code 1."),
) -> int:
    """Scan, write the report, print it, and return the exit code."""
    from assay import api
    from assay.cli.progress import progress_bar
    from assay.dataset.errors import DataError
    from assay.dataset.remote import is_remote
    from assay.report import folder
    from assay.report.report import FORMATS, MORE
    from assay.report.steps import next_steps
    from assay.report.terminal import show

    formats = listed(format)
    unknown = [f for f in formats if f not in (*FORMATS, *MORE)]
    if unknown:
        raise DataError(f"--format: no format {unknown[0]!r}", remedy=f"choose among {', '.join((*FORMATS, *MORE))}")
    if "png" in formats:
        from assay.report.plots.registry import check_png

        check_png()
    where = path if is_remote(path) else Path(path)
    if isinstance(where, Path) and not where.exists():
        raise DataError("there is no such file or folder", path=path, remedy="check the path")
    out = out or folder.default_folder(where, Path())
    folder.check_writable(out, where if isinstance(where, Path) else None)
    if server is not None:
        from assay.cli.scan_remote import Asked, scan_remote

        if trusted or since or ledger or embeddings or no_samples or engine is not Engine.local:
            given = "--trusted, --since, --ledger, --embeddings, --no-samples and --engine"
            raise DataError(f"{given} are for this machine", remedy="leave them out")
        columns = Asked(listed(content), listed(label), id, contributor, source, time, None if task is None else task.value)
        settings = {"alpha": alpha, "depth": depth.value, "seed": seed, "canaries": not no_canaries}
        if not isinstance(where, Path):
            raise DataError("a service is sent files, not the address of a bucket", remedy="fetch the data first")
        return scan_remote(server, project, where, out, columns, settings, formats).exit_code(fail_on.value)
    with progress_bar() as progress:
        report = api.scan(
            where,
            content=listed(content),
            label=listed(label),
            id=id,
            contributor=contributor,
            source_column=source,
            time=time,
            response=listed(response),
            task=None if task is None else task.value,
            trusted=trusted,
            since=since,
            ledger=ledger,
            signatures=signatures,
            embeddings=embeddings,
            alpha=alpha,
            depth=depth.value,
            seed=seed,
            engine=engine.value,
            address=address,
            workers=workers,
            samples=not no_samples,
            canaries=not no_canaries,
            resume=folder.unfinished(out),
            keep_states=folder.gathered(out) if keep_states else None,
            progress=progress,
        )
        report.write(out, formats, folder.gathered(out) if keep_states else None)
        shutil.rmtree(folder.gathered(out), ignore_errors=True)
    assert report.data is not None
    html = out / "report.html"
    place = str(html if html.exists() else out)
    show(report.data, report.conclusion, next_steps(report.data, report.conclusion, out), place)
    return report.exit_code(fail_on.value)


def listed(text: str | None) -> tuple[str, ...]:
    """
    >>> listed("subject, body"), listed(None)
    (('subject', 'body'), ())
    """
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()
