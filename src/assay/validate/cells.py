"""A column as validation reads it: which cells are missing, the numbers, the texts. Shared by inference and checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.dataset.columns import Column
from assay.dataset.labels import class_name
from assay.dataset.numbers import as_doubles

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

# What people and programs write for "nothing"; in a column of numbers these are no numbers, and the remedy says so.
NOTHING = frozenset({"na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "#n/a", "missing", "unknown"})
ZEROS = 4  # behind a fraction, beyond the decimals that its column needs: how many there were, a number does not know
NUMBER = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$"


@dataclass(frozen=True)
class Cells:
    """One column of n rows."""

    look: Column

    def __len__(self) -> int:
        return len(self.look.values)

    @cached_property
    def stringy(self) -> bool:
        return self.look.kind == "string"

    @cached_property
    def missing(self) -> Bool:
        """(n,) null, NaN, and in texts nothing but white space."""
        values = self.look.values
        if self.stringy:
            blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(values.cast(pa.large_string()))), 0)
            return np.asarray(pc.fill_null(blank, True))
        gone = np.asarray(pc.is_null(values, nan_is_null=pa.types.is_floating(values.type)))
        return np.asarray(gone, np.bool_)

    @cached_property
    def is_number(self) -> Bool:
        """(n,) cells that hold a number; texts that spell one count."""
        if self.look.kind in ("integer", "float"):
            return ~self.missing
        if not self.stringy:
            return np.zeros(len(self), bool)
        return np.asarray(pc.fill_null(pc.match_substring_regex(self.look.values, NUMBER), False))

    @cached_property
    def numbers(self) -> Float:
        """(n,) the numbers, NaN elsewhere."""
        out = np.full(len(self), np.nan)
        values = self.look.values
        if self.stringy:
            rows = np.flatnonzero(self.is_number)
            spelt = pc.utf8_trim_whitespace(values.take(pa.array(rows))).to_pylist()
            out[rows] = [float(v) for v in spelt]
        elif self.look.kind in ("integer", "float"):
            out[~self.missing] = as_doubles(values)[~self.missing]
        return out

    def named(self) -> tuple[NDArray[np.int64], list[str]]:
        """(n,) codes, -1 where missing, and the values behind them as text, each once."""
        encoded = pc.dictionary_encode(self.look.values.combine_chunks())
        encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = np.asarray(pc.fill_null(encoded.indices, -1), np.int64)
        names = [class_name(v) for v in encoded.dictionary.to_pylist()]
        firsts = {name: i for i, name in reversed(list(enumerate(names)))}  # 1 and 1.0 are one value
        place = {name: i for i, name in enumerate(firsts)}
        known = np.array([place[name] for name in names] or [0], np.int64)[np.maximum(codes, 0)]
        return np.where(self.missing | (codes < 0), -1, known), list(firsts)

    @cached_property
    def written(self) -> tuple[pa.ChunkedArray, ...]:
        """(n,) texts as they stand; numbers and booleans as they were written, in each form that this can have been.

        A fraction may have had zeros behind it, of which a number knows nothing: the first form has none, the others as many decimals
        in every row as one row needs, and up to ZEROS more.
        No form for lists, times and other values, which no file has written in one way.
        """
        if self.stringy:
            return (self.look.values,)
        if self.look.kind not in ("integer", "float", "bool"):
            return ()
        codes, names = self.named()
        decimals = max((len(name.partition(".")[2]) for name in names if "e" not in name), default=0)
        forms = [names]
        if self.look.kind == "float":
            forms += [[f"{float(name):.{d}f}" for name in names] for d in range(max(decimals, 1), decimals + ZEROS + 1)]
        place = pa.array(codes, mask=codes < 0)
        return tuple(pa.chunked_array([pa.array(form, pa.string()).take(place)]) for form in forms)

    def lengths(self) -> tuple[Float, ...]:
        """(n,) characters, NaN where missing; once for each form in `written`."""
        counts = [pc.fill_null(pc.utf8_length(form.cast(pa.large_string())), 0) for form in self.written]
        return tuple(np.where(self.missing, np.nan, np.asarray(count, np.float64)) for count in counts)

    def text(self, row: int) -> str:
        """One cell, short, as it stands."""
        shown = repr(self.look.values[row].as_py())
        return shown if len(shown) <= 60 else shown[:57] + "..."
