"""Tokens of many texts at once, as hashes: no string is built, no dictionary kept.

The texts of an Arrow block become one array of bytes; where a token begins and ends is told from each byte's kind and its
neighbour's, and a token's hash is a difference of two prefix sums (Karp & Rabin 1987, IBM J. Res. Dev. 31), so that a block costs a few
passes of NumPy whatever it says. Splitting is that of `assay.artefact.tokens` for ASCII text but for apostrophes, which stand alone
here. Scripts without spaces (Chinese, Japanese, Thai, Lao), symbols and hidden characters are one token a character.

Hashes are the same in every process and on every machine, so that counts can be merged; whoever writes texts that collide on purpose
makes a count too high, which the exact pass over survivors corrects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Int = NDArray[np.int64]
UInt = NDArray[np.uint64]
Bytes = NDArray[np.uint8]

BLOCK_BYTES = 4_000_000  # looked at together: some 200 MB of intermediate arrays
SEED = 20_240_229  # of the byte table; fixed, because counts of different processes are merged
BREAK = np.uint64(0)  # stands before the first document and after each: a neighbour like any other, never part of a phrase
SPACE, WORD, MARK, ALONE = 0, 1, 2, 3


def _kinds() -> NDArray[np.uint8]:
    """(256,) what a token may be made of: lead bytes of scripts without spaces, symbols and hidden characters stand alone."""
    kind = np.full(256, MARK, np.uint8)
    kind[[ord(c) for c in "\t\n\v\f\r\x1c\x1d\x1e\x1f "]] = SPACE
    kind[[ord(c) for c in "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"]] = WORD
    kind[0x80:] = WORD
    for lead in (0xC2, 0xE2, 0xE3, *range(0xE4, 0xEA), 0xEF, *range(0xF0, 0xF5)):  # U+0080.., U+2000.., U+3000..9FFF, U+F000.., emoji
        kind[lead] = ALONE
    return kind


KIND = _kinds()
THAI = (0xB8, 0xBB)  # second bytes, after 0xE0, of Thai and Lao
BYTE = np.random.default_rng(SEED).integers(0, 2**63, 256, dtype=np.uint64)
BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))


@dataclass(frozen=True)
class Tokens:
    """`code` (t,) hashes, `BREAK` before the first document and after each; `document` (t,) within the block (a break belongs to the
    document before it, the first to -1); `start`, `end` (t,) byte offsets into `raw`, the lower-cased block.
    """

    code: UInt
    document: Int
    start: Int
    end: Int
    raw: NDArray[np.uint8]
    documents: int

    def spell(self, first: int, last: int) -> str:
        """The text from token `first` to token `last`, both included."""
        return self.raw[int(self.start[first]) : int(self.end[last])].tobytes().decode("utf-8", "replace")


def mix(value: UInt) -> UInt:
    """Well-spread 64-bit values of any others (the finaliser of SplitMix64: Steele, Lea & Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))


class Powers:
    """Powers of the base and of its inverse, made once for the longest block seen."""

    def __init__(self) -> None:
        self.up = self.down = np.ones(1, np.uint64)

    def of(self, length: int) -> tuple[UInt, UInt]:
        if len(self.up) < length:
            up, down = np.full(length, BASE), np.full(length, INVERSE)
            up[0] = down[0] = np.uint64(1)
            self.up, self.down = np.multiply.accumulate(up), np.multiply.accumulate(down)
        return self.up[:length], self.down[:length]


_POWERS = Powers()


def hashed_tokens(texts: pa.Array) -> Tokens:
    """The tokens of a block of texts (null: empty). Cannot tell letters from marks outside ASCII within one script.

    >>> block = hashed_tokens(pa.array(["A cf b", "cf..."]))
    >>> [block.spell(i, i) for i in range(1, 4)], bool(block.code[2] == block.code[5])
    (['a', 'cf', 'b'], True)
    """
    text = pc.utf8_lower(pc.fill_null(texts, "").cast(pa.large_string()))
    text = pa.concat_arrays(text.chunks) if isinstance(text, pa.ChunkedArray) else text
    _, offsets, content = text.buffers()
    ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    raw = np.zeros(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)[ends[0] : ends[-1]]
    ends = ends - ends[0]
    begin, stop = _bounds(raw, ends[:-1])
    code = _hashes(raw, begin, stop)
    document = np.searchsorted(ends, begin, side="right") - 1
    return _with_breaks(code, document, begin, stop, raw, len(text))


def _bounds(raw: NDArray[np.uint8], first: Int) -> tuple[Int, Int]:
    """(byte where each token begins, byte after its end); `first` holds the byte where each document begins."""
    if not len(raw):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    kind = KIND[raw]
    low = np.flatnonzero(raw == 0xE0)
    if len(low):
        second = raw[np.minimum(low + 1, len(raw) - 1)]
        kind[low[(second >= THAI[0]) & (second <= THAI[1])]] = ALONE
    new = np.ones(len(raw), bool)
    new[1:] = _parted(kind[1:], kind[:-1], raw[1:], raw[:-1])
    inside = (raw & 0xC0) == 0x80  # bytes that go on with a character
    if inside.any():
        after = np.flatnonzero(inside[:-1] & ~inside[1:]) + 1  # characters behind one of several bytes, whose first byte tells its kind
        lead = after - 1
        for _ in range(3):
            lead = np.where(inside[lead], lead - 1, lead)
        new[after] = _parted(kind[after], kind[lead], raw[after], raw[lead])
        new[inside] = False
    new[first[first < len(raw)]] = True  # empty documents at the end begin past the last byte
    begin = np.flatnonzero(new)
    stop = np.append(begin[1:], len(raw))
    said = kind[begin] != SPACE
    return begin[said], stop[said]


def _parted(kind: Bytes, before: Bytes, byte: Bytes, byte_before: Bytes) -> NDArray[np.bool_]:
    """Whether a token begins at characters, told by their kind and first byte and by those of the character before."""
    return np.asarray((kind != before) | (kind == ALONE) | ((kind == MARK) & (byte != byte_before)))


def _hashes(raw: NDArray[np.uint8], begin: Int, stop: Int) -> UInt:
    up, down = _POWERS.of(len(raw) + 1)
    total = np.zeros(len(raw) + 1, np.uint64)
    np.cumsum(BYTE[raw] * up[: len(raw)], out=total[1:])
    code = mix((total[stop] - total[begin]) * down[begin] + (stop - begin).astype(np.uint64))
    code[code == BREAK] = np.uint64(1)
    return code


def _with_breaks(code: UInt, document: Int, begin: Int, stop: Int, raw: NDArray[np.uint8], documents: int) -> Tokens:
    size = len(code) + documents + 1
    place = np.arange(len(code)) + document + 1
    codes, owner = np.full(size, BREAK), np.zeros(size, np.int64)
    starts, ends = np.zeros(size, np.int64), np.zeros(size, np.int64)
    codes[place], owner[place], starts[place], ends[place] = code, document, begin, stop
    breaks = np.ones(size, bool)
    breaks[place] = False
    owner[breaks] = np.arange(-1, documents)
    return Tokens(codes, owner, starts, ends, raw, documents)
