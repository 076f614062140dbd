"""How well the model does before labels come: from its confidence, as far as that was right in the trusted period.

Each confidence falls into a bin, and the trusted period bounds the rate of errors of each bin. If errors are no more frequent where
confidence is higher, a confidence errs at least as often as the bin above it and at most as often as the bin below: so the bounds hold
wherever in its bin a new confidence lies. As long as a confidence still means what it meant, the rate of errors of any traffic lies
between the means of those bounds. What it cannot see: errors made with the old confidence (a backdoor, a change in what is right);
labels alone tell these. (Guillory et al. 2021, "Predicting with confidence on unseen distributions", without bounds.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.stats.sequential import mean_bounds

Floats = NDArray[np.float64]

# Shares of the trusted period that lie below the edges of the bins: tenths, and finer where confidence is low, since traffic that went
# wrong goes there.
CUTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEWEST = 200  # labelled predictions: with fewer no bound says anything
HALF_LIFE = 1000  # predictions: the estimate that is shown forgets half of what is this old


@dataclass(frozen=True)
class Estimate:
    """`edges` (bins - 1,) between the bins; `low`, `high` (bins,) bounds of the rate of errors of a confidence in each, all right with
    probability 1 - `miss`."""

    edges: Floats
    low: Floats
    high: Floats
    miss: float

    def bins(self, confidence: Floats) -> NDArray[np.int64]:
        """(n,) the bin of each confidence; NaN falls into the last."""
        return np.searchsorted(self.edges, confidence, "right")

    def least(self, confidence: Floats) -> Floats:
        """(n,) the least rate of errors that such a confidence may mean; NaN where there is none."""
        return np.where(np.isnan(confidence), np.nan, self.low[self.bins(confidence)])

    def fade(self, counts: Floats, confidence: Floats) -> Floats:
        """(bins,) faded counts after these predictions, from the counts before."""
        known = confidence[~np.isnan(confidence)]
        weight = 0.5 ** (np.arange(len(known) - 1, -1, -1) / HALF_LIFE)
        seen = np.bincount(self.bins(known), weights=weight, minlength=len(self.low))
        return np.asarray(counts * 0.5 ** (len(known) / HALF_LIFE) + seen)

    def rate(self, counts: Floats) -> tuple[float, float]:
        """Bounds of the rate of errors of recent traffic; (0, 1) where there was none."""
        if counts.sum() == 0:
            return 0.0, 1.0
        share = counts / counts.sum()
        return float(share @ self.low), float(share @ self.high)

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return {"edges": self.edges.tolist(), "low": self.low.tolist(), "high": self.high.tolist(), "miss": self.miss}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Estimate:
        """The inverse of `to_json`."""
        edges, low, high = (np.array(data[name], float) for name in ("edges", "low", "high"))
        return cls(edges, low, high, float(data["miss"]))


def calibrate(confidence: Floats, wrong: Floats, miss: float) -> Estimate | None:
    """The bins of a trusted period; None where fewer than FEWEST predictions have both a confidence and a label.

    >>> sure = np.linspace(0.5, 1, 4000)
    >>> found = calibrate(sure, (np.arange(4000) % 4 == 0) * 1.0, 0.01)
    >>> bool((found.low <= 0.25).all() and (found.high >= 0.25).all()), round(float(found.high[-1]), 2)
    (True, 0.33)
    """
    known = ~np.isnan(confidence) & ~np.isnan(wrong)
    if known.sum() < FEWEST:
        return None
    sure, wrong = confidence[known], wrong[known]
    edges = np.unique(np.quantile(sure, CUTS))
    found = np.searchsorted(edges, sure, "right")
    each = miss / (2 * (len(edges) + 1))
    bounds = np.array([mean_bounds(wrong[found == b], each, each) for b in range(len(edges) + 1)])
    low = np.maximum.accumulate(np.append(bounds[1:, 0], 0.0)[::-1])[::-1]
    high = np.minimum.accumulate(np.insert(bounds[:-1, 1], 0, 1.0))
    return Estimate(edges, low, high, miss)
