"""Near-duplicate texts: hashed shingles, MinHash, banding.

Broder 1997, "On the resemblance and containment of documents"; Leskovec, Rajaraman and Ullman, "Mining of Massive
Datasets", section 3.4. All hash functions are drawn from the caller's generator, so that nobody can write texts that
collide by design.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.engine.base import current, spans
from assay.engine.shelf import joined, kept, zeros
from assay.learn.threads import spread
from assay.screen.boilerplate import without_boilerplate
from assay.screen.copies import join_pairs
from assay.stats.lookup import SPREAD

Int = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Texts: TypeAlias = pa.Array | pa.ChunkedArray
R = TypeVar("R")

# Bytes a shingle: a word and its neighbour's beginning. Shorter ones are shared by unrelated texts, longer ones break
# with every typo.
SHINGLE = 7
# 8 bands of 4 hashes: a pair of resemblance .8 meets in some band with probability .98, one of .7 with .89, one of .3
# with .06.
BANDS, ROWS_A_BAND = 8, 4
# Resemblance (Jaccard) from which two texts count as near duplicates.
ALIKE = 0.7
# Share of the texts beyond which what they say alike is boilerplate: less may be one text sent many times with a word changed.
COMMON = 0.5
# Hashes used to check a met pair: resemblance to +-.04.
CHECK_HASHES = 128
# Pairs compared at once: 20 MB.
PAIRS_AT_ONCE = 100_000
# Shorter texts have too few shingles to resemble anything by more than chance.
FEWEST_SHINGLES = 10
# Texts hashed in one piece of work: a second or so.
BLOCK = 20_000
# Blocks that are held until all of them are hashed.
TOGETHER = 16
# But of a few texts so many pieces a worker, as long as they are worth handing out.
BLOCKS_A_WORKER, FEWEST = 4, 2_000
# Bytes that tell two texts apart, and what stands for a missing one.
DIGEST, NOTHING = 16, bytes(16)
# Bytes hashed at a time: what is made of them stays in the processor's cache, which is two and a half times as fast.
BLOCK_BYTES = 65_536
# Check hashes made at a time: after the first 64, a pair that can no longer reach `ALIKE` is let go of.
CHECK_STEPS = (64, 32, 32)


@dataclass(frozen=True)
class Signed:
    """Distinct texts of neighbouring rows, in the order of their first appearance: their UTF-8 `content` and its `ends` (m + 1,), `there`
    (m,) but for the one that is missing; a `digest` (m, 2) that tells them apart; which of them each row is, `which` (n,); their
    `signature` (m, h) and `shingles` (m,)."""

    content: NDArray[np.uint8]
    ends: Int
    there: NDArray[np.bool_]
    digest: UInt64
    which: NDArray[np.int32]
    signature: NDArray[np.uint32]
    shingles: Int

    @property
    def texts(self) -> pa.Array:
        valid = None if self.there.all() else pa.py_buffer(np.packbits(self.there, bitorder="little"))
        buffers = [valid, pa.py_buffer(self.ends), pa.py_buffer(self.content)]
        return pa.Array.from_buffers(pa.large_string(), len(self.there), buffers)


def near_text_groups(texts: Texts, rng: np.random.Generator) -> Int:
    """(n,) group numbers of texts that resemble one another by about `ALIKE` or more, through chains too.

    What more than `COMMON` of the texts say alike is no part of that (`assay.screen.boilerplate`). Case and white space are not told apart.
    Each text is compared with its two neighbours in every bucket it falls into, so cost is linear; texts far apart in a crowded bucket are
    joined through the ones between. Cannot see paraphrases, translations, or a short text inside a long one.
    """
    texts = without_boilerplate(texts, COMMON, rng.spawn(1)[0])
    whole = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    alone, each, first, signature, shingles = _distinct(whole, _hash_functions(BANDS * ROWS_A_BAND, rng), rng_multipliers(rng))
    long = np.flatnonzero(shingles >= FEWEST_SHINGLES)
    left, right = _meeting_pairs(signature, None if len(long) == len(shingles) else long)
    del signature
    if len(left):
        alike = _alike(each, first[left], first[right], _hash_functions(CHECK_HASHES, rng), rng_multipliers(rng))
        left, right = left[alike], right[alike]
    return join_pairs(len(first), left, right)[alone]


def _distinct(
    texts: pa.ChunkedArray, hashes: tuple[UInt64, UInt64], multipliers: UInt64
) -> tuple[Int, pa.ChunkedArray, Int, NDArray[np.uint32], Int]:
    """((n,) which text each row is, texts among which each stands once or several times, where each of the m distinct ones stands first,
    their signatures (`BANDS`, m, `ROWS_A_BAND`), and shingles (m,))."""
    parts = [_held(part) for part in _by_blocks(signed, texts, hashes, multipliers)]
    each = pa.chunked_array([part.texts for part in parts], pa.large_string())
    number, first = _numbered(np.concatenate([np.zeros((0, 2), np.uint64), *(part.digest for part in parts)]))
    starts = np.cumsum([0, *(len(part.there) for part in parts)])
    alone = np.concatenate([np.zeros(0, np.int64), *(number[part.which + start] for part, start in zip(parts, starts[:-1], strict=True))])
    signature, shingles = zeros((BANDS, len(first), ROWS_A_BAND), np.uint32), np.zeros(len(first), np.int64)
    for low, start, stop in zip(np.searchsorted(first, starts), starts, starts[1:], strict=False):
        part = parts.pop(0)  # let go of as soon as it is in its place
        mine = first[low : np.searchsorted(first, stop)] - start
        signature[:, low : low + len(mine)] = part.signature[mine].reshape(-1, BANDS, ROWS_A_BAND).swapaxes(0, 1)
        shingles[low : low + len(mine)] = part.shingles[mine]
    return alone, each, first, signature, shingles


def _held(part: Signed) -> Signed:
    """The same, for a while."""
    return replace(part, content=kept(part.content), ends=kept(part.ends), digest=kept(part.digest), signature=kept(part.signature))


def signed(texts: pa.Array, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> Signed:
    """The state of some texts, of which case and white space are made alike: each that is there several times is hashed once."""
    folded = pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(texts.cast(pa.large_string())), r"\s+", " "))
    there = np.asarray(folded.is_valid().to_numpy(zero_copy_only=False), bool)
    digest, which, first = _told_apart(*_bytes_of(folded), there)
    distinct = folded if len(first) == len(folded) else folded.take(pa.array(first))
    ends, content = _bytes_of(distinct)
    return Signed(content[: ends[-1]], ends, there[first], digest, which, *min_hashes(distinct, hashes, multipliers))


def _told_apart(ends: Int, content: NDArray[np.uint8], there: NDArray[np.bool_]) -> tuple[UInt64, NDArray[np.int32], Int]:
    """((m, 2) digests of distinct texts, (n,) which of them each text is, (m,) where each stands first).

    Digests of 128 bits (BLAKE2, RFC 7693) instead of a dictionary of texts, which would hold them all a second time.
    """
    raw, cut = memoryview(np.ascontiguousarray(content).data), ends.tolist()
    number: dict[bytes, int] = {}
    which = [
        number.setdefault(blake2b(raw[start:stop], digest_size=DIGEST).digest() if known else NOTHING, len(number))
        for start, stop, known in zip(cut[:-1], cut[1:], there.tolist(), strict=True)
    ]
    first = np.zeros(len(number), np.int64)
    first[which[::-1]] = np.arange(len(which))[::-1]
    return np.frombuffer(b"".join(number), np.uint64).reshape(-1, 2), np.array(which, np.int32), first


def _alike(texts: pa.ChunkedArray, left: Int, right: Int, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> NDArray[np.bool_]:
    """(pairs,) which agree in so many of all `hashes`; those that cannot any more are not hashed to the end."""
    total, made = len(hashes[0]), 0
    least = int(np.ceil(ALIKE * total))
    agreed, open_ = np.zeros(len(left), np.int64), np.arange(len(left))
    for step in CHECK_STEPS:
        met = np.zeros(len(texts), bool)
        met[left[open_]] = met[right[open_]] = True
        check = _hashed_some(texts, np.flatnonzero(met), (hashes[0][made : made + step], hashes[1][made : made + step]), multipliers)
        place = np.cumsum(met, dtype=np.int32) - 1
        made += step
        for start, stop in spans(len(open_), PAIRS_AT_ONCE):
            some = open_[start:stop]
            agreed[some] += (check[place[left[some]]] == check[place[right[some]]]).sum(axis=1)
        open_ = open_[agreed[open_] + total - made >= least]
    return np.asarray(agreed >= least)


def rng_multipliers(rng: np.random.Generator) -> UInt64:
    """(`SHINGLE`,) secret odd multipliers, one a byte of the shingle."""
    return rng.integers(0, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _numbered(digest: UInt64) -> tuple[Int, Int]:
    """((n,) which are equal: 0 for the first, 1 for the first that is another, and so on; where each of these stands first)."""
    order = np.argsort(digest[:, 0])
    ordered = digest[order]
    half, other = (ordered[1:] != ordered[:-1]).T
    if (other & ~half).any():  # two texts with one half of a digest: never, for all that is known
        order = np.lexsort(digest.T)
        ordered = digest[order]
        half, other = (ordered[1:] != ordered[:-1]).T
    new = np.concatenate([[True], half | other])[: len(order)]
    first = np.minimum.reduceat(order, np.flatnonzero(new)) if len(order) else order
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    number = np.empty(len(order), np.int64)
    number[order] = rank[np.cumsum(new) - 1]
    return number, np.sort(first)


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


def _hashed_some(texts: pa.ChunkedArray, rows: Int, hashes: tuple[UInt64, UInt64], multipliers: UInt64) -> NDArray[np.uint32]:
    """`min_hashes` of the ascending `rows`, some copied at a time; each text is hashed for itself, so that blocks change nothing."""
    parts = [np.zeros((0, len(hashes[0])), np.uint32)]
    for start, stop in spans(len(rows), BLOCK * TOGETHER):
        found = _by_blocks(min_hashes, _some(texts, rows[start:stop]), hashes, multipliers)
        parts.extend(kept(part) for part, _ in found)
    return joined(parts, np.uint32)


def _by_blocks(work: Callable[..., R], texts: pa.ChunkedArray, *given: Any) -> Iterator[R]:
    """`work` of every block and what is `given`, in order. Of a few texts several blocks, so that every worker gets some."""
    size = min(BLOCK, max(FEWEST, len(texts) // (BLOCKS_A_WORKER * current().workers)))
    for first, last in spans(len(texts), size * TOGETHER):
        cut = [(first + start, stop - start) for start, stop in spans(last - first, size)]
        yield from spread(work, ((pa.concat_arrays(texts.slice(start, length).chunks), *given) for start, length in cut))


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


def _meeting_pairs(signature: NDArray[np.uint32], rows: Int | None = None) -> tuple[Int, Int]:
    """Pairs of neighbours within the buckets of every band (`BANDS`, n, `ROWS_A_BAND`), each pair once; `rows`: only of those."""
    n = signature.shape[1] if rows is None else len(rows)
    bands = ((band if rows is None else band[rows],) for band in signature)
    left, right = np.divmod(np.unique(np.concatenate(list(current().map(_meeting, bands)))), max(n, 1))
    return (left, right) if rows is None else (rows[left], rows[right])


def _meeting(band: NDArray[np.uint32]) -> Int:
    """Neighbours within the buckets of one band (n, `ROWS_A_BAND`), each pair as one number: the first times n, and the second."""
    n, part = len(band), band.view(np.uint64)
    met = _not_alone(part)
    part = part[met]
    order = np.lexsort(part.T)  # stable: texts of one bucket stay in their order
    bucket, order = part[order], met[order]
    keys = []
    for step in (1, 2):
        together = np.flatnonzero((bucket[:-step] == bucket[step:]).all(1))
        a, b = order[together], order[together + step]
        keys.append(np.minimum(a, b).astype(np.int64) * n + np.maximum(a, b))
    return np.concatenate(keys)


def _not_alone(part: UInt64) -> Int:
    """Rows, in order, that may share a bucket: one number, a hash and the row, is sorted five times as fast as two with their places."""
    bits = np.uint64(max(1, int(np.ceil(np.log2(max(len(part), 1))))))
    row = np.arange(len(part), dtype=np.uint64)
    key = np.sort(((part[:, 0] * SPREAD + part[:, 1]) * SPREAD >> bits << bits) | row)
    hashed = key >> bits
    alike = hashed[1:] == hashed[:-1]
    mine = np.concatenate([[False], alike]) | np.concatenate([alike, [False]])
    return np.sort(key[mine[: len(key)]] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
