"""The report for a terminal: the verdict first, then why, then what was not looked at, then what to type next."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from assay.dataset.data import Dataset
from assay.dataset.printable import printable
from assay.finding import Availability, Conclusion, Finding
from assay.report import words
from assay.report.plain import Plain
from assay.report.rows import by_strength
from assay.report.withheld import description

COLOURS = {"poisoned": "red", "suspect": "yellow", "incomplete": "yellow", "clean": "green"}
STATUS = {"confirmed": "bold red", "suspected": "yellow", "shortcut": "cyan"}

MOST_FINDINGS = 12  # more do not fit on a screen; the HTML has all
MOST_SHORTCUTS = 5
MOST_HARMFUL = 3


def render(data: Dataset, conclusion: Conclusion, place: str | None = None) -> Group:
    """Everything that is known, the verdict first. `place` is where the full report lies."""
    parts: list[RenderableType] = [_verdict(data, conclusion)]
    if any(f.status != "shortcut" for f in conclusion.findings):
        parts += [_findings(conclusion)]
    parts += [_sensitivity(conclusion)]
    if any(s.flag.any() for s in conclusion.screens):
        parts += [_screens(conclusion)]
    if conclusion.availability is not None:
        parts += [_availability(conclusion.availability)]
    if words.not_run(conclusion.checks):
        parts += [_not_run(conclusion)]
    if conclusion.blind_spots:
        parts += [_list("What this scan cannot see", conclusion.blind_spots)]
    if any(f.status == "shortcut" for f in conclusion.findings):
        parts += [_shortcuts(conclusion)]
    if data.notes:
        parts += [_list("Taken for granted", data.notes)]
    if place is not None:
        parts += [Text.assemble(("Report  ", "bold"), place)]
    return Group(*(x for p in parts for x in (p, Text())))


def show(
    data: Dataset, conclusion: Conclusion, steps: tuple[str, ...] = (), place: str | None = None, console: Console | None = None
) -> None:
    """Print it, then the commands to type next: each on one line however narrow the terminal, so that it can be copied."""
    console = console or Console()
    console.print(Plain(render(data, conclusion, place)))
    if steps:
        console.print(Text("Next", "bold"))
    for step in steps:
        console.print(Text(f"  {printable(step)}"), soft_wrap=True)


def _verdict(data: Dataset, conclusion: Conclusion) -> Panel:
    head = words.headline(conclusion)
    name, _, rest = head.partition(":")
    colour = COLOURS[conclusion.verdict]
    body = Text.assemble((name, f"bold {colour}"), f":{rest}\n", words.VERDICTS[conclusion.verdict])
    looked = f"{words.count(data.records, 'row')} of {data.modality}, {data.path}"
    if data.unreadable:
        looked += f"; {words.count(len(data.unreadable), 'record')} could not be read"
    return Panel(Text.assemble(body, "\n", (looked, "dim")), border_style=colour, box=box.HEAVY)


def _findings(conclusion: Conclusion) -> Group:
    samples = bool(conclusion.settings.get("samples", True))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    found = [f for f in by_strength(conclusion.findings) if f.status != "shortcut"]
    shown = found[:MOST_FINDINGS]
    table.add_column("")
    table.add_column("What the rows share", overflow="fold", ratio=3)
    table.add_column("Drawn to", overflow="fold")
    table.add_column("Rows", justify="right")
    table.add_column("Evidence", justify="right", no_wrap=True)
    table.add_column("Attack success", overflow="fold", ratio=2)
    by_whom = any(f.contributors for f in shown)
    if by_whom:
        table.add_column("Contributor", overflow="fold", ratio=2)
    for finding in shown:
        cells: list[RenderableType] = [
            Text(finding.status, STATUS[finding.status]),
            Text(description(finding, samples)),
            Text(_target(finding)),
            f"{len(finding.positions):,}",
            words.odds(finding.log_e),
            Text(words.effect_line(finding)),
        ]
        table.add_row(*cells, *([Text(words.contributor_line(finding))] if by_whom else []))
    more = len(found) - len(shown)
    tail = [Text(f"and {more:,} more in the report", "dim")] if more > 0 else []
    return Group(table, *tail)


def _target(finding: Finding) -> str:
    return "-" if finding.target is None else finding.target


def _sensitivity(conclusion: Conclusion) -> RenderableType:
    if not conclusion.sensitivity:
        return Text.assemble(("Would have caught  ", "bold"), "unknown: nothing was planted to measure it. Do not read this as clean.")
    lines = [f"\n  {words.sensitivity_line(s)}" for s in conclusion.sensitivity]
    return Text.assemble(("Would have caught", "bold"), (" (planted in a copy, 95 % interval)", "dim"), *lines)


def _shortcuts(conclusion: Conclusion) -> Text:
    samples = bool(conclusion.settings.get("samples", True))
    found = [f for f in by_strength(conclusion.findings) if f.status == "shortcut"]
    lines = [
        f"\n  {description(f, samples)}, {words.count(len(f.positions), 'row')}"
        + (f", goes with {f.target}" if f.target is not None else "")
        for f in found[:MOST_SHORTCUTS]
    ]
    more = [f"\n  and {len(found) - MOST_SHORTCUTS:,} more in the report"] if len(found) > MOST_SHORTCUTS else []
    return Text.assemble(("Shortcuts", "bold"), (" (natural, or too faint to suspect; never removed)", "dim"), *lines, *more)


def _screens(conclusion: Conclusion) -> Text:
    lines = [f"\n  {s.name}: {words.count(int(s.flag.sum()), 'row')}: {s.reason}" for s in conclusion.screens if s.flag.any()]
    return Text.assemble(("Worth a look", "bold"), (" (ordinary data trouble, no verdict)", "dim"), *lines)


def _availability(cost: Availability) -> Text:
    lines = [words.corruption_line(cost), words.cost_line(cost)]
    harmful = words.harmful(cost)[:MOST_HARMFUL]
    lines += [f"{d.column} {d.name} ({words.count(d.rows, 'row')}): the rest is better off without" for d in harmful]
    said = [f"\n  {line}" for line in lines if line is not None]
    return Text.assemble(("Corruption", "bold"), (" (an estimate from all labels, no verdict)", "dim"), *said)


def _not_run(conclusion: Conclusion) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, title="Did not run", title_justify="left", title_style="bold")
    for column in ("check", "state", "reason"):
        table.add_column(column, overflow="fold")
    for check in words.not_run(conclusion.checks):
        style = "red" if check.state == "failed" else "dim"
        table.add_row(Text(f"  {check.name}"), Text(words.STATES[check.state], style), Text(check.reason))
    return table


def _list(title: str, items: tuple[str, ...]) -> Text:
    return Text.assemble((title, "bold"), *(f"\n  - {item}" for item in items))
