"""Near-duplicate texts: hashed shingles, MinHash, banding.

Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", section 3.4. All hash functions are drawn from the caller's generator, so that nobody can write texts that
collide by design.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.engine.base import spans
from assay.learn.threads import spread
from assay.screen.copies import join_pairs
from assay.stats.lookup import SPREAD

Int = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Texts: TypeAlias = pa.Array | pa.ChunkedArray

# Bytes a shingle: a word and its neighbour's beginning. Shorter ones are shared by unrelated texts, longer ones break
# with every typo.
SHINGLE = 7
# 8 bands of 4 hashes: a pair of resemblance .8 meets in some band with probability .98, one of .7 with .89, one of .3
# with .06.
BANDS, ROWS_A_BAND = 8, 4
# Resemblance (Jaccard) from which two texts count as near duplicates.
ALIKE = 0.7
# Hashes used to check a met pair: resemblance to +-.04.
CHECK_HASHES = 128
# Pairs compared at once: 20 MB.
PAIRS_AT_ONCE = 100_000
# Shorter texts have too few shingles to resemble anything by more than chance.
FEWEST_SHINGLES = 10
# Texts hashed in one piece of work: a second or so.
BLOCK = 20_000
# Blocks whose hashes are held before they are put in their place.
TOGETHER = 64
# Bytes hashed at a time: what is made of them stays in the processor's cache, which is two and a half times as fast.
BLOCK_BYTES = 65_536
# Check hashes made at a time: after the first 64, a pair that can no longer reach `ALIKE` is let go of.
CHECK_STEPS = (64, 32, 32)


def near_text_groups(texts: Texts, rng: np.random.Generator) -> Int:
    """(n,) group numbers of texts that resemble one another by about `ALIKE` or more, through chains too.

    Case and white space are not told apart. Each text is compared with its two neighbours in every bucket it falls
    into, so cost is linear; texts far apart in a crowded bucket are joined through the ones between. Cannot see
    paraphrases, translations, or a short text inside a long one.
    """
    folded = _folded(texts)
    alone = _numbered(folded)  # distinct texts are numbered by their first appearance
    first = np.zeros(int(alone.max(initial=-1)) + 1, np.int64)
    first[alone[::-1]] = np.arange(len(alone))[::-1]
    distinct = folded if len(first) == len(alone) else _some(folded, first)
    del folded  # texts without their copies are all that is needed on
    hashes = _hash_functions(BANDS * ROWS_A_BAND, rng)
    signature, shingles = _in_blocks(distinct, hashes, rng_multipliers(rng))
    long = np.flatnonzero(shingles >= FEWEST_SHINGLES)
    left, right = _meeting_pairs(signature if len(long) == len(signature) else signature[long])
    left, right = long[left], long[right]
    del signature
    if len(left):
        alike = _alike(distinct, left, right, _hash_functions(CHECK_HASHES, rng), rng_multipliers(rng))
        left, right = left[alike], right[alike]
    return join_pairs(len(distinct), left, right)[alone]


def _alike(texts: pa.ChunkedArray, left: Int, right: Int, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> NDArray[np.bool_]:
    """(pairs,) which agree in so many of all `hashes`; those that cannot any more are not hashed to the end."""
    total, made = len(hashes[0]), 0
    least = int(np.ceil(ALIKE * total))
    agreed, open_ = np.zeros(len(left), np.int64), np.arange(len(left))
    for step in CHECK_STEPS:
        involved, back = np.unique(np.r_[left[open_], right[open_]], return_inverse=True)
        check, _ = _in_blocks(_some(texts, involved), (hashes[0][made : made + step], hashes[1][made : made + step]), multipliers)
        made += step
        for start, stop in spans(len(open_), PAIRS_AT_ONCE):
            agreed[open_[start:stop]] += (check[back[start:stop]] == check[back[len(open_) + start : len(open_) + stop]]).sum(axis=1)
        open_ = open_[agreed[open_] + total - made >= least]
    return np.asarray(agreed >= least)


def rng_multipliers(rng: np.random.Generator) -> UInt64:
    """(`SHINGLE`,) secret odd multipliers, one a byte of the shingle."""
    return rng.integers(0, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _folded(texts: Texts) -> pa.ChunkedArray:
    """Texts of which case and white space were made alike, in chunks of `BLOCK`: never all of them twice."""
    whole = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    chunks = []
    for start, stop in spans(len(whole), BLOCK):
        part = pa.concat_arrays(whole.slice(start, stop - start).chunks).cast(pa.large_string())
        chunks.append(pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(part), r"\s+", " ")))
    return pa.chunked_array(chunks, pa.large_string())


def _numbered(texts: pa.ChunkedArray) -> Int:
    """(n,) which texts are equal: 0 for the first, 1 for the first that is another, and so on."""
    codes = [np.asarray(chunk.indices) for chunk in pc.dictionary_encode(texts, null_encoding="encode").chunks]
    return np.concatenate(codes).astype(np.int64) if codes else np.zeros(0, np.int64)


def _some(texts: pa.ChunkedArray, rows: Int) -> pa.ChunkedArray:
    """Those of the ascending `rows`, chunk by chunk: taken from all at once, Arrow would first copy them all."""
    ends = np.cumsum([len(chunk) for chunk in texts.chunks])
    cut = np.searchsorted(rows, ends)
    parts = [
        chunk.take(pa.array(rows[start:stop] - (end - len(chunk))))
        for chunk, end, start, stop in zip(texts.chunks, ends, np.r_[0, cut[:-1]], cut, strict=True)
        if stop > start
    ]
    return pa.chunked_array(parts, pa.large_string())


def _in_blocks(texts: pa.ChunkedArray, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> tuple[NDArray[np.uint32], Int]:
    """`min_hashes`, block by block; each text is hashed for itself, so that blocks change nothing."""
    hashed, counts = np.zeros((len(texts), len(hashes[0])), np.uint32), np.zeros(len(texts), np.int64)
    for first, last in spans(len(texts), BLOCK * TOGETHER):
        cut = [(first + start, first + stop) for start, stop in spans(last - first, BLOCK)]
        calls = ((pa.concat_arrays(texts.slice(start, stop - start).chunks), hashes, multipliers) for start, stop in cut)
        for (start, stop), (part, count) in zip(cut, spread(min_hashes, calls), strict=True):
            hashed[start:stop], counts[start:stop] = part, count
    return hashed, counts


def min_hashes(texts: pa.Array, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> tuple[NDArray[np.uint32], Int]:
    """(n, h) the least hash over a text's shingles for each hash function, and (n,) how many shingles it has.

    Two texts agree in a place with probability equal to the Jaccard resemblance of their sets of shingles. A text
    shorter than one shingle gets zeros.
    """
    multiplier, offset = hashes
    ends, raw = _bytes_of(texts)
    count = np.maximum(np.diff(ends) - SHINGLE + 1, 0)
    out = np.zeros((len(texts), len(multiplier)), np.uint32)
    start = 0
    while start < len(texts):
        stop = max(int(np.searchsorted(ends, ends[start] + BLOCK_BYTES, side="right")) - 1, start + 1)
        block = raw[ends[start] : ends[stop]].astype(np.uint64)
        rows = start + np.flatnonzero(count[start:stop])
        if len(rows):
            value = np.zeros(len(block) - SHINGLE + 1, np.uint64)
            for j, secret in enumerate(multipliers):
                value += (block[j : j + len(value)] + np.uint64(1)) * secret
            value ^= value >> np.uint64(31)
            lengths = count[rows]
            begin = np.r_[0, np.cumsum(lengths)[:-1]]
            # shingles that run over a text's end are left out
            inside = np.repeat(ends[rows] - ends[start] - begin, lengths) + np.arange(int(lengths.sum()))
            value = value[inside]
            for h in range(len(multiplier)):
                mixed = ((value * multiplier[h] + offset[h]) >> np.uint64(32)).astype(np.uint32)
                out[rows, h] = np.minimum.reduceat(mixed, begin)
        start = stop
    return out, count


def _bytes_of(texts: pa.Array) -> tuple[Int, NDArray[np.uint8]]:
    """(n + 1,) where each text's UTF-8 bytes begin and end, and the bytes."""
    text = pa.concat_arrays([texts.cast(pa.large_string())])
    _, offsets, content = text.buffers()
    ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    raw = np.frombuffer(content, np.uint8) if content is not None else np.zeros(0, np.uint8)
    return ends, raw


