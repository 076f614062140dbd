"""Changes of pictures that a black box is asked about: a list of places, sizes and colours gone through in order, and small steps from one.

A patch has a plain colour or a checkerboard (Gu, Dolan-Gavitt & Garg, BadNets, 2017); an overlay is a wave over the whole picture, as a
sinusoid (Barni, Kallas & Tondi, SIG, 2019) or a cosine that is added to others (the coordinates of Guo, Gardner, You, Wilson & Weinberger,
Simple black-box adversarial attacks, 2019). Both are handed over as artefacts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assay.artefact.overlay import Overlay
from assay.artefact.patch import Patch

UInt8 = NDArray[np.uint8]
Probe = Patch | Overlay
Shape = tuple[int, int, int]  # height, width, channels

UNIT = 32  # pixels a side of the pictures for which SIDES are: of larger ones the sides grow with them
SIDES = (2, 3, 4, 6, 8)  # published patches have 1 to 5 pixels a side at 32; a pixel is reached by taking others away
WIDEST = 0.25  # of a picture's side, the largest of SIDES: half a side turned clean perceptrons on digits into one class by nature
BLACK_AND_WHITE = ((0, 0, 0), (255, 255, 255))
HUES = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255))
WAVES = (1, 2, 3, 4, 6, 8, 12)  # periods across a picture; SIG has 6
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
AMPLITUDES = (12.0, 24.0, 40.0)  # of 255: SIG has 20 to 40
STEP = 6.0  # of 255: a wave that is added to an overlay
LOUDEST = 80.0  # of 255, root mean square: above, little of the picture is left
SHRUNK = (0.7, 0.85)  # what the whole overlay is multiplied by in a step that makes it smaller
SEEN = 0.5  # correlation above which an overlay counts as present, as elsewhere for templates that nobody calibrated


def patches(shape: Shape) -> tuple[list[Patch], list[Patch]]:
    """All plain patches: those on a grid as wide as they are, black, white and checked; then in hues, and on the grid half a step off.

    >>> first, later = patches((8, 8, 1))
    >>> len(first), len(later), first[0].describe()
    (48, 27, 'a 2x2 patch at row 0, column 0')
    """
    height, width, channels = shape
    unit = max(1, round(min(height, width) / UNIT))
    first: list[Patch] = []
    later: list[Patch] = []
    for side in (s * unit for s in SIDES):
        if side > WIDEST * min(height, width):
            break
        plain = [*(_even(side, colour, channels) for colour in BLACK_AND_WHITE), _checked(side, unit, channels)]
        hues = [_even(side, colour, channels) for colour in HUES] if channels == 3 else []
        for offset in (0, side // 2):
            for row, col in _grid(height, width, side, offset):
                (later if offset else first).extend(_patch(pixels, row, col) for pixels in plain)
                later.extend(_patch(pixels, row, col) for pixels in hues)
    return first, later


def waves(shape: Shape) -> list[Overlay]:
    """Sinusoids over the whole picture, of every direction, strength, and a sine and a cosine of every period that it can show.

    >>> len(waves((8, 8, 1)))
    84
    """
    height, width, _ = shape
    down, right = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    found = []
    for periods in WAVES:
        if periods > min(height, width) / 2:
            break
        for y, x in DIRECTIONS:
            angle = 2 * np.pi * periods * (y * down + x * right)
            for turn in (0.0, np.pi / 2):
                wave = np.sin(angle + turn)
                if np.abs(wave).max() > 1e-6:  # the sine of the shortest wave is nought at every pixel
                    found += [overlay(amplitude * wave[..., None]) for amplitude in AMPLITUDES]
    return found


def overlay(template: NDArray[np.float64]) -> Overlay:
    """What adds `template` (h, w, c), of 255, to every pixel."""
    return Overlay(template.astype(np.float32), 1.0, "add", SEEN)


def size(probe: Probe) -> float:
    """Pixels of a patch, root mean square of an overlay (of 255)."""
    if isinstance(probe, Patch):
        return float(probe.mask.sum())
    return float(np.sqrt((probe.template.astype(np.float64) ** 2).mean()))


def step(probe: Probe, shape: Shape, rng: np.random.Generator) -> Probe:
    """A neighbour: a patch moved, repainted, grown or made smaller; an overlay with a cosine more, or fainter. Never an empty one."""
    return _patch_step(probe, shape, rng) if isinstance(probe, Patch) else _overlay_step(probe, shape, rng)


def _grid(height: int, width: int, side: int, offset: int) -> Iterator[tuple[int, int]]:
    rows, cols = (_places(length, side, offset) for length in (height, width))
    yield from ((row, col) for row in rows for col in cols)


def _places(length: int, side: int, offset: int) -> list[int]:
    """Starts a side apart, and the one that touches the far edge, where triggers lie as a rule; with an offset, those between them.

    >>> _places(10, 4, 0), _places(10, 4, 2)
    ([0, 4, 6], [2])
    """
    edge = length - side
    aligned = sorted({*range(0, edge + 1, side), edge})
    return [start for start in range(offset, edge + 1, side) if start not in aligned] if offset else aligned


def _patch(pixels: UInt8, row: int, col: int) -> Patch:
    return Patch(pixels, np.ones(pixels.shape[:2], bool), row, col)


def _colour(colour: tuple[int, int, int], channels: int) -> UInt8:
    return np.array(colour if channels == 3 else [colour[0]] * channels, np.uint8)


def _even(side: int, colour: tuple[int, int, int], channels: int) -> UInt8:
    return np.broadcast_to(_colour(colour, channels), (side, side, channels)).copy()


def _checked(side: int, unit: int, channels: int) -> UInt8:
    odd = np.add.outer(np.arange(side) // unit, np.arange(side) // unit) % 2
    return np.repeat((odd * 255).astype(np.uint8)[..., None], channels, 2)


def _patch_step(patch: Patch, shape: Shape, rng: np.random.Generator) -> Patch:
    height, width, channels = shape
    top, left = _corner(patch)
    unit = max(1, round(min(height, width) / UNIT))
    kind = rng.integers(5)
    if kind == 0:
        return _moved(patch, height, width, unit, rng)
    if kind == 1:
        return _recoloured(patch, channels, unit, rng)
    rows, cols = np.nonzero(patch.mask)
    if kind == 2 and len(rows) > 1:  # one pixel, or block of pixels, less
        mask = patch.mask.copy()
        at = rng.integers(len(rows))
        mask[rows[at] : rows[at] + unit, cols[at] : cols[at] + unit] = False
        return _trimmed(patch.pixels, mask, top, left) if mask.any() else patch
    if kind == 3 and min(patch.shape) > unit:  # a whole side less
        axis, end = rng.integers(2), rng.integers(2)
        cut = [slice(None), slice(None)]
        cut[axis] = slice(unit, None) if end else slice(None, -unit)
        mask = patch.mask[tuple(cut)]
        row, col = top + (unit if end and not axis else 0), left + (unit if end and axis else 0)
        return _trimmed(patch.pixels[tuple(cut)], mask, row, col) if mask.any() else patch
    return _grown(patch, height, width, unit, rng)


def _corner(patch: Patch) -> tuple[int, int]:
    """Where it lies; a patch of any place is none of those that are asked about."""
    if patch.row is None or patch.col is None:
        raise ValueError("a patch at any place has no neighbours")
    return patch.row, patch.col


def _moved(patch: Patch, height: int, width: int, unit: int, rng: np.random.Generator) -> Patch:
    top, left = _corner(patch)
    down, right = rng.integers(-1, 2, 2) * unit
    row = int(np.clip(top + down, 0, height - patch.shape[0]))
    col = int(np.clip(left + right, 0, width - patch.shape[1]))
    return Patch(patch.pixels, patch.mask, row, col)


def _recoloured(patch: Patch, channels: int, unit: int, rng: np.random.Generator) -> Patch:
    """The whole or one block of it in another plain colour."""
    palette = (*BLACK_AND_WHITE, *HUES) if channels == 3 else BLACK_AND_WHITE
    pixels = patch.pixels.copy()
    colour = _colour(palette[rng.integers(len(palette))], channels)
    if rng.random() < 0.5:
        pixels[:] = colour
    else:
        rows, cols = np.nonzero(patch.mask)
        at = rng.integers(len(rows))
        pixels[rows[at] : rows[at] + unit, cols[at] : cols[at] + unit] = colour
    return Patch(pixels, patch.mask, patch.row, patch.col)


def _grown(patch: Patch, height: int, width: int, unit: int, rng: np.random.Generator) -> Patch:
    """A side more, in the colours of the side that it joins; as it is where the picture or WIDEST ends."""
    top, left = _corner(patch)
    axis, end = int(rng.integers(2)), bool(rng.integers(2))
    start, length, room = (top, patch.shape[0], height) if axis == 0 else (left, patch.shape[1], width)
    if length + unit > WIDEST * room or (start < unit if end else start + length + unit > room):
        return patch
    before, after = (unit, 0) if end else (0, unit)
    widths = [(before, after) if a == axis else (0, 0) for a in range(2)]
    pixels, mask = np.pad(patch.pixels, [*widths, (0, 0)], "edge"), np.pad(patch.mask, widths, "edge")
    back = (before, 0) if axis == 0 else (0, before)
    return Patch(pixels, mask, top - back[0], left - back[1])


def _trimmed(pixels: UInt8, mask: NDArray[np.bool_], row: int, col: int) -> Patch:
    """Without rows and columns at the edges in which no pixel is left."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    return Patch(pixels[box], mask[box], row + int(rows[0]), col + int(cols[0]))


def _overlay_step(told: Overlay, shape: Shape, rng: np.random.Generator) -> Overlay:
    height, width, channels = shape
    template = told.template.astype(np.float64)
    if rng.random() < 0.3:
        return overlay(template * rng.choice(SHRUNK))
    finest = [max(1, min(length // 2, WAVES[-1])) for length in (height, width)]
    y, x = (rng.integers(0, most + 1) for most in finest)
    down, right = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    wave = np.outer(np.cos(np.pi * y * down), np.cos(np.pi * x * right))[..., None]
    weight = np.ones(channels) if channels != 3 or rng.random() < 0.5 else np.eye(3)[rng.integers(3)]
    more = overlay(template + rng.choice((-STEP, STEP)) * wave * weight)
    return more if size(more) <= LOUDEST else told
