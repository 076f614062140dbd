"""The digest of a record: SHA-256 over its canonical encoding "assay.row/1", which docs/formats.md specifies byte by
byte.

Equal digests mean equal values under equal column names, whatever file format held them, whatever rows stood beside
them and whatever a column was used for. A whole number is the same as a float or as an integer; null is the same as
absent; a picture is its decoded pixels. What it cannot see: the order of columns, file names, how a picture or a number
was written.

    record   = "assay.row/1" 0x00, u64 number of columns, then for each column that is not null, by the UTF-8 bytes of
    its name:
               u32 length of the name, the name, value
    value    = tag (1 byte), word (8 bytes), payload;  all numbers big-endian
    z null (inside lists only): 0       b boolean: 0 or 1              n not a number: 0
    i whole number in [-2^63, 2^63): two's complement                  f any other float: IEEE 754 binary64
    I whole number outside: length, decimal digits                     d decimal fraction: length, digits without
    trailing zeros s string: length, UTF-8             y bytes: length, the bytes     t date or time: length, ISO 8601
    text l list: number of items, values     m struct: number of fields, fields as in a record
    p picture: 32, SHA-256 of (u32 height, u32 width, u32 channels, pixels row by row)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import pack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Int = NDArray[np.int64]

VERSION = b"assay.row/1\x00"
PICTURE = "image"  # the name under which a picture is encoded, whatever its column or folder was called
CHUNK = 8192  # rows encoded together: a few MB of scratch
HEAD = 9  # tag and word

NOTHING = sha256(b"").digest()  # stands for a record that could not be read


@dataclass(frozen=True)
class Encoded:
    """m values: `head` (m, 9) tag and word; `payload` the bytes that follow; `present` (m,) False where the value is
    null.
    """

    head: UInt8
    payload: tuple[bytes | memoryview, Int] | None
    present: NDArray[np.bool_] | None


def row_digests(table: pa.Table, pictures: UInt8 | None = None) -> UInt8:
    """(n, 32) SHA-256 of each row over all its columns. `pictures` (n, 32) are `picture_hash`es."""
    n = len(pictures) if pictures is not None else table.num_rows
    out = np.empty((n, 32), np.uint8)
    order = sorted(table.column_names, key=lambda name: str(name).encode())
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        part = table.slice(start, stop - start)
        fields = [(name, _encode(_one(part.column(name)))) for name in order]
        if pictures is not None:
            fields = [field for field in fields if field[0] != PICTURE] + [(PICTURE, _pictures(pictures[start:stop]))]
            fields.sort(key=lambda field: field[0].encode())
        rows, count = _join(fields, stop - start)
        words = count.astype(">u8").tobytes()
        digests = [sha256(VERSION + words[8 * i : 8 * i + 8] + row).digest() for i, row in enumerate(rows)]
        out[start:stop] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    return out


def picture_hash(pixels: UInt8) -> bytes:
    """SHA-256 of a picture (h, w, c): of its shape and pixels. Three equal channels count as one, so grey is grey
    however held.
    """
    if pixels.shape[2] == 3:
        first = pixels[..., 0]
        if np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2]):
            pixels = pixels[..., :1]
    return sha256(pack(">III", *pixels.shape) + np.ascontiguousarray(pixels).tobytes()).digest()


def content_digests(table: pa.Table, content: Sequence[str], pictures: UInt8 | None = None) -> UInt8:
    """(n, 32) the same over the content alone: equal for rows that are the same to a model, whatever their labels and
    sources.
    """
    return row_digests(table.select(list(content)), pictures)


def _one(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array if isinstance(array, pa.Array) else array.chunk(0)


def _pictures(hashes: UInt8) -> Encoded:
    m = len(hashes)
    return Encoded(_head("p", np.full(m, 32)), (hashes.tobytes(), np.arange(m + 1) * 32), None)


def _head(tag: str | UInt8, word: NDArray[Any]) -> UInt8:
    head = np.empty((len(word), HEAD), np.uint8)
    head[:, 0] = ord(tag) if isinstance(tag, str) else tag
    head[:, 1:] = word.astype(">i8").view(np.uint8).reshape(-1, 8)
    return head


def _join(fields: Sequence[tuple[str, Encoded]], m: int) -> tuple[list[bytes], Int]:
    """The fields of each of m records one after another (nulls left out), and how many each has.

    Fields of fixed width that stand side by side are laid out as one matrix, from which nulls are cut in one step.
    """
    count = np.zeros(m, np.int64)
    runs: list[tuple[bytes | memoryview, list[int]]] = []
    fixed: list[tuple[UInt8, NDArray[np.bool_] | None]] = []

    def close_run() -> None:
        if not fixed:
            return
        width = sum(part.shape[1] for part, _ in fixed)
        matrix = np.hstack([part for part, _ in fixed])
        if all(present is None for _, present in fixed):
            offsets = np.arange(m + 1) * width
            runs.append((matrix.tobytes(), offsets.tolist()))
        else:
            mask = np.hstack([_mask(present, part.shape) for part, present in fixed])
            offsets = np.concatenate(([0], np.cumsum(mask.sum(axis=1))))
            runs.append((matrix[mask].tobytes(), offsets.tolist()))
        fixed.clear()

    for name, values in fields:
        label = name.encode()
        prefix = np.frombuffer(pack(">I", len(label)) + label, np.uint8)
        block = np.empty((m, len(prefix) + HEAD), np.uint8)
        block[:, : len(prefix)] = prefix
        block[:, len(prefix) :] = values.head
        fixed.append((block, values.present))
        count += 1 if values.present is None else values.present
        if values.payload is not None:
            close_run()
            data, offsets = values.payload
            runs.append((data, offsets.tolist()))
    close_run()
    if len(runs) == 1:
        data, where = runs[0]
        return [bytes(data[where[i] : where[i + 1]]) for i in range(m)], count
    return [b"".join([data[where[i] : where[i + 1]] for data, where in runs]) for i in range(m)], count


def _mask(present: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if present is None:
        return np.ones(shape, np.bool_)
    return np.broadcast_to(present[:, None], shape)


def _encode(array: pa.Array) -> Encoded:
    """A column's values. Raises TypeError for an Arrow type that has no encoding."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _encode(array.dictionary_decode())
    present = None if array.null_count == 0 else np.asarray(array.is_valid())
    if pa.types.is_null(kind):
        return Encoded(_head("z", np.zeros(len(array), np.int64)), None, np.zeros(len(array), np.bool_))
    if pa.types.is_boolean(kind):
        return Encoded(_head("b", np.asarray(array.fill_null(False)).astype(np.int64)), None, present)
    if pa.types.is_uint64(kind) and (pc.max(array).as_py() or 0) >= 2**63:
        return _decimals(array.cast(pa.decimal128(20, 0)), present)
    if pa.types.is_integer(kind):
        return Encoded(_head("i", np.asarray(array.fill_null(0)).astype(np.int64)), None, present)
    if pa.types.is_floating(kind):
        return Encoded(_floats(np.asarray(array.cast(pa.float64()).fill_null(0.0))), None, present)
    if pa.types.is_decimal(kind):
        return _decimals(array, present)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _texts("s", array, present)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return _texts("y", array, present)
    if pa.types.is_fixed_size_binary(kind):
        return _texts("y", array.cast(pa.binary()), present)
    if pa.types.is_temporal(kind):
        return _texts("t", _iso(array), present)
    if pa.types.is_struct(kind):
        return _structs(array, present)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_map(kind):
        return _lists(array, present)
    raise TypeError(f"the Arrow type {kind} has no canonical encoding")


