"""Intervals for a share of successes."""

from __future__ import annotations

from scipy.stats import beta


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """An interval that holds the true share with probability at least `confidence`, whatever it is.

    Exact, two-sided, equal-tailed (Clopper & Pearson 1934). No trials: (0, 1). Raises ValueError where successes > trials.

    >>> low, high = clopper_pearson(5, 5)
    >>> round(low, 3), high
    (0.478, 1.0)
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie between 0 and trials; got {successes} of {trials}")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high
