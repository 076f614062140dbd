"""Plain text: shards with one document a line, compressed or not, and folders with one document a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from assay.dataset.compressed import create_plain, damaged, lines_without, open_plain
from assay.dataset.edits import Edit, Gone
from assay.dataset.errors import DataError
from assay.dataset.formats.base import (
    BATCH_ROWS,
    BESIDE,
    Batch,
    FileFormat,
    Format,
    Int,
    Layout,
    UInt8,
    suffix,
    visible_files,
    visible_names,
)
from assay.dataset.limits import Limits

COLUMN = "text"
PLAIN = (".txt", ".text")
BOM = b"\xef\xbb\xbf"
WHOLE = 32_768  # bytes: where no file of a folder is longer, each is a document; shards with a document a line are longer
TOGETHER = 64 << 20  # bytes of one batch, at most


class TextLines(FileFormat):
    """One column, `text`: every line that is not blank is a document."""

    name = "text"
    suffixes: ClassVar[tuple[str, ...]] = tuple(p + c for p in PLAIN for c in ("", ".gz", ".zst"))

    def sniff(self, path: Path) -> bool:
        if not path.is_dir():
            return self.sniff_file(path)
        names = visible_names(path)
        return any(suffix(n) in self.suffixes for n in names) and all(suffix(n) in (*self.suffixes, *BESIDE) for n in names)

    def file_batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        texts: list[str] = []
        first = held = 0
        note = (f"{path.name}: one document a line.",)
        try:
            with open_plain(path) as file:
                while line := file.readline(limits.line + 1):
                    if len(line) > limits.line:
                        raise _too_long(path, first + len(texts), limits)
                    if not line.strip():
                        continue
                    texts.append(_decoded(line.removeprefix(BOM) if not first and not texts else line, path, first + len(texts)))
                    held += len(line)
                    if len(texts) == BATCH_ROWS or held > TOGETHER:
                        yield Batch(pa.table({COLUMN: pa.array(texts, pa.string())}), len(texts), notes=note)
                        first, held, texts = first + len(texts), 0, []
        except OSError as error:
            raise damaged(path, first + len(texts), error) from error
        if texts:
            yield Batch(pa.table({COLUMN: pa.array(texts, pa.string())}), len(texts), notes=note)

    def file_without(self, path: Path, limits: Limits) -> tuple[int, Callable[[Int], Edit]]:
        return lines_without(path)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        if images is not None or table.column_names != [COLUMN]:
            raise DataError(f"plain text holds one column {COLUMN!r}", path=out.name, remedy="write JSON lines or Parquet")
        with create_plain(out) as file:
            for text in table.column(COLUMN).to_pylist():
                file.write((" ".join((text or "").splitlines()) or " ").encode() + b"\n")
        return Layout()


class TextFiles(Format):
    """A folder of short files, each a document: the passages behind a search. Columns: `text`; the key is the relative path."""

    name = "text-files"
    suffixes: ClassVar[tuple[str, ...]] = (*PLAIN, ".md")

    def sniff(self, path: Path) -> bool:
        if not path.is_dir():
            return False
        names = visible_names(path)
        return len(names) > 1 and all(suffix(n) in self.suffixes and (path / n).stat().st_size <= WHOLE for n in names)

    def batches(self, path: Path, limits: Limits) -> Iterator[Batch]:
        names = visible_names(path)
        for start in range(0, len(names), BATCH_ROWS):
            some = names[start : start + BATCH_ROWS]
            texts = [_decoded((path / n).read_bytes().removeprefix(BOM), path / n, start + i) for i, n in enumerate(some)]
            table = pa.table({COLUMN: pa.array(texts, pa.string())})
            yield Batch(table, len(some), keys=some, total=len(names), notes=("Every file of the folder is one document.",))

    def without(self, path: Path, drop: Int, limits: Limits) -> tuple[list[Edit], int]:
        files = visible_files(path)
        return [Gone(files[i]) for i in drop.tolist()], len(files)

    def write(self, table: pa.Table, images: UInt8 | None, out: Path) -> Layout:
        if images is not None or table.column_names != [COLUMN]:
            raise DataError(f"text files hold one column {COLUMN!r}", path=out.name, remedy="write JSON lines or Parquet")
        width = len(str(max(table.num_rows - 1, 0)))
        names = tuple(f"{i:0{width}d}.txt" for i in range(table.num_rows))
        out.mkdir()
        for name, text in zip(names, table.column(COLUMN).to_pylist(), strict=True):
            (out / name).write_bytes((text or "").encode())
        return Layout(key=names)


def _decoded(line: bytes, path: Path, row: int) -> str:
    try:
        return line.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"not UTF-8: byte 0x{line[error.start]:02x} at byte {error.start:,} of the document",
            path=path,
            row=row,
            remedy="save it as UTF-8, for instance: iconv -f WINDOWS-1252 -t UTF-8 OLD.txt > NEW.txt",
        ) from error


def _too_long(path: Path, row: int, limits: Limits) -> DataError:
    return DataError(
        f"a line of more than {limits.line:,} bytes",
        path=path,
        row=row,
        remedy="check that each document ends with a line feed, or give a larger Limits(line=...)",
    )
