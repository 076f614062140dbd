"""assay validate: infer, check"""

from __future__ import annotations

import json
from pathlib import Path

import typer

HELP = """Hold new data to what a trusted set leads one to expect.

infer reads trusted rows and writes a file of expectations: types, missing cells, values, ranges, units, texts, pictures. check holds \
new data against that file, in a pipeline before training.
"""

validate = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


def add(app: typer.Typer) -> None:
    app.add_typer(validate, name="validate", short_help="Hold new data to what a trusted set leads one to expect.")


@validate.command("infer", short_help="Write expectations from trusted rows.")
def infer(
    trusted: Path = typer.Argument(help="Rows known to be good."),
    out: Path = typer.Option(..., help="The file of expectations (JSON); nothing is overwritten."),
    id: str | None = typer.Option(None, help="Column that names a row: its values must differ."),
    alpha: float = typer.Option(0.01, help="Chance that data drawn like the trusted rows break any inferred rule."),
    strict: bool = typer.Option(False, "--strict", help="What the trusted rows never do is never allowed, chance or not."),
) -> None:
    """Infer, and write the file."""
    from assay.dataset.data import Columns
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.validate.expectations import save
    from assay.validate.infer import infer_expectations

    if not 0 < alpha < 1:
        raise DataError(f"--alpha is a chance between 0 and 1; got {alpha}", remedy="leave it at 0.01")
    data = read(trusted, columns=Columns(id=id), task="none")
    found = infer_expectations(data, alpha=alpha, strict=strict)
    save(found, out)
    typer.echo(f"{out}: {len(found.columns):,} columns expected, from {len(data):,} trusted rows. Read it, and edit what you know better.")
    typer.echo(f"Then: assay validate check DATA --expectations {out}")


@validate.command("check", short_help="Hold new data against the expectations.")
def check(
    data: Path = typer.Argument(help="The new data."),
    expectations: Path = typer.Option(..., help="The file that infer wrote."),
    report: Path | None = typer.Option(None, help="Write the violations there too, as JSON."),
) -> int:
    """Exit code: 0 as expected; 1 a rule is broken; 2 the request, the file or the data is wrong."""
    from assay.dataset.read import read
    from assay.validate.check import check_expectations
    from assay.validate.expectations import load

    rules = load(expectations)
    found = check_expectations(read(data, task="none"), rules)
    for violation in found.violations:
        typer.echo(str(violation))
    if report is not None:
        body = {
            "schema": "assay.violations/1",
            "path": found.path,
            "expectations": str(expectations),
            "rows": found.rows,
            "rules": found.rules,
            "violations": [v.to_json() for v in found.violations],
        }
        report.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    verdict = "as expected" if found.passed else f"{len(found.violations):,} rules broken"
    typer.echo(f"{data}: {found.rows:,} rows, {found.rules:,} rules asked, {verdict}.")
    return 0 if found.passed else 1
