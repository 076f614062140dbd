"""Encoded pictures into one array: measured first, then decoded straight into their place, so that one copy is ever
held.

Grey pictures have one channel, all others three. Transparency is dropped, as torchvision's loader and most others do:
what a model would not see is not scanned. 16-bit grey keeps its upper byte. Pictures of other sizes than the commonest
are resized to it (bilinear); a record's digest is that of its own pixels before that.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.dataset.digest import picture_hash
from assay.dataset.limits import Limits

UInt8 = NDArray[np.uint8]

# What Pillow may decode: pixels only. Others (EPS, PDF, icons) run interpreters or hold several pictures.
DECODERS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jpe", ".jfif")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
DEEP = tuple(mode for mode in GREY if mode.startswith("I"))
CLEAR = ("RGBA", "LA", "La", "PA", "RGBa")
# what Pillow's decoders raise on a damaged file
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error, zlib.error, OverflowError)
COMMON = 0.05  # below this share the commonest size is no norm (photographs): the median height and width are taken


class Undecodable(Exception):
    """Why a picture could not be read, for people."""


def _open(data: bytes, limits: Limits) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is stricter, and checked next
            picture = Image.open(io.BytesIO(data), formats=DECODERS)
    except Image.DecompressionBombError as error:
        raise Undecodable(f"a picture far beyond the limit of {limits.pixels:,} pixels, not decoded") from error
    except DAMAGE as error:
        raise Undecodable("empty" if not data else f"not a picture that can be read ({_short(error)})") from error
    width, height = picture.size
    if width * height > limits.pixels:
        raise Undecodable(f"{width:,} x {height:,} pixels are more than the limit of {limits.pixels:,}, not decoded")
    if width * height == 0:
        raise Undecodable("a picture without pixels")
    if picture.mode == "F":
        raise Undecodable("a picture of floating-point numbers")
    return picture


def _short(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "format not recognised" if "BytesIO" in text else text[:120]


def decode(data: bytes, limits: Limits) -> UInt8:
    """The pixels (h, w, 1 or 3) of an encoded picture at its own size. Raises Undecodable.

    >>> out = io.BytesIO()
    >>> Image.new("RGB", (5, 4), (1, 2, 3)).save(out, "PNG")
    >>> decode(out.getvalue(), Limits()).shape
    (4, 5, 3)
    """
    picture = _open(data, limits)
    try:
        return decode_picture(picture)
    except DAMAGE as error:
        raise Undecodable(f"damaged ({_short(error)})") from error


def decode_picture(picture: Image.Image) -> UInt8:
    """The pixels (h, w, 1 or 3) of a picture that Pillow holds."""
    if picture.mode in DEEP:
        deep = np.asarray(picture).astype(np.int64)
        return (deep >> 8 if deep.max(initial=0) > 255 else deep).clip(0, 255).astype(np.uint8)[..., None]
    pixels = np.asarray(picture.convert("L" if picture.mode in GREY else "RGB"))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def encode_png(pixels: UInt8) -> bytes:
    """A picture (h, w, 1 or 3) as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)).save(out, "PNG")
    return out.getvalue()


def resize(pixels: UInt8, height: int, width: int) -> UInt8:
    """(height, width, c): bilinear, averaging where it shrinks."""
    if pixels.shape[:2] == (height, width):
        return pixels
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    out = np.asarray(Image.fromarray(flat).resize((width, height), Image.Resampling.BILINEAR))
    return out[..., None] if out.ndim == 2 else out


@dataclass
class Survey:
    """What the headers say of all pictures: `add` them, then ask for the `shape` in which they are to be held."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (height, width)
    modes: Counter[str] = field(default_factory=Counter)
    shrunk: bool = False

    def add(self, data: bytes, limits: Limits) -> None:
        """Looks at one header; pictures that cannot be read are left for `decode` to report."""
        try:
            picture = _open(data, limits)
        except Undecodable:
            return
        self.sizes[picture.height, picture.width] += 1
        self.modes[picture.mode] += 1

    @property
    def count(self) -> int:
        return self.sizes.total()

    def shape(self, limits: Limits) -> tuple[int, int, int]:
        """(height, width, channels) common to all."""
        if not self.sizes:
            return 1, 1, 1
        channels = 1 if all(mode in GREY for mode in self.modes) else 3
        (height, width), most = min(self.sizes.items(), key=lambda item: (-item[1], item[0][0] * item[0][1], item[0]))
        if most < COMMON * self.count:
            height, width = (int(np.median([size[axis] for size in self.sizes.elements()])) for axis in (0, 1))
        room = limits.pictures / (self.count * channels)
        self.shrunk = height * width > room
        if self.shrunk:
            scale = (room / (height * width)) ** 0.5
            height, width = max(1, int(height * scale)), max(1, int(width * scale))
        return height, width, channels

    def notes(self, limits: Limits) -> list[str]:
        """What was done to the pictures."""
        height, width, channels = self.shape(limits)
        said = []
        other = self.count - self.sizes[height, width]
        if other:
            why = "so that all of them fit in memory" if self.shrunk else "the commonest size"
            if not self.shrunk and self.sizes.most_common(1)[0][1] < COMMON * self.count:
                why = "the median size"
            said.append(f"{other:,} of {self.count:,} pictures have another size than {width} x {height} ({why}) and are resized to it.")
        grey = sum(count for mode, count in self.modes.items() if mode in GREY)
        if grey and channels == 3:
            said.append(f"{grey:,} of {self.count:,} pictures are grey and are held in three equal channels.")
        clear = sum(count for mode, count in self.modes.items() if mode in CLEAR)
        if clear:
            said.append(f"{clear:,} pictures have a transparency channel; it is dropped.")
        deep = sum(count for mode, count in self.modes.items() if mode in DEEP)
        if deep:
            said.append(f"{deep:,} pictures have 16 bits a pixel; the upper 8 are kept.")
        return said


class Album:
    """Pictures of one data set in the order in which they are added, with the hashes of their pixels."""

    def __init__(self, survey: Survey, limits: Limits) -> None:
        self.limits = limits
        self.shape = survey.shape(limits)
        self._pixels = np.empty((survey.count, *self.shape), np.uint8)
        self._hashes: list[bytes] = []

    def add(self, pictures: Sequence[bytes]) -> dict[int, str]:
        """Decodes them; place -> reason for those that cannot be read, which are left out."""
        faults = {}
        height, width, channels = self.shape
        for place, data in enumerate(pictures):
            try:
                pixels = decode(data, self.limits)
            except Undecodable as error:
                faults[place] = str(error)
                continue
            at = len(self._hashes)
            self._hashes.append(picture_hash(pixels))
            held = resize(pixels, height, width)
            self._pixels[at] = held if held.shape[2] == channels else np.broadcast_to(held[..., :1], self.shape)
        return faults

    @property
    def pixels(self) -> UInt8:
        return self._pixels[: len(self._hashes)]

    @property
    def hashes(self) -> UInt8:
        """(n, 32) `picture_hash` of each at its own size."""
        return np.frombuffer(b"".join(self._hashes), np.uint8).reshape(-1, 32)


def hashes_of(pixels: UInt8) -> UInt8:
    """(n, 32) `picture_hash` of decoded pictures (n, h, w, c)."""
    return np.frombuffer(b"".join(map(picture_hash, pixels)), np.uint8).reshape(-1, 32)
