"""What the reader of a data set may find wrong, said so that its owner can mend it."""

from __future__ import annotations

import errno
import pickle
import struct
import tokenize
import zipfile
import zlib

# what zipfile, zlib, NumPy's headers and a pickle's reader raise on damaged bytes; NotImplementedError and RuntimeError: a compression or a
# password that zipfile does not have
DAMAGE: tuple[type[Exception], ...] = (ValueError, OSError, EOFError, KeyError, IndexError, TypeError, AttributeError, SyntaxError)
DAMAGE += (OverflowError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError)
DAMAGE += (pickle.UnpicklingError,)


def short_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, which says nothing about the data: libraries say so as MemoryError, or as the system's ENOMEM.

    >>> short_of_memory(MemoryError()), short_of_memory(OSError(errno.ENOMEM, "mmap")), short_of_memory(ValueError())
    (True, True, False)
    """
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


class DataError(Exception):
    """The request or the data is wrong (exit 2): one message that names file, row, column and remedy.

    >>> str(DataError("label column 'y' not found", path="a.csv", remedy="name one of: text, label"))
    "a.csv: label column 'y' not found. Remedy: name one of: text, label"
    >>> str(DataError("not UTF-8", path="a.csv", row=7, column="text"))
    "a.csv, row 7, column 'text': not UTF-8"
    """

    def __init__(
        self,
        problem: str,
        *,
        path: object = None,
        row: int | None = None,
        column: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.path, self.row, self.column, self.remedy = problem, path, row, column, remedy
        place = [str(path)] if path is not None else []
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        where = ", ".join(place)
        said = (f"{where}: " if where else "") + problem + (f". Remedy: {remedy}" if remedy else "")
        super().__init__(" ".join(said.splitlines()))  # libraries' own messages come in several lines

    def at(self, path: object, row: int | None) -> DataError:
        """The same, of a row of a file: who finds an error in rows that it was given does not know where they are from.

        >>> str(DataError("1.5 is no probability", row=2, column="sure").at("a.csv", 4002))
        "a.csv, row 4002, column 'sure': 1.5 is no probability"
        """
        return DataError(self.problem, path=path, row=row, column=self.column, remedy=self.remedy)
