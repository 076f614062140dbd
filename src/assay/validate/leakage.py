"""Rows that stand in the data and in the trusted (or test) set: the same content, or almost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from assay.dataset.data import MISSING, Dataset
from assay.screen.copies import number_groups
from assay.screen.exact_duplicates import exact_groups
from assay.screen.near_duplicates import near_groups
from assay.validate.beside import put_beside

Bool = NDArray[np.bool_]
Int = NDArray[np.int64]

# Copies on both sides are ordinary where pairs of copies are split between them as chance would split them.
CHANCE = 0.01
# Fewer groups of copies do not show what is ordinary: then every copy counts, but for rows of a table that are merely near.
FEWEST_GROUPS = 30


@dataclass(frozen=True)
class Leakage:
    """`leaks` (data position, trusted position, "the same" or "nearly the same"), one a data row that has a copy in the trusted set.

    `ordinary`: such copies fall on both sides no more often than by chance, because content is coarse (a table of few columns);
    `contradicted` (m,) data positions whose trusted copies, the same to the last byte, all carry another label.
    """

    leaks: tuple[tuple[int, int, str], ...]
    ordinary: bool
    contradicted: Int

    def words(self) -> str:
        if not self.leaks:
            return "no row of the trusted set stands in the data, the same or nearly"
        same = sum(how == "the same" for _, _, how in self.leaks)
        said = f"{len(self.leaks):,} rows have a copy in the trusted set ({same:,} the same, {len(self.leaks) - same:,} nearly)"
        if len(self.contradicted):
            said += f", {len(self.contradicted):,} of them under another label"
        return said + ("; no more than chance, as such rows recur anyway" if self.ordinary else "")


def leakage(data: Dataset, trusted: Dataset, rng: np.random.Generator) -> Leakage:
    """Copies of content (labels are not content). Cannot see paraphrases, crops, mirror images, or rows that differ in one column.

    A test set that leaks into training data makes every figure measured on it worthless; a trusted set that does vouches for rows
    that were learnt from. DataError where the two hold different things.
    """
    beside = put_beside(data, trusted)
    exact = exact_groups(beside.both)
    near = number_groups(near_groups(beside.both, rng))
    n = len(data)
    leaks: dict[int, tuple[int, str]] = {}
    for group, how in ((near, "nearly the same"), (exact, "the same")):
        first = np.full(int(group.max(initial=0)) + 1, -1)
        first[group[n:][::-1]] = np.arange(len(trusted))[::-1]
        hit = np.flatnonzero(first[group[:n]] >= 0)
        for row in hit.tolist():
            leaks[row] = (int(first[group[row]]), how)
    listed = tuple((row, *leaks[row]) for row in sorted(leaks))
    exactly = any(how == "the same" for _, _, how in listed)
    p, groups = _chance(near, beside.new)
    telling = groups >= FEWEST_GROUPS or (data.modality == "table" and not exactly)
    return Leakage(listed, bool(listed) and telling and p > CHANCE, _contradicted(data, trusted, exact))


def _chance(group: Int, new: Bool) -> tuple[float, int]:
    """p-value of as many groups that lie on both sides, among those of two or more rows, given their sizes; and their number.

    A group of s rows lies on both sides by chance with probability 1 - a^s - b^s, where a and b are the sides' shares.
    """
    size = np.bincount(group)
    mine = np.bincount(group, weights=new)
    several = size > 1
    if not several.any():
        return 1.0, 0
    share = float(new.mean())
    split = int(((mine > 0) & (mine < size) & several).sum())
    chance = 1 - share ** size[several] - (1 - share) ** size[several]
    return float(binom.sf(split - 1, int(several.sum()), float(chance.mean()))), int(several.sum())


def _contradicted(data: Dataset, trusted: Dataset, group: Int) -> Int:
    """(m,) data rows with trusted copies, none of which has their label."""
    if not data.labelled or not trusted.classes or len(data.y) != len(data) or len(trusted.y) != len(trusted):
        return np.zeros(0, np.int64)
    n = len(data)
    code = {name: i for i, name in enumerate(data.classes)}
    translated = np.array([code.get(name, len(code)) for name in trusted.classes] + [MISSING])
    theirs = translated[trusted.y]  # MISSING is -1: the last
    known = theirs != MISSING
    labels = len(code) + 1
    said = set((group[n:][known] * labels + theirs[known]).tolist())
    there = np.isin(group[:n], group[n:][known]) & (data.y != MISSING)
    rows = np.flatnonzero(there)
    return np.array([i for i in rows.tolist() if int(group[i]) * labels + int(data.y[i]) not in said], np.int64)