def _floats(values: NDArray[np.float64]) -> UInt8:
    with np.errstate(invalid="ignore"):
        whole = (np.floor(values) == values) & (values >= -(2.0**63)) & (values < 2.0**63)
        integers = np.where(whole, values, 0.0).astype(np.int64)
    missing = np.isnan(values)
    word = np.where(whole, integers, np.where(missing, 0, values.view(np.int64)))
    tag = np.where(whole, ord("i"), np.where(missing, ord("n"), ord("f"))).astype(np.uint8)
    return _head(tag, word)


def _texts(tag: str, array: pa.Array, present: NDArray[np.bool_] | None) -> Encoded:
    binary = array.cast(pa.large_string() if tag == "s" else array.type).cast(pa.large_binary())
    if binary.null_count:
        binary = binary.fill_null(b"")
    _, offset_buffer, data_buffer = binary.buffers()
    offsets = (
        np.frombuffer(offset_buffer, np.int64)[binary.offset : binary.offset + len(binary) + 1] if len(binary) else np.zeros(1, np.int64)
    )
    data = memoryview(data_buffer) if data_buffer is not None else b""
    return Encoded(_head(tag, np.diff(offsets)), (data, offsets), present)


def _decimals(array: pa.Array, present: NDArray[np.bool_] | None) -> Encoded:
    values = array.to_pylist()
    words, tags, texts = [], [], []
    for value in values:
        whole = value is not None and value == value.to_integral_value()
        if value is None or (whole and -(2**63) <= value < 2**63):
            tags.append(ord("i"))
            words.append(0 if value is None else int(value))
            texts.append(b"")
        else:
            text = (str(int(value)) if whole else format(value.normalize(), "f")).encode()
            tags.append(ord("I" if whole else "d"))
            words.append(len(text))
            texts.append(text)
    offsets = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.int64)
    return Encoded(_head(np.array(tags, np.uint8), np.array(words, np.int64)), (b"".join(texts), offsets), present)


