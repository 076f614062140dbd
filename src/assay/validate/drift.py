"""Does the data set as a whole differ from the trusted one? Column by column, and all columns together.

Guarantee: if the rows of both are exchangeable (and do not depend on one another), the chance that any column, or the joint test, is
said to differ is at most alpha: each has a test that holds whatever the law, and Holm's procedure joins them (Holm 1979).

    columns of numbers      Kolmogorov-Smirnov (ties make it conservative); texts and pictures by plain measurements
    columns of categories   chi-square against random tables of the same margins, or Fisher's test where there are two values
    missing cells           Fisher's exact test, two-sided
    all together            a classifier learns on one half to tell new rows from trusted ones and is tried on the other, both ways

A difference is no fault: later rows differ from earlier ones. It says where to look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import chi2, fisher_exact, ks_2samp, random_table

from assay.dataset.columns import Column
from assay.dataset.data import Dataset
from assay.dataset.numbers import as_doubles
from assay.screen.exact_duplicates import column_codes
from assay.screen.statistics import row_statistics, text_columns
from assay.stats.multiple import holm
from assay.validate.beside import Beside, put_beside
from assay.validate.joint import Joint, joint_test

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]
Int = NDArray[np.int64]

# Rows of each side that are compared, drawn at random: a shift of a hundredth in distribution is seen with these.
MOST_ROWS = 50_000
# Values of a column of categories that are told apart; the rarer ones count as one, and so do those of under FEWEST pooled rows.
MOST_VALUES = 50
FEWEST = 10
# Expected count from which the chi-square law is exact enough for p-values of 1e-4; below, random tables are drawn.
LARGE_COUNT = 20.0
RANDOM_TABLES = 4_999
FEWEST_ROWS = 20  # on either side; fewer cannot differ by anything but everything


@dataclass(frozen=True)
class ColumnDrift:
    """`distance` in [0, 1]: largest difference of the distribution functions, or total variation of categories; `words` say how."""

    name: str
    test: str
    p: float
    distance: float
    words: str
    differs: bool


@dataclass(frozen=True)
class Drift:
    """Columns, those that differ first; the joint test; and what was not compared, with the reason."""

    rows: int
    trusted: int
    columns: tuple[ColumnDrift, ...]
    joint: Joint | None
    joint_differs: bool
    skipped: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return self.joint_differs or any(c.differs for c in self.columns)

    def words(self) -> str:
        """One sentence for a report."""
        found = [c for c in self.columns if c.differs]
        named = "; ".join(f"{c.name}: {c.words}" for c in found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
        said = f"{len(found)} of {len(self.columns)} columns differ from the trusted rows" + (f" ({named})" if found else "")
        if self.joint is None:
            return said
        told = f"tells new from trusted rows with AUROC {self.joint.auroc:.3f}"
        return f"{said}; a classifier {told}" + ("" if self.joint_differs else ", no more than chance")


def drift(data: Dataset, trusted: Dataset, rng: np.random.Generator, *, alpha: float = 0.01) -> Drift:
    """Compare content and labels of `data` with those of `trusted`; DataError where they hold different things."""
    beside = put_beside(data, trusted)
    skipped = [f"{name}: the trusted rows have no such column" for name in beside.only_new]
    keep = np.sort(np.concatenate([_some(np.flatnonzero(side), rng) for side in (beside.new, ~beside.new)]))
    both, new = beside.both.subset(keep), beside.new[keep]
    if min(new.sum(), (~new).sum()) < FEWEST_ROWS:
        return Drift(len(data), len(trusted), (), None, False, (f"needs {FEWEST_ROWS} rows on either side", *skipped))
    found = [*_columns(both, new, rng), *_measures(both, new)]
    joint = joint_test(Beside(both, new, beside.only_new, beside.only_trusted), rng)
    p = np.array([c.p for c in found] + ([] if joint is None else [joint.p]))
    rejected = holm(p, alpha)
    columns = [
        ColumnDrift(c.name, c.test, c.p, c.distance, c.words, bool(out)) for c, out in zip(found, rejected[: len(found)], strict=True)
    ]
    columns.sort(key=lambda c: (not c.differs, c.p))
    return Drift(len(data), len(trusted), tuple(columns), joint, joint is not None and bool(rejected[-1]), tuple(skipped))


def _some(rows: Int, rng: np.random.Generator) -> Int:
    return rng.choice(rows, MOST_ROWS, replace=False) if len(rows) > MOST_ROWS else rows


def _columns(both: Dataset, new: Bool, rng: np.random.Generator) -> list[ColumnDrift]:
    found: list[ColumnDrift] = []
    texts = set(text_columns(both)) if both.modality == "text" else set()
    for name in (*both.columns.content, *both.columns.label):
        look = Column(name, both.table.column(name))
        gone = np.asarray(look.values.is_null(nan_is_null=pa.types.is_floating(look.values.type)))
        if gone.any():
            found.append(_missing(name, gone, new))
        if look.kind in ("integer", "float") and not (look.whole and look.distinct <= MOST_VALUES):
            values = as_doubles(look.values)
            found.append(_numbers(name, values[~gone], new[~gone]))
        elif name not in texts and look.kind in ("bool", "string", "integer", "float") and look.distinct > 1:
            found.append(_categories(look, gone, new, rng))
    return [c for c in found if np.isfinite(c.p)]


def _measures(both: Dataset, new: Bool) -> list[ColumnDrift]:
    """Lengths and signs of texts, brightness and contrast of pictures: what can be measured without learning."""
    if both.modality == "table":
        return []
    read = row_statistics(both)
    own = [j for j, name in enumerate(read.names) if name not in both.columns.content]
    return [_numbers(f"{both.modality}: {read.names[j]}", read.values[:, j], new) for j in own]


def _numbers(name: str, values: Float, new: Bool) -> ColumnDrift:
    x, y = values[new], values[~new]
    if min(len(x), len(y)) < FEWEST_ROWS or (values == values[0]).all():
        return ColumnDrift(name, "Kolmogorov-Smirnov", 1.0, 0.0, "too few values", False)
    found = ks_2samp(x, y, method="auto")
    words = f"median {np.median(x):.4g}, {np.median(y):.4g} in trusted rows"
    return ColumnDrift(name, "Kolmogorov-Smirnov", float(found.pvalue), float(found.statistic), words, False)


def _missing(name: str, gone: Bool, new: Bool) -> ColumnDrift:
    a, b = gone[new], gone[~new]
    p = float(fisher_exact(np.array([[a.sum(), (~a).sum()], [b.sum(), (~b).sum()]])).pvalue)
    words = f"{a.mean():.1%} missing, {b.mean():.1%} in trusted rows"
    return ColumnDrift(f"{name} (missing)", "Fisher", p, float(abs(a.mean() - b.mean())), words, False)


def _categories(look: Column, gone: Bool, new: Bool, rng: np.random.Generator) -> ColumnDrift:
    codes, side = column_codes(look.values)[~gone], new[~gone]
    names, codes, count = np.unique(codes, return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    kept = order[:MOST_VALUES][count[order[:MOST_VALUES]] >= FEWEST]
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    table = np.zeros((2, len(kept) + 1), np.int64)
    np.add.at(table, (np.where(side, 0, 1), place[codes]), 1)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return ColumnDrift(look.name, "chi-square", 1.0, 0.0, "too few values", False)
    share = table / table.sum(axis=1, keepdims=True)
    gap = share[0] - share[1]
    most = int(np.abs(gap[: len(kept)]).argmax()) if len(kept) else 0
    value = look.values.filter(pa.array(~gone))[int(np.flatnonzero(place[codes] == most)[0])].as_py()
    words = f"{value!r:.40} {share[0, most]:.1%}, {share[1, most]:.1%} in trusted rows"
    return ColumnDrift(look.name, "chi-square", table_p(table, rng), float(np.abs(gap).sum() / 2), words, False)


def table_p(table: Int, rng: np.random.Generator) -> float:
    """p-value that the two rows of a (2, v) table of counts have one law, given its margins."""
    if table.shape[1] == 2:
        return float(fisher_exact(table).pvalue)
    total, cols = table.sum(axis=1), table.sum(axis=0)
    mean = np.outer(total, cols) / total.sum()
    statistic = float(((table - mean) ** 2 / mean).sum())
    asymptotic = float(chi2.sf(statistic, table.shape[1] - 1))
    if mean.min() >= LARGE_COUNT:
        return asymptotic
    drawn = random_table.rvs(total, cols, size=RANDOM_TABLES, random_state=rng)
    beyond = int((((drawn - mean) ** 2 / mean).sum(axis=(1, 2)) >= statistic - 1e-9).sum())
    if beyond == 0:  # far beyond what random tables reach: the law's own tail, but never more certain than its error allows
        return max(asymptotic, RARE_TABLE) if asymptotic < RARE_TABLE else 1 / (RANDOM_TABLES + 1)
    return (beyond + 1) / (RANDOM_TABLES + 1)


# No p-value below this is read off the chi-square law where some count is small.
RARE_TABLE = 1e-6
