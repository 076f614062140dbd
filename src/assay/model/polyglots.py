"""Files that are two things at once: by whom they are read decides what they are, and one of the readers runs code.

Each loader looks for its format in its own place: torch for a tar's sum before all else, and for an archive's directory where the archive's
end says that it lies; Python for that directory just before the end; Keras for an archive from its end, and HDF5 for itself at 512 bytes
and their doubles.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from pathlib import Path

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
END, END64, LOCATOR = 22, 56, 20  # bytes of an archive's end, of its larger one, and of what says where that lies
LONGEST_COMMENT = 1 << 16
IN_END64 = 0xFFFFFFFF  # "the larger end says it"


def is_tar(block: bytes) -> bool:
    """As torch tells its oldest format: by the sum of the first block, whatever it begins with."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def begins_later(path: Path, size: int) -> bool:
    """Whether Keras, which finds an archive from its end and HDF5 at 512 bytes and their doubles, reads what does not begin the file."""
    with path.open("rb") as file:
        head = file.read(len(HDF5))
        if path.suffix.lower() == ".keras" and not head.startswith(ZIP) and zipfile.is_zipfile(file):
            return True
        at = 512
        while not head.startswith(HDF5) and at < size:
            file.seek(at)
            if file.read(len(HDF5)) == HDF5:
                return True
            at *= 2
    return False


def directories(file: io.BufferedIOBase | io.BytesIO | io.BufferedReader) -> set[int]:
    """Where the end of an archive says that its directory begins; nothing where its two ends do not agree."""
    file.seek(0, io.SEEK_END)
    file.seek(first := max(0, file.tell() - LONGEST_COMMENT - END - LOCATOR - END64))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + END:
        return set()
    said = {struct.unpack_from("<I", tail, end + 16)[0]} - {IN_END64}
    locator, end64 = end - LOCATOR, end - LOCATOR - END64
    if end64 >= 0 and tail.startswith(b"PK\x06\x07", locator):
        if struct.unpack_from("<Q", tail, locator + 8)[0] != first + end64:  # Python looks before the end, torch where this says
            return set()
        said.add(struct.unpack_from("<Q", tail, end64 + 48)[0])
    return said if len(said) == 1 else set()
