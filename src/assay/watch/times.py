"""Times of events as seconds since 1970, however they are written: text, timestamps, dates, numbers. Without a zone, a time is UTC."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.dataset.numbers import as_doubles

Floats = NDArray[np.float64]

# Seconds since 1970 of the first days of the years 1 and 10000: what is not between them is no time. A clock that only runs ahead is not
# told by a bound: see `assay.watch.memory`.
FIRST, LAST = -62_135_596_800.0, 253_402_300_800.0

REMEDY = "write 2026-01-31T12:00:00Z, or seconds since 1970"
OFFSET = r"[T ].* ?(?P<zone>[+-][0-9]{2}(?::?[0-9]{2})?)$"  # of a date with a clock: a lone date has hyphens, too
ZONE = r"([T ].*?) ?(?:[+-][0-9]{2}(?::?[0-9]{2})?)$"
UTC = " ?[Zz]$"
FINE = r"(\.[0-9]{6})[0-9]+"  # what is below a microsecond
SMALLER = {"milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}


def times(column: pa.Array, name: str) -> Floats:
    """(n,) seconds since 1970, to the microsecond; NaN where there is no time, or one outside the years 1 to 9999.

    Raises DataError where a value is no time (RFC 3339, ISO 8601 with a full date and with or without a zone).

    >>> times(pa.array(["1970-01-01T02:00:00+02:00", "1970-01-02", "1970-01-01 00:00:00.123456789Z", " ", None]), "time").tolist()
    [0.0, 86400.0, 0.123456, nan, nan]
    """
    found = _seconds(column, name)
    return np.where((found >= FIRST) & (found < LAST), found, np.nan)


def check_unit(column: pa.Array, name: str) -> None:
    """Raises DataError where numbers were given for times and none lies in the years 1 to 9999: they are no seconds."""
    found = _seconds(column, name)
    given = found[np.isfinite(found)]
    if not len(given) or ((given >= FIRST) & (given < LAST)).any():
        return
    unit = next((unit for unit, parts in SMALLER.items() if FIRST <= given[0] / parts < LAST), None)
    looks = f", and looks like {unit}" if unit else ""
    raise DataError(f"{given[0]:.0f} is no time in seconds{looks}", column=name, remedy="give seconds since 1970, or 2026-01-31T12:00:00Z")


def _seconds(column: pa.Array, name: str) -> Floats:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return _of_text(column.cast(pa.string()), name)
        if pa.types.is_date(kind):
            column = column.cast(pa.timestamp("s"))
        if pa.types.is_timestamp(column.type):
            return _of_stamps(column)
        return as_doubles(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"not a time: {error}", column=name, remedy=REMEDY) from error


def _of_stamps(column: pa.Array) -> Floats:
    """Arrow counts from 1970 in UTC, whatever the zone that is shown."""
    fine = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return np.asarray(as_doubles(fine.cast(pa.int64())) / 1e6, np.float64)


def _of_text(column: pa.Array, name: str) -> Floats:
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    zone = pc.struct_field(pc.extract_regex(text, OFFSET), "zone").dictionary_encode()
    ahead = [0.0 if not z else _ahead(z) for z in zone.dictionary.to_pylist()]
    plain = text
    for pattern, kept in ((UTC, ""), (ZONE, r"\1"), (FINE, r"\1")):
        plain = pc.replace_substring_regex(plain, pattern, kept)
    try:
        found = _of_stamps(plain.cast(pa.timestamp("us")))
    except pa.ArrowInvalid as error:
        row = next(i for i, value in enumerate(plain) if not _is_stamp(value))
        raise DataError(f"{column[row].as_py()!r} is no time", row=row, column=name, remedy=REMEDY) from error
    return found - np.array([*ahead, 0.0])[np.asarray(zone.indices.fill_null(len(ahead)), np.int64)]


def _ahead(zone: str) -> float:
    """Seconds that a zone is ahead of UTC.

    >>> _ahead("+02:00"), _ahead("-0330"), _ahead("+01")
    (7200.0, -12600.0, 3600.0)
    """
    hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
    return (3600.0 * hours + 60.0 * minutes) * (-1 if zone[0] == "-" else 1)


def _is_stamp(value: pa.Scalar) -> bool:
    try:
        value.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True