def _hash_functions(count: int, rng: np.random.Generator) -> tuple[UInt64, UInt64]:
    """Multiply-shift hash functions (Dietzfelbinger et al. 1997, J. Algorithms 25): odd multipliers and offsets."""
    odd = rng.integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return odd, rng.integers(0, 2**63, count, dtype=np.uint64)


def _meeting_pairs(signature: NDArray[np.uint32]) -> tuple[Int, Int]:
    """Pairs of neighbours within the buckets of every band, each pair once."""
    n = len(signature)
    keys: list[Int] = []
    for band in range(BANDS):
        part = np.ascontiguousarray(signature[:, band * ROWS_A_BAND : (band + 1) * ROWS_A_BAND]).view(np.uint64)
        met = _not_alone(part)
        part = part[met]
        order = np.lexsort(part.T)  # stable: texts of one bucket stay in their order
        bucket, order = part[order], met[order]
        for step in (1, 2):
            together = np.flatnonzero((bucket[:-step] == bucket[step:]).all(1))
            a, b = order[together], order[together + step]
            keys.append(np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b))
    pairs = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    return pairs // max(n, 1), pairs % max(n, 1)


def _not_alone(part: UInt64) -> Int:
    """Rows, in order, that may share a bucket: one number, a hash and the row, is sorted five times as fast as two with their places."""
    bits = np.uint64(max(1, int(np.ceil(np.log2(max(len(part), 1))))))
    row = np.arange(len(part), dtype=np.uint64)
    key = np.sort(((part[:, 0] * SPREAD + part[:, 1]) * SPREAD >> bits << bits) | row)
    hashed = key >> bits
    alike = hashed[1:] == hashed[:-1]
    mine = np.concatenate([[False], alike]) | np.concatenate([alike, [False]])
    return np.sort(key[mine[: len(key)]] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
