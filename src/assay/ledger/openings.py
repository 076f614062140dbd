"""Openings: what the commitments in the log hide. Kept beside the log, never in it, and the only part that can be erased.

The log says SHA-256(salt || digest) of a row. The salt (16 random bytes) and the digest lie here, with the row's name in the
data set it came from. Once they are deleted, the commitment can be tied to no row, even by one who guesses its content.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.ledger.index import CACHE, PATIENCE, Index

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

SALT = 16  # bytes: 128 bits, beyond guessing
BATCH = 500  # parameters of one SQL statement
MANY = 20 * BATCH  # digests beyond which one pass over the table is quicker than questions
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # what SQLite says of a file that is none, or is one no longer


def commitments(digests: UInt8) -> tuple[list[bytes], bytes]:
    """(a salt for each, the commitments one after another) for (n, 32) digests."""
    n = len(digests)
    random, data = os.urandom(SALT * n), np.ascontiguousarray(digests).tobytes()
    salts = [random[SALT * i : SALT * i + SALT] for i in range(n)]
    return salts, b"".join([sha256(salts[i] + data[32 * i : 32 * i + 32]).digest() for i in range(n)])


def fits(digest: object, salt: object, commitment: bytes) -> bool:
    """Whether digest and salt are what the log has committed to.

    >>> fits(b"d" * 32, b"s" * 16, sha256(b"s" * 16 + b"d" * 32).digest()), fits(None, b"s" * 16, b"")
    (True, False)
    """
    return isinstance(digest, bytes) and isinstance(salt, bytes) and sha256(salt + digest).digest() == commitment


class Openings:
    """Salts, digests and names of rows in the SQLite file at `path`. Every method raises DataError where that is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        with self._whole():
            self.db.execute(f"pragma cache_size = -{CACHE}")
            self.db.execute("pragma secure_delete = on")  # what is erased is overwritten
            self.db.execute("create table if not exists openings (row integer primary key, digest blob, salt blob, key text)")
            self.db.execute("create index if not exists by_digest on openings (digest)")

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if (error.sqlite_errorcode or 0) & 0xFF not in DAMAGED:
                raise
            raise DataError(
                f"is damaged ({error}): rows cannot be traced without it, and the log itself is not touched by this",
                path=self.path,
                remedy="bring it back from the backup of the ledger's private folder",
            ) from error

    def close(self) -> None:
        self.db.close()

    def keep(self, first: int, digests: UInt8, salts: Sequence[bytes], keys: Sequence[str]) -> None:
        """Durable on return: rows first, first + 1, ..."""
        data = np.ascontiguousarray(digests).tobytes()
        rows = ((first + i, data[32 * i : 32 * i + 32], salts[i], keys[i]) for i in range(len(salts)))
        with self._whole():
            self.db.execute("begin immediate")
            self.db.executemany("insert or replace into openings values (?, ?, ?, ?)", rows)
            self.db.execute("commit")

    def rows_of(self, digests: Sequence[bytes]) -> dict[bytes, list[int]]:
        """The row numbers under which these digests were kept, ascending."""
        return {digest: [row for row, _ in held] for digest, held in self.held(digests).items()}

    def held(self, digests: Sequence[bytes]) -> dict[bytes, list[tuple[int, bytes]]]:
        """(row number, salt) of the rows under which these digests were kept, by row number."""
        found: dict[bytes, list[tuple[int, bytes]]] = {}
        wanted = list(dict.fromkeys(digests))
        with self._whole():
            if len(wanted) > MANY:
                few = set(wanted)
                for row, digest, salt in self.db.execute("select row, digest, salt from openings order by row"):
                    if digest in few:
                        found.setdefault(digest, []).append((row, salt))
                return found
            for start in range(0, len(wanted), BATCH):
                part = wanted[start : start + BATCH]
                query = f"select row, digest, salt from openings where digest in ({','.join('?' * len(part))}) order by row"
                for row, digest, salt in self.db.execute(query, part):
                    found.setdefault(digest, []).append((row, salt))
        return found

    def committed(self, digests: Set[bytes] | None, index: Index, *, removed: bool = False) -> Generator[tuple[int, bytes, bytes, bytes]]:
        """(row, digest, salt, commitment) of the rows with these digests (None: of all), by row for each digest.

        Rows that were `removed` are among them where asked for. What the log committed to comes from `index`. One pass over both
        tables where most of them are asked for.
        """
        if digests is not None and len(digests) <= MANY:
            held = self.held(list(digests))
            commitments = index.commitments(np.array([row for rows in held.values() for row, _ in rows], np.int64), removed=removed)
            for digest, rows in held.items():
                yield from ((row, digest, salt, commitments[row]) for row, salt in rows if row in commitments)
            return
        self.db.execute("attach database ? as state", (str(index.path),))
        try:
            with self._whole():
                yield from self._joined(digests, removed)
        finally:
            self.db.execute("detach database state")

    def _joined(self, digests: Set[bytes] | None, removed: bool) -> Iterator[tuple[int, bytes, bytes, bytes]]:
        both = "openings o cross join state.rows r on r.row = o.row where r.removed is null or ? order by o.row"
        with closing(self.db.execute(f"select o.row, o.digest, o.salt, r.commitment from {both}", (removed,))) as every:
            yield from every if digests is None else (found for found in every if found[1] in digests)

    def names(self) -> dict[int, str]:
        """What each row was called in the data set it came from."""
        with self._whole():
            return dict(self.db.execute("select row, key from openings").fetchall())

    def of(self, row: int) -> tuple[bytes, bytes, str] | None:
        """(digest, salt, name) of a row, or None where it was erased."""
        with self._whole():
            found = self.db.execute("select digest, salt, key from openings where row = ?", (row,)).fetchone()
        return None if found is None else (found[0], found[1], found[2])

    def erase(self, rows: Int) -> int:
        """How many there were to forget."""
        with self._whole():
            self.db.execute("begin immediate")
            before = self.db.total_changes
            self.db.executemany("delete from openings where row = ?", [(row,) for row in rows.tolist()])
            self.db.execute("commit")
            return self.db.total_changes - before
