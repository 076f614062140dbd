"""Near-duplicate texts: hashed shingles, MinHash, banding.

Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", section 3.4. All hash functions are drawn from the caller's generator, so that nobody can write texts that
collide by design.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.engine.base import current, spans
from assay.engine.local import LOCAL
from assay.learn.threads import spread
from assay.screen.copies import join_pairs

Int = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

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
# Shorter texts have too few shingles to resemble anything by more than chance.
FEWEST_SHINGLES = 10
# Texts hashed in one piece of work: a second or so.
BLOCK = 20_000
# Bytes hashed at a time: bounds the memory at about 100 MB.
BLOCK_BYTES = 4_000_000


def near_text_groups(texts: pa.Array, rng: np.random.Generator) -> Int:
    """(n,) group numbers of texts that resemble one another by about `ALIKE` or more, through chains too.

    Case and white space are not told apart. Each text is compared with its two neighbours in every bucket it falls
    into, so cost is linear; texts far apart in a crowded bucket are joined through the ones between. Cannot see
    paraphrases, translations, or a short text inside a long one.
    """
    folded = pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(texts.cast(pa.large_string())), r"\s+", " "))
    first, alone = np.unique(np.asarray(pc.dictionary_encode(folded).indices), return_index=True, return_inverse=True)[1:]
    distinct = folded if len(first) == len(folded) else folded.take(pa.array(first))
    del folded  # texts without their copies are all that is needed on
    hashes = _hash_functions(BANDS * ROWS_A_BAND, rng)
    signature, shingles = _in_blocks(distinct, hashes, rng_multipliers(rng))
    long = np.flatnonzero(shingles >= FEWEST_SHINGLES)
    left, right = _meeting_pairs(signature if len(long) == len(signature) else signature[long])
    left, right = long[left], long[right]
    del signature
    if len(left):
        involved, back = np.unique(np.r_[left, right], return_inverse=True)
        check, _ = _in_blocks(distinct.take(pa.array(involved)), _hash_functions(CHECK_HASHES, rng), rng_multipliers(rng))
        a, b = back[: len(left)], back[len(left) :]
        alike = (check[a] == check[b]).mean(axis=1) >= ALIKE
        left, right = left[alike], right[alike]
    return join_pairs(len(distinct), left, right)[alone]


def rng_multipliers(rng: np.random.Generator) -> UInt64:
    """(`SHINGLE`,) secret odd multipliers, one a byte of the shingle."""
    return rng.integers(0, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _in_blocks(texts: pa.Array, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> tuple[NDArray[np.uint32], Int]:
    """`min_hashes`, block by block; each text is hashed for itself, so that blocks change nothing."""
    cut = (texts.slice(start, stop - start) for start, stop in spans(len(texts), BLOCK))
    if current() is not LOCAL:
        cut = (pa.concat_arrays([part]) for part in cut)  # a slice that travels takes the whole along
    calls = ((part, hashes, multipliers) for part in cut)
    parts = spread(min_hashes, calls)
    if not parts:
        return min_hashes(texts, hashes, multipliers)
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


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
        order = np.lexsort(part.T)  # stable: texts of one bucket stay in their order
        bucket = part[order]
        for step in (1, 2):
            together = np.flatnonzero((bucket[:-step] == bucket[step:]).all(1))
            a, b = order[together], order[together + step]
            keys.append(np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b))
    pairs = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    return pairs // max(n, 1), pairs % max(n, 1)
