"""Every screen, what it needs and what it cannot see; which can run on this data; running them.

A new screen is one file here and one line in `SCREENS`; others add theirs by an entry point of the group
"assay.screens" that names a `Screen`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from assay.finding import Check, RowScore
from assay.screen import (
    class_outliers,
    conditional,
    distance,
    ecod,
    exact_duplicates,
    iqr,
    isolation,
    label_errors,
    learnt_neighbours,
    missing,
    near_duplicates,
    neighbours,
    number_labels,
    planted_passages,
    robust_z,
    units,
)
from assay.screen.context import Context, Need, lacks

ENTRY_POINTS = "assay.screens"


@dataclass(frozen=True)
class Screen:
    """One way to score single rows. `run` is called only where every need is met; all randomness comes from the
    context.
    """

    name: str
    needs: tuple[Need, ...]
    assumes: str
    cannot_see: str
    cost: str
    run: Callable[[Context], RowScore]


SCREENS: tuple[Screen, ...] = (
    Screen(
        "label_errors",
        ("labels", "probabilities"),
        "wrong labels fall on rows whatever their content; the probabilities are out of fold",
        "wrong labels that a model learns to repeat: a backdoor's rows look cleaner than the average row",
        "linear in rows times classes",
        label_errors.run,
    ),
    Screen(
        "number_labels",
        ("number_label",),
        "three quarters of the rows are good and lie together, and a sum of steps of each column foretells the label",
        "wrong numbers within six deviations of the right ones; what only several columns together foretell",
        "linear in rows times features squared",
        number_labels.run,
    ),
    Screen(
        "neighbours",
        ("labels", "features"),
        "rows that are near in the features mostly share a label",
        "wrong labels that come in clusters; anything the features do not tell apart",
        "linear: each row against at most 10,000 others",
        neighbours.run,
    ),
    Screen(
        "class_outliers",
        ("labels", "features"),
        "each class is one cloud in the features",
        "strangers that make up a tenth of a class or more; classes of under 30 rows",
        "linear in rows; one 64 x 64 covariance a class",
        class_outliers.run,
    ),
    Screen(
        "isolation_forest",
        ("numbers",),
        "odd rows have odd values or odd pairs of values",
        "odd rows that are more than about 5 %; rows odd in their class only",
        "linear: 100 trees of 256 rows",
        isolation.run,
    ),
    Screen(
        "iqr",
        ("numbers",),
        "a column's tail goes on as it goes between its highest 20 % and 5 %",
        "odd combinations of ordinary values; more than about 2.5 % odd values in a column",
        "a sort a column",
        iqr.run,
    ),
    Screen(
        "robust_z",
        ("numbers",),
        "a column has one peak, perhaps on a logarithmic scale",
        "as iqr; columns where more than half of the values are equal",
        "a sort a column",
        robust_z.run,
    ),
    Screen(
        "exact_duplicates",
        ("content",),
        "rows with one content have one label",
        "copies with one changed byte; copies that agree in their label are scored, not flagged",
        "a sort of digests",
        exact_duplicates.run,
    ),
    Screen(
        "near_duplicates",
        ("content",),
        "rows with almost one content have one label",
        "paraphrases, crops, mirror images, rows that differ widely in one column",
        "texts linear; pictures and tables a few sorts",
        near_duplicates.run,
    ),
    Screen(
        "ecod",
        ("numbers",),
        "odd rows lie in the tails of several columns, and columns say different things",
        "odd combinations of ordinary values; columns that repeat one another count double",
        "a sort a column",
        ecod.run,
    ),
    Screen(
        "distance",
        ("numbers",),
        "odd rows have no near neighbours",
        "odd rows that come in numbers: they are one another's neighbours",
        "linear: each row against at most 5,000 others",
        distance.run,
    ),
    Screen(
        "conditional",
        ("columns",),
        "the columns of a row say something of one another",
        "values that nothing else in their row foresees; columns of under ten different numbers",
        "linear: two small boosted trees a column",
        conditional.run,
    ),
    Screen(
        "units",
        ("columns",),
        "the ratio of a value to what its row leads one to expect thins out away from one",
        "factors within the spread of that ratio; a column of which half is in another unit; under about 15 rows",
        "as conditional, whose models it uses",
        units.run,
    ),
    Screen(
        "missing",
        ("numbers",),
        "a disguise of missing values recurs far from all others",
        "a disguise inside the column's range; one in more than a quarter of the rows",
        "a sort a column",
        missing.run,
    ),
    Screen(
        "learnt_neighbours",
        ("labels", "learnt"),
        "rows that are near in what a network learnt mostly share a label",
        "poison as numerous as its neighbours, or made against a network that sees other things; labels learnt by heart",
        "one training of a small network; then linear: each row against at most 10,000 others",
        learnt_neighbours.run,
    ),
    Screen(
        "planted_passages",
        ("passages",),
        "pages do not open with a question, in numbers, and answer it in its own words",
        "a planted page that neither repeats a question nor gives orders nor stands near everything",
        "linear; 1,000 queries against at most 50,000 passages",
        planted_passages.run,
    ),
)


def screens() -> tuple[Screen, ...]:
    """The screens of this package and those that installed packages add. Raises TypeError where an entry point is no
    `Screen`.
    """
    added: list[Screen] = []
    for point in entry_points(group=ENTRY_POINTS):
        screen = point.load()
        if not isinstance(screen, Screen):
            raise TypeError(f"entry point {point.name!r} of {ENTRY_POINTS!r}: expected a Screen, found {type(screen).__name__}")
        added.append(screen)
    return SCREENS + tuple(added)


def not_applicable(screen: Screen, context: Context) -> Check | None:
    """Why a screen has nothing to do on this data, or None where it can run."""
    for need in screen.needs:
        reason = lacks(need, context)
        if reason is not None:
            return Check(f"screen:{screen.name}", "not_applicable", reason)
    return None


def plan(context: Context, among: Sequence[Screen] | None = None) -> list[Check]:
    """The screens that are not applicable here, each with its reason."""
    chosen = screens() if among is None else among
    return [check for screen in chosen if (check := not_applicable(screen, context)) is not None]


def run_screens(
    context: Context,
    among: Sequence[Screen] | None = None,
    progress: Callable[[float, float, str], None] | None = None,
) -> tuple[tuple[RowScore, ...], tuple[Check, ...]]:
    """Run every applicable screen; give their row scores, and one check for each screen, run or not.

    A screen that raises is listed as failed, with the error, and the others still run: what it would have said is not
    known, and a check that failed must be seen rather than end the scan.
    """
    chosen = screens() if among is None else among
    scores: list[RowScore] = []
    checks: list[Check] = []
    for done, screen in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen), screen.name)
        skipped = not_applicable(screen, context)
        if skipped is not None:
            checks.append(skipped)
            continue
        started = time.perf_counter()
        try:
            score = screen.run(context)
        except Exception as error:  # noqa: BLE001 -- listed as failed, which leads to exit 3
            seconds = time.perf_counter() - started
            checks.append(Check(f"screen:{screen.name}", "failed", f"{type(error).__name__}: {error}", seconds))
            continue
        scores.append(score)
        words = f"{int(score.flag.sum())} of {len(score.flag)} rows to review ({score.reason})"
        checks.append(Check(f"screen:{screen.name}", "ran", words, time.perf_counter() - started))
    if progress is not None:
        progress(len(chosen), len(chosen), "screens")
    return tuple(scores), tuple(checks)
