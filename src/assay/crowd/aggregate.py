"""From votes to labels: what every aggregator gives back, and the list of them.

| method | each annotator has | for |
|---|---|---|
| majority | one vote | a baseline, and crowds nobody knows anything of |
| weighted | one skill: how often the majority agrees with them | a first correction, no model of the truth |
| zbs | the same, over and over until nothing changes | as `weighted`, surer of itself |
| one_coin | one chance to be right; errors fall on all classes alike | few votes an annotator |
| dawid_skene | a confusion matrix | many votes an annotator; biased annotators |
| mace | a chance to pay attention, and a habit of guessing | crowds with spammers |
| glad | a skill, against the difficulty of each row | rows of very different difficulty |
| ordinal | a leaning and a spread on a line | classes in an order (grades, ratings) |
| median | one vote | a baseline for them |

All of them assume that annotators err independently of one another given the truth, and that on the whole they are
better than chance. Colluders break the first, a crowd with a majority of liars the second; `assay.crowd.hostile` looks for
both. Posteriors are what the model believes: where annotators do not err independently they are too sure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from assay.crowd.votes import Floats, Int, Votes, summed

PRIOR_VOTES = 1.0  # votes of an average annotator added to each confusion matrix, so that one vote makes nobody a liar
MOST_CELLS = 50_000_000  # 400 MB: above it confusion matrices are not laid out for all annotators at once


@dataclass(frozen=True)
class Aggregate:
    """What a crowd says. `posterior` (n, k); `skill` (a,) expected share of right votes, NaN for whoever gave none."""

    method: str
    votes: Votes
    posterior: Floats
    skill: Floats
    rounds: int = 0  # of the iteration; 0 where there is none
    ordered: bool = False  # classes stand in an order: the label is the posterior's median, not its largest class

    @cached_property
    def label(self) -> Int:
        """(n,) class codes, MISSING (-1) for rows without votes; a tie goes to the class with more votes overall."""
        if self.ordered:
            from assay.crowd.ordinal import middle

            return np.where(self.votes.votes_on > 0, middle(self.posterior), -1)
        common = np.bincount(self.votes.label, minlength=len(self.votes.classes)) / max(1, len(self.votes))
        best = (self.posterior + 1e-9 * common).argmax(1)
        return np.where(self.votes.votes_on > 0, best, -1)

    @cached_property
    def confidence(self) -> Floats:
        """(n,) the posterior of the label; the largest for rows without votes."""
        at = np.where(self.label >= 0, self.label, self.posterior.argmax(1))
        return np.asarray(np.take_along_axis(self.posterior, at[:, None], axis=1)[:, 0])

    def text(self) -> list[str | None]:
        """(n,) the name of each row's label; None without votes."""
        return [self.votes.classes[code] if code >= 0 else None for code in self.label.tolist()]

    def reliability(self) -> dict[str, float]:
        """Krippendorff's alpha of the votes, by the name of the scale that it was taken on; NaN where nothing differs."""
        from assay.crowd.reliability import alpha

        scale: Literal["nominal", "ordinal"] = "ordinal" if self.ordered else "nominal"
        return {scale: alpha(self.votes.counts, scale)}

    def confusion(self, prior: float = PRIOR_VOTES) -> Floats:
        """(a, k, k) for each annotator: of rows whose truth is i, the share called j. See `confusion_matrices`."""
        return confusion_matrices(self.votes, self.posterior, prior)


Method = Callable[[Votes], Aggregate]


def confusion_matrices(votes: Votes, posterior: Floats, prior: float = PRIOR_VOTES) -> Floats:
    """(a, k, k): rows are the truth, as far as `posterior` knows it; each row of a matrix sums to one.

    `prior` votes of the average annotator are added to each row of each matrix. MemoryError above MOST_CELLS.
    """
    a, k = len(votes.annotators), len(votes.classes)
    if a * k * k > MOST_CELLS:
        raise MemoryError(f"{a:,} confusion matrices over {k:,} classes; ask for fewer annotators or use their skills")
    place = votes.annotator * k + votes.label
    counts = np.stack([summed(place, posterior[votes.row, truth], a * k).reshape(a, k) for truth in range(k)], axis=1)
    average = counts.sum(0) + 1.0 / k
    average /= average.sum(1, keepdims=True)
    counts += prior * average
    return np.asarray(counts / np.maximum(counts.sum(2, keepdims=True), 1e-300))


def agreement(votes: Votes, posterior: Floats) -> Floats:
    """(a,) expected share of each annotator's votes that are right; NaN for whoever gave none."""
    right = summed(votes.annotator, posterior[votes.row, votes.label], len(votes.annotators))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(votes.votes_of > 0, right / votes.votes_of, np.nan))


def normalised(log_posterior: Floats) -> Floats:
    """Rows of log weights as probabilities."""
    shifted = np.exp(log_posterior - log_posterior.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def methods() -> dict[str, Method]:
    """Every aggregator of classes without an order by its name, the default first."""
    from assay.crowd.dawid_skene import dawid_skene, one_coin
    from assay.crowd.glad import glad
    from assay.crowd.mace import mace
    from assay.crowd.majority import majority, weighted, zbs

    return {f.__name__: f for f in (dawid_skene, one_coin, mace, glad, weighted, zbs, majority)}


def ordered_methods() -> dict[str, Method]:
    """Every aggregator of classes in an order, the default first."""
    from assay.crowd.ordinal import median, ordinal

    return {f.__name__: f for f in (ordinal, median)}
