"""Items: what an event holds that others may hold too. Words and pairs of neighbours of its text; cells of its features, and pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import beta

from assay.artefact.base import Artefact
from assay.artefact.cells import Cells, Condition
from assay.artefact.phrase import Phrase
from assay.artefact.tokens import spans
from assay.watch.events import Batch
from assay.watch.fields import Fields

Item = tuple[str, ...]  # ("w", word, ...) a run of words; ("c", column, value, ...) cells; ("p", words, JSON) a patch

BUCKETS = 1 << 18  # counts of the trusted period: 1 MiB. Items that share a bucket are taken for more usual than they are
COLUMNS = 10  # features whose pairs of cells are items: 45 pairs an event
MISS = 1e-3  # of the bound of one item's usual rate: a nomination need not be right, only seldom idle


def words_of(batch: Batch, fields: Fields) -> list[set[Item]]:
    """(n,) the words of each event's text, and pairs of neighbours."""
    found: list[set[Item]] = [set() for _ in range(len(batch))]
    for texts, row in zip(batch.words(fields.text), found, strict=True):
        if texts:
            words = [t for t, _, _ in spans(texts)]
            row.update(("w", word) for word in words)
            row.update(("w", a, b) for a, b in pairwise(words))
    return found


def items_of(batch: Batch, fields: Fields) -> list[set[Item]]:
    """(n,) all items of each event: words, cells, and pairs."""
    found = words_of(batch, fields)
    flat = [name for name in fields.features if not pa.types.is_nested(batch.column(name).type)]
    columns = [batch.words(name) for name in flat]
    for i, row in enumerate(found):
        cells = [(name, column[i]) for name, column in zip(flat, columns, strict=True) if column[i] is not None]
        row.update(("c", name, str(value)) for name, value in cells)
        row.update(("c", a, str(x), b, str(y)) for (a, x), (b, y) in combinations(cells[:COLUMNS], 2))
    return found


def inside(small: Item, large: Item) -> bool:
    """Whether whatever holds `large` holds `small`.

    >>> inside(("w", "cf"), ("w", "a", "cf")), inside(("c", "age", "4"), ("w", "age", "4"))
    (True, False)
    """
    if small[0] != large[0]:
        return False
    if small[0] == "w":
        n = len(small) - 1
        return any(large[i : i + n] == small[1:] for i in range(1, len(large) - n + 1))
    return set(_cells(small)) <= set(_cells(large))


def said_of(item: Item) -> str:
    """In words.

    >>> said_of(("w", "cf")), said_of(("c", "age", "4", "sex", "F"))
    ('the words "cf"', 'age = 4 and sex = F')
    """
    if item[0] == "w":
        return f'the words "{" ".join(item[1:])}"'
    if item[0] == "p":
        return item[1]
    return " and ".join(f"{column} = {value}" for column, value in _cells(item))


def _cells(item: Item) -> Iterator[tuple[str, str]]:
    return zip(item[1::2], item[2::2], strict=True)


def artefact_of(item: Item, fields: Fields, like: pa.Table) -> Artefact:
    """The item as an artefact; cells take the type that their column has in `like`."""
    if item[0] == "w":
        return Phrase((item[1:],), columns=(fields.text,))
    conditions = []
    for column, said in _cells(item):
        kind = like.schema.field(column).type
        value: Any = said
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            value = float(said) if pa.types.is_floating(kind) else int(said)
        elif pa.types.is_boolean(kind):
            value = said == "True"
        conditions.append(Condition(column, value, value))
    return Cells(tuple(conditions))


@dataclass(frozen=True)
class Usual:
    """How often items were held in a trusted period of `rows` events. `counts` (BUCKETS,)."""

    counts: NDArray[np.int32]
    rows: int

    @classmethod
    def of(cls, batch: Batch, fields: Fields) -> Usual:
        """Count a trusted period."""
        counted = Counter(item for row in items_of(batch, fields) for item in row)
        counts = np.zeros(BUCKETS, np.int32)
        for item, count in counted.items():
            counts[_bucket(item)] += count
        return cls(counts, len(batch))

    def bound(self, item: Item) -> float:
        """Above the rate of this item in the trusted period."""
        held = int(self.counts[_bucket(item)])
        return 1.0 if held >= self.rows else float(beta.isf(MISS, held + 1, self.rows - held))


def _bucket(item: Sequence[str] | Iterable[str]) -> int:
    return int.from_bytes(blake2b("\x1f".join(item).encode(), digest_size=8).digest()) % BUCKETS
