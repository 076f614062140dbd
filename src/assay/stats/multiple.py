"""Many hypotheses at once: which may be rejected.

`e_bh` controls the false discovery rate at alpha under *any* dependence of the e-values (Wang & Ramdas 2022, J. R. Stat. Soc.
B 84(3), Theorem 5.1). `bh` does so for p-values that are independent or positively dependent (Benjamini & Hochberg 1995).
Under the global null the false discovery rate is the chance of any rejection at all: a clean data set is left untouched with
probability at least 1 - alpha, as far as the nulls hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def e_bh(log_e: Floats, total: float, alpha: float) -> NDArray[np.bool_]:
    """(n,) which of these hypotheses e-BH rejects at level `alpha`.

    `log_e` (n,) natural logs of e-values; `total` how many hypotheses there are in all, those not listed having e = 0. With
    weighted hypotheses add the log weight to `log_e`; the weights must then average at most 1 over all `total` of them.

    >>> e_bh(np.log([1e5, 2.0]), total=100, alpha=0.01)
    array([ True, False])
    """
    log_e = np.asarray(log_e, float)
    rejected = np.zeros(len(log_e), bool)
    if not len(log_e):
        return rejected
    order = np.argsort(-log_e, kind="stable")
    needed = np.log(max(total, 1.0)) - np.log(alpha) - np.log(np.arange(1, len(log_e) + 1))
    passing = np.flatnonzero(log_e[order] >= needed)
    if len(passing):
        rejected[order[: passing[-1] + 1]] = True
    return rejected


def bh(p: Floats, alpha: float, total: int | None = None) -> NDArray[np.bool_]:
    """(n,) which of these p-values Benjamini-Hochberg rejects at level `alpha`; `total` counts unlisted ones with p = 1.

    >>> bh(np.array([1e-6, 0.2, 0.03]), 0.05)
    array([ True, False,  True])
    """
    p = np.asarray(p, float)
    rejected = np.zeros(len(p), bool)
    if not len(p):
        return rejected
    able = np.flatnonzero(p <= alpha)  # the others cannot be among them
    order = able[np.argsort(p[able], kind="stable")]
    passing = np.flatnonzero(p[order] <= alpha * np.arange(1, len(order) + 1) / (total or len(p)))
    if len(passing):
        rejected[order[: passing[-1] + 1]] = True
    return rejected


def holm(p: Floats, alpha: float) -> NDArray[np.bool_]:
    """(n,) which of these p-values Holm's procedure rejects: the chance of any false rejection is at most `alpha`.

    Whatever the dependence (Holm 1979, Scandinavian Journal of Statistics 6).

    >>> holm(np.array([0.001, 0.02, 0.5]), 0.05)
    array([ True,  True, False])
    """
    return holm_adjusted(p) <= alpha


def holm_adjusted(p: Floats) -> Floats:
    """(n,) least level at which Holm's procedure rejects each hypothesis; they keep the order of the raw values.

    >>> holm_adjusted(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(stepped, 1.0)
    return found


def adjusted(p: Floats) -> Floats:
    """(n,) least level at which Benjamini-Hochberg rejects each hypothesis: a false-discovery bound for it and all that rank above.

    >>> adjusted(np.array([0.001, 0.2, 0.01, 0.9])).round(3).tolist()
    [0.004, 0.267, 0.02, 0.9]
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return out
