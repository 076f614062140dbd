"""report.html: one page that needs no network, no script and no other file.

Everything that comes from the data is escaped by the template, and a content security policy forbids whatever might slip through
to load or to run. Pictures are spent from a budget, so that the page stays under 5 MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from assay.dataset.data import Dataset
from assay.dataset.printable import printable
from assay.finding import Conclusion, Finding, RowScore, TrialResult
from assay.report import charts, words
from assay.report.exhibits import Carrier, Exhibit, exhibit, label_of, specimens
from assay.report.json import jsonable
from assay.report.pictures import Budget
from assay.report.plots.registry import plots
from assay.report.plots.svg import STYLE, Plot
from assay.report.rows import by_strength
from assay.report.withheld import SHOWN_KINDS, description, without_content
from assay.version import __version__

LARGEST = 5_000_000  # bytes of the page
PICTURES = 3_200_000  # of it for pictures, as data URIs
MOST_FINDINGS = 40  # cards; the rest is a line each, and complete in report.json
MOST_ROWS = 50  # rows listed in a card
MOST_REVIEW = 12  # rows shown for review
TOP_SCREEN = 10  # row numbers named for a screen
MOST_CLASSES = 40
MOST_UNREADABLE = 100
MOST_LINES = 500  # findings without a card


@dataclass(frozen=True)
class Card:
    """One finding, ready to be shown."""

    finding: Finding
    what: str
    exhibit: Exhibit | None
    trials: list[dict[str, str]]
    effect: dict[str, Any] | None
    rows: list[dict[str, Any]]


def html(data: Dataset, conclusion: Conclusion, steps: tuple[str, ...] = (), drawn: Sequence[Plot] | None = None) -> str:
    """The page, under 5 MB. Where `settings["samples"]` is false it holds no content. `drawn`: its plots, where they were made before."""
    drawn = plots(data, conclusion) if drawn is None else drawn
    page = printable(_render(data, conclusion, steps, PICTURES, drawn))  # drawings hold labels too
    if len(page.encode()) > LARGEST:
        page = printable(_render(data, conclusion, steps, 0, ()))
    return page


def summary(conclusion: Conclusion, findings: tuple[Finding, ...]) -> str:
    """A few lines for a notebook."""
    samples = bool(conclusion.settings.get("samples", True))
    listed = [
        {
            "status": f.status,
            "what": description(f, samples),
            "target": f.target,
            "rows": f"{len(f.positions):,}",
            "odds": words.odds(f.log_e),
            "effect": words.effect_line(f),
        }
        for f in findings
    ]
    more = len(conclusion.findings) - len(findings)
    return printable(templates().get_template("summary.html.j2").render(conclusion=conclusion, words=words, findings=listed, more=more))


def _render(data: Dataset, conclusion: Conclusion, steps: tuple[str, ...], size: int, drawn: Sequence[Plot]) -> str:
    samples = bool(conclusion.settings.get("samples", True))
    if not samples:
        conclusion = without_content(conclusion)
    budget = Budget(size)
    ordered = by_strength(conclusion.findings)
    cards = [_card(f, data, conclusion, samples, budget) for f in ordered[:MOST_FINDINGS]]
    review = _review(data, conclusion, samples, budget)
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            data=data,
            conclusion=conclusion,
            words=words,
            headline=words.headline(conclusion).partition(":")[2].strip(),
            steps=steps,
            samples=samples,
            cards=[c for c in cards if c.finding.status != "shortcut"],
            shortcuts=[c for c in cards if c.finding.status == "shortcut"],
            lines=[(f, description(f, samples)) for f in ordered[MOST_FINDINGS : MOST_FINDINGS + MOST_LINES]],
            beyond=max(0, len(ordered) - MOST_FINDINGS - MOST_LINES),
            histogram=charts.histogram(conclusion.score, conclusion.action),
            actions={a: sum(x == a for x in conclusion.action) for a in charts.ACTIONS},
            review=review,
            screens=[_screen(s, data) for s in conclusion.screens],
            classes=_classes(data, conclusion),
            more_classes=max(0, len(data.classes) - MOST_CLASSES),
            sensitivity=[(s, charts.interval_bar(s.caught / max(1, s.planted), s.low, s.high)) for s in conclusion.sensitivity],
            broken=words.incomplete(conclusion.checks, str(conclusion.settings.get("depth", "fast"))),
            unreadable=data.unreadable[:MOST_UNREADABLE],
            settings=_settings(conclusion, data),
            cost=conclusion.availability,
            plots=drawn,
            plot_style=STYLE,
            spent=budget.spent,
            version=__version__,
        )
    )


def _card(finding: Finding, data: Dataset, conclusion: Conclusion, samples: bool, budget: Budget) -> Card:
    alpha = float(conclusion.settings.get("alpha", 0.01))
    effect = finding.effect
    return Card(
        finding,
        description(finding, samples),
        exhibit(finding, data, budget) if samples else None,
        [_trial(t, alpha) for t in finding.trials],
        None
        if effect is None
        else {
            "rate": words.percent(effect.rate),
            "interval": words.interval(effect.low, effect.high),
            "baseline": words.percent(effect.baseline) if math.isfinite(effect.baseline) else None,
            "implants": effect.implants,
            "bar": charts.interval_bar(effect.rate, effect.low, effect.high, effect.baseline),
        },
        [_row(data, conclusion, int(p)) for p in finding.positions[:MOST_ROWS]],
    )


def _trial(trial: TrialResult, alpha: float) -> dict[str, str]:
    asked, how = words.question(trial)
    return {"asked": asked, "how": how, "answer": words.answer(trial, alpha), "detail": trial.detail, "state": trial.state}


def _row(data: Dataset, conclusion: Conclusion, position: int) -> dict[str, Any]:
    score = float(conclusion.score[position])
    return {
        "row": int(data.row[position]),
        "key": data.key[position],
        "label": label_of(data, position),
        "score": f"{score:.3f}" if math.isfinite(score) else "",
    }


def _review(data: Dataset, conclusion: Conclusion, samples: bool, budget: Budget) -> list[tuple[Carrier, str, list[str]]]:
    """The most suspicious rows to review: (the row, its score, what the screens say of it)."""
    wanted = np.flatnonzero(np.array([a == "review" for a in conclusion.action], bool))
    top = wanted[np.argsort(-conclusion.score[wanted], kind="stable")][:MOST_REVIEW]
    if samples:
        shown = specimens(data, top, budget)
    else:
        shown = tuple(Carrier(int(data.row[p]), data.key[p], label_of(data, int(p))) for p in top)
    said = [[s.reason for s in conclusion.screens if s.flag[p]] for p in top]
    return [(c, f"{conclusion.score[p]:.3f}", r) for c, p, r in zip(shown, top, said, strict=True)]


def _screen(screen: RowScore, data: Dataset) -> dict[str, Any]:
    flagged = np.flatnonzero(screen.flag)
    top = flagged[np.argsort(-screen.score[flagged], kind="stable")][:TOP_SCREEN]
    return {"name": screen.name, "reason": screen.reason, "flagged": len(flagged), "rows": data.row[top].tolist()}


def _classes(data: Dataset, conclusion: Conclusion) -> list[dict[str, Any]]:
    if not data.classes or not len(data.y):
        return []
    known = data.y >= 0
    bad = np.array([a == "quarantine" for a in conclusion.action], bool)
    count = np.bincount(data.y[known], minlength=len(data.classes))
    taken = np.bincount(data.y[known & bad], minlength=len(data.classes))
    most = max(1, int(count.max()))
    return [
        {"name": data.classes[i], "count": int(count[i]), "taken": int(taken[i]), "share": 100 * int(count[i]) / most}
        for i in np.argsort(-count, kind="stable")[:MOST_CLASSES]
    ]


def _settings(conclusion: Conclusion, data: Dataset) -> list[tuple[str, str]]:
    columns = data.columns
    roles = {
        "content": ", ".join(columns.content),
        "label": ", ".join(columns.label),
        "id": columns.id,
        "contributor": columns.contributor,
        "source": columns.source,
        "time": columns.time,
        "response": ", ".join(columns.response),
    }
    shown = [(k.replace("_", " "), "none" if v is None else str(v)) for k, v in jsonable(conclusion.settings).items()]
    return [*shown, *((f"{k} column", str(v)) for k, v in roles.items() if v)]


def _sentence(what: str) -> str:
    """A description as a heading; a column's name keeps its spelling."""
    return what[:1].upper() + what[1:] if what.startswith(("a ", "an ", "one ", "the ")) else what


@cache
def templates() -> jinja2.Environment:
    """The pages of this room: everything that is put into them is escaped, and a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("assay.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["comma"] = lambda n: f"{n:,}"
    environment.filters["capital"] = lambda s: s[:1].upper() + s[1:]
    environment.filters["sentence"] = _sentence
    environment.globals["SHOWN_KINDS"] = SHOWN_KINDS
    environment.globals["nothing"] = Markup("&mdash;")
    return environment
