"""assay plot"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

HELP = """Write a report's plots as files: SVG, or PNG for what cannot show SVG.

The map of the rows with findings ringed, labels against content, losses and scores by class, rates by contributor and day, columns with \
far-out rows marked: whatever report.html shows, without the data.

Exit code: 0 written; 2 the request or the folder is wrong.
"""


class Form(StrEnum):
    svg = "svg"
    png = "png"


def add(app: typer.Typer) -> None:
    app.command("plot", help=HELP, short_help="Write a report's plots as SVG or PNG files.")(plot)


def plot(
    report: Path = typer.Argument(help="The folder that assay scan wrote."),
    out: Path | None = typer.Option(
        None, help="The folder to write to; nothing is overwritten there.  [default: plots, in the report's folder]", show_default=False
    ),
    form: list[Form] = typer.Option([Form.svg], "--format", help="svg or png; give it twice for both."),
    name: list[str] = typer.Option([], help="Only this plot; may be given again."),
) -> int:
    """Write, and say what."""
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.errors import DataError
    from assay.report.folder import PLOTS, read_json
    from assay.report.plots.registry import check_png, kept_plots, write_plots

    read_json(report)
    forms = [f.value for f in form]
    if "png" in forms:
        check_png()
    drawn = kept_plots(report)
    unknown = [n for n in name if n not in {p.name for p in drawn}]
    if unknown:
        raise DataError(f"no plot {unknown[0]!r}", path=report, remedy=f"choose among {', '.join(p.name for p in drawn)}")
    chosen = [p for p in drawn if not name or p.name in name]
    folder = report / PLOTS if out is None else out
    if folder.exists() and not folder.is_dir():
        raise DataError("is a file, and plots go into a folder", path=folder, remedy="give another --out")
    if out is not None:
        for file in (folder / f"{p.name}.{form}" for p in chosen for form in forms if folder.is_dir()):
            refuse_existing(file)
    write_plots(chosen, folder, forms)
    for p in chosen:
        typer.echo(f"{p.name}: {p.title}")
    typer.echo(f"{len(chosen)} plots as {' and '.join(forms)} in {folder}")
    return 0
