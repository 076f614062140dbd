"""assay policy: check, example"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

HELP = """Hold data and models against what an organisation asks of them, in a pipeline.

A policy is a TOML file: allowed sources, required checks, verdicts, votes, ages, models, the watch, the incident plan. What cannot be \
checked is a violation: skipped is never passed.
"""


class Format(StrEnum):
    text = "text"
    json = "json"
    junit = "junit"


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="policy", help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    group.command("check", help="Check everything that a policy asks. Exit 1 with each violation in words.")(check)
    group.command("example", help="Print a policy to begin with.")(example)
    app.add_typer(group, short_help="Does the data meet what we ask of it?")


def check(
    file: Path = typer.Argument(help="The policy."),
    format: Format = typer.Option(Format.text, help="text, json or junit."),
    out: Path | None = typer.Option(None, help="Write it here instead of printing it."),
) -> int:
    """Check, print or write, and return the exit code."""
    import json
    from dataclasses import asdict

    from assay.dataset.atomic import whole
    from assay.govern.policy import read_policy
    from assay.govern.rules import check as held_against
    from assay.report.junit import Case, junit

    rules = held_against(read_policy(file))
    bad = [rule for rule in rules if not rule.held]
    if format is Format.json:
        text = (
            json.dumps(
                {"schema": "assay.policy-check/1", "policy": str(file), "rules": [asdict(r) | {"held": r.held} for r in rules]}, indent=1
            )
            + "\n"
        )
    elif format is Format.junit:
        cases = [Case(f"{r.section}.{r.key}: {r.asks}", "passed" if r.held else "failed", r.problem, r.problem) for r in rules]
        text = junit(f"assay policy {file}", cases)
    else:
        lines = [f"violated  {r.section}.{r.key}: {r.asks}\n          {r.problem}" for r in bad]
        lines += [f"held      {r.section}.{r.key}: {r.asks}" for r in rules if r.held]
        lines.append(f"{len(rules) - len(bad)} of {len(rules)} rules are held." if rules else "The policy asks for nothing.")
        text = "\n".join(lines) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        with whole(out) as (made,):
            made.write_text(text, encoding="utf-8")
        typer.echo(f"{out}: {len(bad)} of {len(rules)} rules are violated.")
    return 1 if bad or not rules else 0


def example() -> None:
    """Print it."""
    from assay.govern.policy import EXAMPLE

    typer.echo(EXAMPLE, nl=False)
