"""Predictions whose label is waited for, kept small: there may be a hundred thousand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PENDING = 100_000  # predictions that wait for their label; the oldest are given up, and counted
Held = tuple[int, ...]


class Waiting(OrderedDict[str, tuple[str, bytes, Held]]):
    """By event: what was said, `packed`, and the nominees that it held; the oldest first."""

    def wait(self, name: str, said: str, sure: float, codes: NDArray[np.int64], held: Held) -> bool:
        """One more; whether the oldest was given up for it."""
        self[name] = (said, packed(sure, codes), held)
        full = len(self) > PENDING
        if full:
            self.popitem(last=False)
        return full

    def to_json(self) -> list[list[Any]]:
        return [
            [name, said, None if np.isnan(sure) else sure, codes.tolist(), list(held)]
            for name, (said, small, held) in self.items()
            for sure, codes in [unpacked(small)]
        ]

    def restore(self, data: Sequence[Sequence[Any]]) -> None:
        """Add those of `to_json`."""
        for name, said, sure, codes, held in data:
            small = packed(np.nan if sure is None else sure, np.array(codes, np.int64))
            self[name] = (said, small, tuple(held))


def packed(sure: float, codes: NDArray[np.int64]) -> bytes:
    """A confidence and the codes of an event's slices.

    >>> unpacked(packed(0.9, np.array([3, -1])))
    (0.9, array([ 3, -1]))
    """
    return np.float64(sure).tobytes() + codes.astype(np.int16).tobytes()


def unpacked(held: bytes) -> tuple[float, NDArray[np.int64]]:
    """The inverse of `packed`."""
    return float(np.frombuffer(held[:8], np.float64)[0]), np.frombuffer(held[8:], np.int16).astype(np.int64)
