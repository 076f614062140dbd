"""Numbers held against a range, a middle and limits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assay.stats.exchangeable import more_beyond
from assay.validate.expectations import Numbers
from assay.validate.infer import MIDDLE, rank_of
from assay.validate.units import explain
from assay.validate.violation import Broken

Float = NDArray[np.float64]


def check_numbers(values: Float, rules: Numbers) -> Iterator[Broken]:
    """Rules on the numbers among `values` (n,); NaN is no number, an infinite one is always broken."""
    yield from _beyond(values, np.isinf(values), "limits", "a finite number", rules)
    finite = np.where(np.isfinite(values), values, np.nan)
    low, high = rules.limits
    if low is not None or high is not None:
        out = (finite < (-np.inf if low is None else low)) | (finite > (np.inf if high is None else high))
        yield from _beyond(finite, out, "limits", f"{_span(low, high)}, beyond which no value is believed", rules)
    if rules.of is None:
        out = (finite < (-np.inf if rules.low is None else rules.low)) | (finite > (np.inf if rules.high is None else rules.high))
        yield from _beyond(finite, out, "range", _span(rules.low, rules.high), rules)
        return
    m = int(np.isfinite(finite).sum())
    seen = f"{_span(rules.low, rules.high)} as in {rules.of:,} trusted rows"
    if rules.low is not None:
        out = finite < rules.low
        yield from _beyond(finite, out, "range", seen, rules, more_beyond(int(out.sum()), m, rules.of, rules.of))
    if rules.high is not None:
        out = finite > rules.high
        yield from _beyond(finite, out, "range", seen, rules, more_beyond(int(out.sum()), m, rules.of, rules.of))
    if rules.middle is not None:
        yield from _scale(finite, m, rules, rules.of, rules.middle)


def _scale(values: Float, m: int, rules: Numbers, old: int, middle: tuple[float, float]) -> Iterator[Broken]:
    """More than half of the new numbers lie where a tenth of the trusted ones do."""
    lower, upper = middle
    first, last = (rank_of(share, old) for share in MIDDLE)
    known = values[np.isfinite(values)]
    where = f"four in five between {_short(lower)} and {_short(upper)} as in {old:,} trusted rows"
    for side, count, rank in (("below", int((known < lower).sum()), old - first + 1), ("above", int((known > upper).sum()), last)):
        if 2 * count <= m:
            yield Broken("scale", None, False, where, "", "", p=1.0)
            continue
        p = more_beyond(count, m, rank, old)
        edge = _short(lower if side == "below" else upper)
        found = f"{count:,} of {m:,} numbers lie {side} {edge}, the middle one at {_short(float(np.median(known)))}"
        yield Broken("scale", None, False, where, found, _remedy(known, rules), p=p)


def _beyond(values: Float, out: NDArray[np.bool_], rule: str, expected: str, rules: Numbers, p: float | None = None) -> Iterator[Broken]:
    rows = np.flatnonzero(out)
    found = ""
    if len(rows):
        odd = values[rows]
        found = (
            _short(float(odd[0]))
            if len(rows) == 1
            else f"{len(rows):,} numbers from {_short(float(odd.min()))} to {_short(float(odd.max()))}"
        )
    yield Broken(rule, None, p is None and bool(len(rows)), expected, found, _remedy(values[rows], rules), p=p, rows=rows)


def _remedy(odd: Float, rules: Numbers) -> str:
    middle = rules.middle if rules.middle is not None else (rules.low, rules.high)
    if middle[0] is not None and middle[1] is not None:
        conversion = explain(odd, middle[0], middle[1])
        if conversion is not None:
            return f"check the unit: {conversion.rows:,} of them would be usual {conversion.words}"
    return "correct them at the source, or widen the rule if they are right"


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return "any number" if high is None else f"at most {_short(high)}"
    return f"at least {_short(low)}" if high is None else f"{_short(low)} to {_short(high)}"


def _short(value: float) -> str:
    """
    >>> _short(3.0), _short(0.123456), _short(1234567.0)
    ('3', '0.1235', '1,234,567')
    """
    if np.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"
