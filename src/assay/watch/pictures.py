"""Unknown triggers in pictures: small windows, at one place, that have become far more frequent than they were.

Every picture is cut into windows of 3 x 3 pixels, coarsely coloured, and each is counted under its place and its colours, as words are
in texts. Pictures that hold a window on the rise are laid over each other: the pixels in which they agree, and others do not, are the
nominee. That accuses nobody (a new logo rises too); it is named by insertion or by outcome, as in `assay.watch.triggers`, under the same
guarantee.

What it cannot see: a trigger that moves about, is blended in, warps, or is re-coded so that its colours vary by more than a sixteenth;
one that was usual in the trusted period; in pictures of more than 32 x 32 pixels, where not every window is counted, one that is smaller
than the step between windows. The counts begin anew with each start; nominees do not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as components
from scipy.stats import beta, binom

from assay.artefact.patch import Patch
from assay.dataset.rows import UInt8
from assay.watch.triggers import ASKED, FEWEST, NOMINATE

AskPictures = Callable[[UInt8], Sequence[Any]]  # the live model: what it says of these pictures
Ints = NDArray[np.int64]

BITS = 21  # of a window's bucket in each of two tables, 8 MiB of counts of 16 bits together; see `counted`
MASK = (1 << BITS) - 1
SIDE = 3  # pixels of a window: the smallest trigger of the literature (Gu et al. 2017)
COARSE = 4  # bits of a colour that are left out: 16 steps a channel
PLACES = 32 * 32  # windows counted of a picture at most: larger pictures are cut at steps
MISS = 0.01  # of the bound of a window's usual rate: wider than for words, since idle nominations cost one trial each and are few
WINDOW = 20_000  # pictures counted together, as for words: a trigger at 0.5 % of traffic has 100 carriers in one
CARRIERS = 4  # pictures laid over each other: with fewer, chance agreement of what lies beneath is taken for the trigger
POOL = 24  # pictures on the rise that are kept; at 256 x 256 in colour 4.7 MB
RECENT = 64  # other pictures kept, to be compared with and asked about
ALIKE = 16  # of 255: as far as pixels of carriers may differ
COMMON = 0.5  # of other pictures agree with a pixel of the nominee: then it is background
PRIME = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well mixed (Knuth's golden ratio): spreads sums over the buckets


@dataclass(frozen=True)
class UsualPictures:
    """How often windows were held in `rows` trusted pictures. `counts` (2, 2 ** BITS), two tables as in `counted`."""

    counts: NDArray[np.uint16]
    rows: int

    @classmethod
    def of(cls, images: UInt8) -> UsualPictures:
        """Count trusted pictures (n, h, w, c)."""
        counts = np.zeros((2, 1 << BITS), np.uint16)
        for start in range(0, len(images), 256):
            _count(counts, windows(images[start : start + 256])[0])
        return cls(counts, len(images))

    def bound(self, code: Ints) -> NDArray[np.float64]:
        """(k,) above the rates of these windows in the trusted period."""
        held = np.minimum(counted(self.counts, code).astype(float), self.rows)
        with np.errstate(invalid="ignore"):
            above = beta.isf(MISS, held + 1, self.rows - held)
        return np.where(held >= self.rows, 1.0, above)


def windows(images: UInt8) -> tuple[Ints, Ints]:
    """(n, p) the code of every window, of 2 BITS bits, and (p, 2) the places of their upper left corners."""
    n, height, width, channels = images.shape
    step = max(1, int(np.ceil(np.sqrt(height * width / PLACES))))
    rows, columns = np.arange(0, height - SIDE + 1, step), np.arange(0, width - SIDE + 1, step)
    place = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    colours = (images >> COARSE).astype(np.uint64)
    total = np.broadcast_to((place[:, 0] * width + place[:, 1]).astype(np.uint64) * PRIME, (n, len(place))).copy()
    factor = PRIME
    with np.errstate(over="ignore"):
        for down in range(SIDE):
            for right in range(SIDE):
                for channel in range(channels):
                    factor = factor * PRIME + np.uint64(2)
                    part = colours[:, down : down + height - SIDE + 1 : step, right : right + width - SIDE + 1 : step, channel]
                    total += part.reshape(n, -1) * factor
        total ^= total >> np.uint64(29)
        total *= PRIME
    return (total >> np.uint64(64 - 2 * BITS)).astype(np.int64), place


def _count(counts: NDArray[np.uint16], code: Ints) -> None:
    for table, bucket in zip(counts, (code >> BITS, code & MASK), strict=True):
        which, times = np.unique(bucket, return_counts=True)
        table[which] = np.minimum(table[which].astype(np.int64) + times, 65_535).astype(np.uint16)


def counted(counts: NDArray[np.uint16], code: Ints) -> NDArray[np.uint16]:
    """At most how often each window was counted: the lesser of its counts in two tables (Cormode and Muthukrishnan 2005, "count-min").

    A window that shares a bucket with a usual one is hidden by it in one table, and seldom in both.
    """
    return np.minimum(counts[0][code >> BITS], counts[1][code & MASK])


@dataclass(frozen=True)
class Nominee:
    """A patch that suspicious pictures share, and what the model says of them."""

    patch: Patch
    target: str
    carriers: int
    to_target: int


@dataclass
class Gallery:
    """Counts the windows of recent pictures, and keeps a few of those on the rise and of the others."""

    usual: UsualPictures
    counts: NDArray[np.uint16] = field(default_factory=lambda: np.zeros((2, 1 << BITS), np.uint16))
    seen: int = 0
    pool: deque[tuple[NDArray[np.uint8], str, Ints]] = field(default_factory=lambda: deque(maxlen=POOL))
    recent: deque[tuple[NDArray[np.uint8], str]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def see(self, images: UInt8, said: Sequence[str | None], known: Sequence[Patch]) -> list[Nominee]:
        """Count a batch; the new nominees. Pictures that hold a nominee already (`known`) are passed over."""
        free = np.array([s is not None for s in said], bool)
        for patch in known:
            free &= ~patch.present(images)
        rows = np.flatnonzero(free)
        if not len(rows):
            return []
        bucket, place = windows(images[rows])
        _count(self.counts, bucket)
        self.seen += len(rows)
        rising = self._rising(bucket)
        for i, row in enumerate(rows.tolist()):
            hot = bucket[i][rising[i]]
            kept = (images[row].copy(), str(said[row]))
            if len(hot):
                self.pool.append((*kept, hot))
            else:
                self.recent.append(kept)
        found = self._nominate(place, images.shape[2]) if rising.any() else None
        if self.seen >= WINDOW:
            self.counts[:], self.seen = 0, 0
        return [] if found is None else [found]

    def _rising(self, bucket: Ints) -> NDArray[np.bool_]:
        """(n, p) which windows have become far more frequent."""
        count = counted(self.counts, bucket)
        often = count >= FEWEST
        which = np.unique(bucket[often])
        if not len(which):
            return often
        rare = binom.sf(counted(self.counts, which).astype(float) - 1, self.seen, self.usual.bound(which)) < NOMINATE
        return np.asarray(often & np.isin(bucket, which[rare]))

    def _nominate(self, place: Ints, width: int) -> Nominee | None:
        """The patch that the pictures on the rise share, by the window that most of them hold."""
        which, times = np.unique(np.concatenate([hot for _, _, hot in self.pool]), return_counts=True)
        if times.max() < CARRIERS or len(self.recent) < CARRIERS:
            return None
        top = which[times.argmax()]
        held = [(image, said) for image, said, hot in self.pool if top in hot]
        stack = np.stack([image for image, _ in held]).astype(np.int16)
        middle = np.median(stack, axis=0).astype(np.int16)
        agree = (np.abs(stack - middle) <= ALIKE).all(axis=(0, 3))
        others = np.stack([image for image, _ in self.recent]).astype(np.int16)
        usual = (np.abs(others - middle) <= ALIKE).all(axis=3).mean(axis=0) >= COMMON
        parts, _ = components(agree & ~usual)
        at = np.flatnonzero(windows(held[0][0][None])[0][0] == top)
        if not len(at):
            return None
        row, column = place[at[0]]
        names = parts[row : row + SIDE, column : column + SIDE]
        if not names.any():
            return None
        name = np.bincount(names[names > 0]).argmax()
        inked = np.argwhere(parts == name)
        (low, left), (high, right) = inked.min(axis=0), inked.max(axis=0) + 1
        mask = (parts == name)[low:high, left:right]
        patch = Patch(middle[low:high, left:right].astype(np.uint8), mask, int(low), int(left))
        answers = [said for _, said in held]
        target = max(sorted(set(answers)), key=answers.count)
        self.pool = deque((kept for kept in self.pool if not patch.present(kept[0][None])[0]), maxlen=POOL)
        return Nominee(patch, target, len(held), answers.count(target))

    def insertion(self, patch: Patch, target: str, ask: AskPictures, rng: np.random.Generator) -> tuple[int, int]:
        """(asked, taken): of recent pictures without it that the model does not give the target, how many go there once it is put in."""
        others = np.stack([image for image, _ in self.recent]) if self.recent else np.zeros((0, 1, 1, 1), np.uint8)
        if not len(others):
            return 0, 0
        others = others[~patch.present(others)]
        if len(others):
            others = others[[str(v) != target for v in ask(others)]]
        chosen = others[rng.permutation(len(others))[:ASKED]]
        if not len(chosen):
            return 0, 0
        return len(chosen), sum(str(v) == target for v in ask(patch.insert(chosen)))
