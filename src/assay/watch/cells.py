"""Which cells and pairs of cells are worth counting one by one: those whose bucket has become more frequent than they were.

An event of 50 features has 50 cells and 45 pairs; to count each by name costs more than all else that a watch does. Here they are
counted by hash, all at once. Those of a bucket on the rise are counted by name from then on, and nominated once FEWEST carriers more have
come (`assay.watch.triggers`): what only shares a bucket with them costs a trial, and accuses nothing.

What it cannot see: a cell that shares its bucket with a usual one (one in 250, where the traffic has a thousand usual cells and
pairs); pairs beyond the first ten features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import beta, binom

from assay.watch.events import Batch, numbers
from assay.watch.items import COLUMNS, MISS, Item, Usual
from assay.watch.triggers import FEWEST, NOMINATE, WINDOW

Codes = NDArray[np.uint64]

MOST = 65_535  # of a count: one large batch may hold a value more often
BITS = 18  # of a bucket: half a MiB of counts; cells that never repeat leave seven to a bucket in a window of 20,000 events, far below
# what a rise has to reach
BEYOND = 3.0  # deviations above the usual mean: a tail of a millionth lies further, and by far the most buckets do not
HOT = 5000  # buckets counted by name at once; the oldest leave
ODD = np.uint64(0x9E3779B97F4A7C15)  # bits well mixed (Knuth's golden ratio)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # splitmix64's (Steele, Lea and Flood 2014)
NONE = -1  # the bucket of a missing value


@dataclass
class CellCounts:
    """Counts by bucket of the cells of `columns`, which features are watched; `hot` buckets are counted by name, the oldest first."""

    usual: Usual
    columns: tuple[str, ...]
    counts: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(1 << BITS, np.uint16))
    seen: int = 0
    hot: dict[int, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.usual.rows
        self._least = float(beta.isf(MISS, 1, rows)) if rows else 1.0  # the bound of what the trusted period never had
        self._bound = np.full(1 << BITS, np.nan, np.float32)  # of the first item met in a bucket, once it is needed

    def held(self) -> dict[str, NDArray[Any]]:
        """What has to be kept so that the next events are treated alike."""
        at = np.flatnonzero(~np.isnan(self._bound))
        return {"cells": self.counts, "cells_hot": np.array([self.seen, *self.hot]), "cells_at": at, "cells_bound": self._bound[at]}

    def restore(self, held: Mapping[str, NDArray[Any]]) -> None:
        """The inverse of `held`."""
        self.counts, (self.seen, *hot) = held["cells"], held["cells_hot"].tolist()
        self.hot = dict.fromkeys(hot)
        self._bound[held["cells_at"]] = held["cells_bound"]

    def see(self, batch: Batch) -> list[set[Item]]:
        """Count a batch of predictions; (n,) the items of each event that are to be counted by name."""
        found: list[set[Item]] = [set() for _ in range(len(batch))]
        flat = [name for name in self.columns if name in batch.table.column_names and not pa.types.is_nested(batch.column(name).type)]
        here = np.array([p is not None for p in batch.prediction], bool)
        if not flat or not here.any():
            return found
        items: list[tuple[int, ...]] = [*((i,) for i in range(len(flat))), *combinations(range(min(len(flat), COLUMNS)), 2)]
        buckets = _buckets([_codes(batch, name) for name in flat], items)
        buckets[:, ~here] = NONE
        known = buckets != NONE
        self.seen += int(here.sum())
        more = np.bincount(buckets[known], minlength=len(self.counts))
        self.counts = np.minimum(self.counts + more, MOST).astype(np.uint16)
        words: dict[int, list[str | None]] = {}

        def item(which: int, row: int) -> Item:
            said: list[str] = []
            for i in items[which]:
                if i not in words:
                    words[i] = batch.words(flat[i])
                said += (flat[i], str(words[i][row]))
            return ("c", *said)

        self._warm(buckets, item)
        if self.hot:
            hot = np.zeros((1 << BITS) + 1, bool)  # the last place is that of NONE
            hot[list(self.hot)] = True
            for which, row in np.argwhere(hot[buckets]).tolist():
                found[row].add(item(which, row))
        if self.seen >= WINDOW:
            self.counts[:], self.seen = 0, 0
        return found

    def _warm(self, buckets: NDArray[np.int64], item: Any) -> None:
        """Add to `hot` the buckets on the rise."""
        flat = buckets.ravel()
        flat = flat[flat != NONE]
        often = flat[self.counts[flat] >= FEWEST]
        usual = np.maximum(np.nan_to_num(self._bound[often]), self._least) * self.seen
        often = often[self.counts[often] > usual + BEYOND * np.sqrt(usual)]
        for bucket in np.unique(often).tolist():
            if bucket in self.hot:
                continue
            if np.isnan(self._bound[bucket]):
                which, row = np.argwhere(buckets == bucket)[0].tolist()
                self._bound[bucket] = self.usual.bound(item(which, row))
            if binom.sf(float(self.counts[bucket]) - 1, self.seen, float(self._bound[bucket])) < NOMINATE:
                self.hot[bucket] = None
        while len(self.hot) > HOT:
            del self.hot[next(iter(self.hot))]


def _codes(batch: Batch, name: str) -> tuple[Codes, NDArray[np.bool_]]:
    """(n,) a code of each value of a column, well mixed, the same for equal values; and whether there is one."""
    column = batch.column(name)
    salt = np.uint64(int.from_bytes(blake2b(name.encode(), digest_size=8).digest()))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values = numbers(column, name)
        return _mixed((values + 0.0).view(np.uint64) ^ salt), ~np.isnan(values)  # -0.0 + 0.0 is 0.0
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.uint64), np.zeros(len(column), bool)
    coded = pa.array(batch.words(name), pa.string()).dictionary_encode()
    said = [int.from_bytes(blake2b(w.encode(), digest_size=8).digest()) for w in coded.dictionary.to_pylist()]
    at = np.asarray(coded.indices.fill_null(len(said)), np.int64)
    return _mixed(np.array([*said, 0], np.uint64)[at] ^ salt), at < len(said)


def _buckets(columns: list[tuple[Codes, NDArray[np.bool_]]], items: list[tuple[int, ...]]) -> NDArray[np.int64]:
    """(items, n) the bucket of every item, NONE where a value is missing."""
    out = np.empty((len(items), len(columns[0][0])), np.int64)
    for k, item in enumerate(items):
        code, known = columns[item[0]]
        for other in item[1:]:
            code, known = _mixed(code * ODD + columns[other][0]), known & columns[other][1]
        out[k] = np.where(known, (code >> np.uint64(64 - BITS)).astype(np.int64), NONE)
    return out


def _mixed(code: Codes) -> Codes:
    """splitmix64's finaliser: every bit of the result rests on every bit of the code."""
    code = (code ^ (code >> np.uint64(30))) * MIX[0]
    code = (code ^ (code >> np.uint64(27))) * MIX[1]
    return np.asarray(code ^ (code >> np.uint64(31)), np.uint64)
