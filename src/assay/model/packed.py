"""Compressed files, unpacked within bounds: those that joblib writes, and what people pack by hand."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path

LARGEST = 1 << 30  # bytes, unpacked
READ = 4096  # bytes of a packed file from which its first ones are told
ZLIB_LEVELS = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "xz", b"]\x00": "xz"} | dict.fromkeys(ZLIB_LEVELS, "zlib")


def how_packed(data: bytes) -> str:
    """One of gzip, bz2, xz and zlib; "" where it is none of these.

    >>> how_packed(zlib.compress(b"weights", 3)), how_packed(b"weights")
    ('zlib', '')
    """
    return next((name for magic, name in COMPRESSED.items() if data.startswith(magic)), "")


def unpacked(data: bytes) -> tuple[bytes, str]:
    """The bytes within, and how they were packed; `data` itself and "" where they are not, or cannot be read."""
    how = how_packed(data)
    try:
        if how == "zlib":
            return zlib.decompressobj().decompress(data, LARGEST), how
        if how == "gzip":
            return gzip.GzipFile(fileobj=io.BytesIO(data)).read(LARGEST), how
        if how == "bz2":
            return bz2.BZ2File(io.BytesIO(data)).read(LARGEST), how
        if how == "xz":
            return lzma.LZMAFile(io.BytesIO(data)).read(LARGEST), how
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return data, ""
    return data, ""


def first_bytes(path: Path, count: int = 16) -> bytes:
    """The first of a file, of a packed one those within."""
    with path.open("rb") as file:
        data = file.read(READ)
    how = how_packed(data)
    try:
        if how in ("zlib", "gzip"):
            return zlib.decompressobj(wbits=47).decompress(data, count)  # 47: either, told by the header
        if how == "bz2":
            return bz2.BZ2Decompressor().decompress(data, count)
        if how == "xz":
            return lzma.LZMADecompressor().decompress(data, count)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return data[:count]
    return data[:count]
