"""The metadata of a GGUF file: keys and values in front of the weights, among them a chat template that the runtime renders.

Read by the published layout (ggml-org, GGUF specification, versions 2 and 3, little-endian), within bounds; the weights are not touched.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from assay.dataset.errors import DAMAGE, DataError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS = 100_000
LONGEST = 16 << 20  # bytes of one text: templates have a few thousand
MOST_ITEMS = 10_000_000  # of an array: vocabularies have a few hundred thousand
NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
TEXT, ARRAY = 8, 9
TEMPLATES = "tokenizer.chat_template"  # the key, or the beginning of it: a file may hold several by name


def templates(path: Path) -> dict[str, str]:
    """The chat templates by their key. DataError where the metadata cannot be read to its end."""
    try:
        with path.open("rb") as file:
            return {key: value for key, value in _metadata(file).items() if key.startswith(TEMPLATES) and isinstance(value, str)}
    except DAMAGE as error:
        raise DataError(f"its metadata cannot be read ({error})", path=path, remedy="get the file again") from error


def _metadata(file: BinaryIO) -> dict[str, Any]:
    """Texts and numbers by key; of arrays only how long they are."""
    magic, version, _, count = struct.unpack("<4sIQQ", _exactly(file, 24))
    if magic != MAGIC or version not in VERSIONS:
        raise ValueError(f"version {version} of the format, and {VERSIONS} are known")
    if count > MOST_KEYS:
        raise ValueError(f"{count:,} keys")
    return {_text(file): _value(file, _number(file, "<I")) for _ in range(count)}


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == TEXT:
        return _text(file)
    if kind != ARRAY:
        return _number(file, NUMBERS[kind])
    inner, count = _number(file, "<I"), _number(file, "<Q")
    if count > MOST_ITEMS or inner == ARRAY:
        raise ValueError(f"an array of {count:,} values of kind {inner}")
    if inner == TEXT:
        for _ in range(count):
            _text(file)
    else:
        file.seek(count * struct.calcsize(NUMBERS[inner]), 1)
    return count


def _text(file: BinaryIO) -> str:
    length = _number(file, "<Q")
    if length > LONGEST:
        raise ValueError(f"a text of {length:,} bytes")
    return _exactly(file, length).decode("utf-8", "replace")


def _number(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, _exactly(file, struct.calcsize(form)))[0]


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("the file ends within its metadata")
    return data