def _iso(array: pa.Array) -> pa.Array:
    """Dates and times as ISO 8601: `T` between them, `Z` for a moment with a zone (told in UTC), no trailing zeros."""
    kind = array.type
    zone = pa.types.is_timestamp(kind) and kind.tz is not None
    if pa.types.is_duration(kind):  # a length of time: seconds
        nanoseconds = array.cast(pa.duration("ns")).cast(pa.int64()).to_pylist()
        return pa.array([None if v is None else _seconds(v) for v in nanoseconds], pa.string())
    if zone:
        array = array.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.timestamp(kind.unit))
    text = array.cast(pa.string())
    text = pc.replace_substring_regex(text, r"(\.[0-9]*?)0+$", r"\1")
    text = pc.utf8_rtrim(pc.replace_substring(text, " ", "T", max_replacements=1), ".")
    return pc.binary_join_element_wise(text, pa.scalar("Z"), "") if zone else text


def _seconds(nanoseconds: int) -> str:
    sign, size = "-" if nanoseconds < 0 else "", abs(nanoseconds)
    fraction = f"{size % 10**9:09d}".rstrip("0")
    return f"PT{sign}{size // 10**9}{'.' + fraction if fraction else ''}S"


def _values(values: Encoded, m: int) -> tuple[bytes, Int]:
    """Values one after another, nulls as `z`, with their offsets."""
    head = values.head
    if values.present is not None:
        head = head.copy()
        head[~values.present] = _head("z", np.zeros(1, np.int64))
    if values.payload is None:
        return head.tobytes(), np.arange(m + 1, dtype=np.int64) * HEAD
    data, offsets = values.payload
    heads = head.tobytes()
    where = offsets.tolist()
    flat = b"".join([x for i in range(m) for x in (heads[HEAD * i : HEAD * i + HEAD], bytes(data[where[i] : where[i + 1]]))])
    return flat, np.arange(m + 1, dtype=np.int64) * HEAD + (offsets - offsets[0])


def _lists(array: pa.Array, present: NDArray[np.bool_] | None) -> Encoded:
    if pa.types.is_map(array.type):
        array = array.cast(pa.list_(pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])))
    if present is not None:  # what lies under a null must not be read as its items
        array = pc.if_else(pa.array(present), array, pa.scalar([], array.type)) if not pa.types.is_fixed_size_list(array.type) else array
    lengths = np.asarray(pc.list_value_length(array).fill_null(0)).astype(np.int64)
    if present is not None:
        lengths = np.where(present, lengths, 0)
    items = array.flatten()
    flat, where = _values(_encode(items), len(items))
    edges = np.concatenate(([0], np.cumsum(lengths)))
    return Encoded(_head("l", lengths), (flat, where[edges]), present)


def _structs(array: pa.Array, present: NDArray[np.bool_] | None) -> Encoded:
    names = sorted({field.name for field in array.type}, key=lambda name: str(name).encode())
    rows, count = _join([(name, _encode(pc.struct_field(array, name))) for name in names], len(array))
    if present is not None:
        rows = [row if here else b"" for row, here in zip(rows, present.tolist(), strict=True)]
    offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    return Encoded(_head("m", count), (b"".join(rows), offsets), present)
