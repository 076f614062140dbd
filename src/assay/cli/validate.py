"""assay validate: infer, check"""

from __future__ import annotations

import json
from pathlib import Path

import typer

HELP = """Hold new data to what a trusted set leads one to expect.

infer reads trusted rows and writes a file of expectations: types, missing cells, values, ranges, units, texts, pictures. check holds \
new data against that file, in a pipeline before training. compare holds new data against the trusted rows themselves: drift of columns \
and of all together, and rows that stand in both.
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
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.data import Columns
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.validate.expectations import save
    from assay.validate.infer import infer_expectations

    if not 0 < alpha < 1:
        raise DataError(f"--alpha is a chance between 0 and 1; got {alpha}", remedy="leave it at 0.01")
    refuse_existing(out)
    data = read(trusted, columns=Columns(id=id), task="none")
    found = infer_expectations(data, alpha=alpha, strict=strict)
    save(found, out)
    typer.echo(f"{out}: {len(found.columns):,} columns expected, from {len(data):,} trusted rows. Read it, and edit what you know better.")
    typer.echo(f"Then: assay validate check DATA --expectations {out}")


@validate.command("check", short_help="Hold new data against the expectations.")
def check(
    data: Path = typer.Argument(help="The new data."),
    expectations: Path = typer.Option(..., help="The file that infer wrote."),
    report: Path | None = typer.Option(None, help="Write the violations there too, as JSON; nothing is overwritten."),
) -> int:
    """Exit code: 0 as expected; 1 a rule is broken; 2 the request, the file or the data is wrong."""
    from assay.dataset.atomic import refuse_existing, whole
    from assay.dataset.read import read
    from assay.validate.check import check_expectations
    from assay.validate.expectations import load

    if report is not None:
        refuse_existing(report)
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
        with whole(report) as (new,):
            new.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    verdict = "as expected" if found.passed else f"{len(found.violations):,} rules broken"
    typer.echo(f"{data}: {found.rows:,} rows, {found.rules:,} rules asked, {verdict}.")
    return 0 if found.passed else 1


@validate.command("compare", short_help="Drift against trusted rows, and rows that stand in both.")
def compare(
    data: Path = typer.Argument(help="The new data."),
    trusted: Path = typer.Option(..., help="Trusted rows, or a test set."),
    label: str | None = typer.Option(None, help="Label columns, comma-separated."),
    alpha: float = typer.Option(0.01, help="Chance that any column of data drawn like the trusted rows is said to differ."),
    seed: int = typer.Option(0, min=0, help="The same seed gives the same answer."),
) -> int:
    """Exit code: 0 alike, and nothing in both; 1 something differs, or stands in both; 2 the request or the data is wrong."""
    import numpy as np

    from assay.cli.scan import listed
    from assay.dataset.data import Columns
    from assay.dataset.read import read
    from assay.validate.drift import drift
    from assay.validate.leakage import leakage

    new = read(data, columns=Columns(label=listed(label)))
    good = read(trusted, columns=Columns(content=new.columns.content, label=new.columns.label), task=new.task)
    rng = np.random.default_rng(seed)
    found = drift(new, good, rng, alpha=alpha)
    for column in found.columns:
        mark = "differs" if column.differs else "alike"
        typer.echo(f"{mark:8} {column.name}: {column.words} (distance {column.distance:.3f}, p = {column.p:.2g}, {column.test})")
    for reason in found.skipped:
        typer.echo(f"skipped  {reason}")
    if found.joint is not None:
        mark = "differs" if found.joint_differs else "alike"
        typer.echo(f"{mark:8} all together: a classifier tells them apart with AUROC {found.joint.auroc:.3f} (p = {found.joint.p:.2g})")
    copies = leakage(new, good, rng)
    for row, other, how in copies.leaks[:10]:
        typer.echo(f"{data}, row {new.row[row]}: {how} as row {good.row[other]} of {trusted}")
    typer.echo(f"{data}: {copies.words()}.")
    return 1 if found.differs or (copies.leaks and not copies.ordinary) else 0
