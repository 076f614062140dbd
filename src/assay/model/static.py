"""A model file, looked at and not loaded: its format, what loading it would run, and how sure that is.

**Nothing in the file is executed.** Archives are read within bounds; a file that breaks them is reported, not passed.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic

from assay.dataset.errors import DAMAGE, DataError
from assay.model.chat_templates import read_template
from assay.model.gguf import templates
from assay.model.keras_config import parsed, strange
from assay.model.keras_weights import CONFIG, available, configuration
from assay.model.opcodes import Fetched, may_begin, programs
from assay.model.packed import first_bytes, unpacked
from assay.model.polyglots import HDF5, ZIP, begins_later, directories, is_tar
from assay.model.verdict import danger, of_library

Risk = Literal["none", "unknown code", "dangerous"]

LARGEST = 8 << 30  # bytes of a file that are read into memory at most; pickles in archives are small beside their weights
LARGEST_PICKLE = 1 << 30  # bytes of one pickle in an archive
NESTED = 3  # archives within archives
NUMPY, GGUF = b"\x93NUMPY", b"GGUF"
SAFETENSORS_HEAD = 8
ONNX_FIELDS = b"\x08\x12\x1a\x22\x3a"  # a model's first byte, the tag of its version, maker, domain or graph; no pickle begins so
UNREADABLE: tuple[type[BaseException], ...] = (*DAMAGE, RecursionError, MemoryError)
LARGEST_HEADER = 1 << 20  # characters of an array's header: one of thousands of columns is longer than NumPy reads unasked
READ_TWICE = 1 << 20  # bytes of weights that are read as a pickle too
TORCH_PICKLES = 5  # one after another in torch's old format, before the raw numbers
RAW_ARRAYS = "joblib.numpy_pickle.NumpyArrayWrapper"
PICKLE_NAMES = (".pkl", ".pickle", ".p", ".joblib", ".dat", ".model", ".pt", ".pth", ".bin", ".ckpt")


@dataclass(frozen=True)
class Part:
    """One pickle or configuration inside the file: where it is, what it fetches that weights do not need, and what is wrong with it."""

    where: str
    dangerous: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Examination:
    """`risk`: "dangerous" if loading would run what no weights need; "unknown code" if it would run code of modules that are not known
    here, or cannot be read to its end; "none" if it holds data alone."""

    path: Path
    format: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    @property
    def risk(self) -> Risk:
        if any(p.dangerous for p in self.parts):
            return "dangerous"
        return "unknown code" if any(p.unknown or p.problem for p in self.parts) else "none"


def size_of(path: Path) -> int:
    """Bytes of a model file. DataError if it is absent, a folder or empty."""
    if not path.exists():
        raise DataError("there is no such file", path=path, remedy="check the path")
    if path.is_dir():
        raise DataError("is a folder", path=path, remedy="name one model file in it")
    size = path.stat().st_size
    if not size:
        raise DataError("is empty", path=path, remedy="get the file again")
    return size


def loadable(path: Path) -> bool:
    """Whether a file begins as one that code may be loaded from, whatever its name: a pickle, an archive, an array, weights."""
    head = first_bytes(path)
    pickled = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")  # older ones begin as any text may
    return pickled or head.startswith((ZIP, HDF5, NUMPY, GGUF)) or _is_safetensors(path, path.stat().st_size)


def examine(path: Path) -> Examination:
    """Look at one model file. DataError if it is absent, a folder, empty, or too large to be read here."""
    size = size_of(path)
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if is_tar(head):
        return Examination(path, "tar archive", (Part(path.name, problem="torch's oldest format, which is not followed here"),))
    if begins_later(path, size):
        return Examination(path, "unknown", (Part(path.name, problem="an archive or HDF5 behind other bytes"),))
    if head.startswith(HDF5):
        return Examination(path, "HDF5", tuple(_hdf5(path.name, _bounded(path))))
    if _is_safetensors(path, size):
        return Examination(path, "safetensors", tuple(_as_pickle(path, ".safetensors")))
    if head.startswith(NUMPY):
        return Examination(path, "NumPy array", tuple(_array(path.name, _bounded(path))))
    if head.startswith(GGUF):
        return _gguf(path)
    if head.startswith(ZIP) and path.suffix.lower() == ".keras":
        with path.open("rb") as file:
            return Examination(path, "Keras archive", tuple(_zip(path.name, file, NESTED)))
    if head.startswith(ZIP):
        kind = "torch archive" if _has_torch_data(path) else "zip archive"
        with path.open("rb") as file:
            return Examination(path, kind, tuple(_zip(path.name, file, NESTED)))
    if path.suffix.lower() == ".onnx" and head[0] in ONNX_FIELDS:
        return Examination(path, "ONNX", (), ("A protocol buffer holds no code; operators of other domains are the runtime's own.",))
    data = _bounded(path)
    if (trees := _trees(data)) is not None:
        return Examination(path, trees, ())
    inner, how = unpacked(data)
    parts = tuple(_pickles(path.name, inner))
    if how and may_begin(data):  # packed to joblib, a pickle to others
        parts += tuple(_fetching(path.name, data))
    if parts:
        return Examination(path, f"pickle ({how})" if how else "pickle", parts)
    return Examination(path, "unknown", (Part(path.name, problem="no format that is known here"),))


def _trees(data: bytes) -> str | None:
    """Trees as text, which hold no code: XGBoost's JSON, LightGBM's own."""
    if data.startswith(b"tree\n"):
        return "LightGBM text"
    if data[:1] == b"{" and b'"learner"' in data[:4096]:
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            return None
        return "XGBoost JSON"
    return None


def _bounded(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise DataError(f"is larger than the {LARGEST >> 30} GiB that are read", path=path, remedy="convert it to safetensors")
    return path.read_bytes()


def _is_safetensors(path: Path, size: int) -> bool:
    """The format begins with the length of a JSON header (Hugging Face safetensors, 2022)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(SAFETENSORS_HEAD), "little")
        if not 2 <= length <= min(size - SAFETENSORS_HEAD, 100 << 20) or file.read(1) != b"{":
            return False
        file.seek(SAFETENSORS_HEAD)
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            return False
    return isinstance(header, dict) and all(isinstance(v, dict) for v in header.values())


def _has_torch_data(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except DAMAGE:
        return False


def _zip(where: str, file: io.BufferedIOBase | io.BytesIO | io.BufferedReader, depth: int) -> Iterator[Part]:
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGE as error:
        yield Part(where, problem=f"a broken archive ({error})")
        return
    with archive:
        if archive.start_dir not in directories(file):
            yield Part(where, problem="its directory is not where it says: torch reads another one there")
        code = sorted(name for name in archive.namelist() if "/code/" in name and name.endswith(".py"))
        if code:
            yield Part(where, unknown=tuple(code[:10]), problem="TorchScript: its own code runs when the model is called")
        for entry in archive.infolist():
            yield from _entry(f"{where}!{entry.filename}", archive, entry, depth)


def _entry(where: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int) -> Iterator[Part]:
    if not entry.filename or (entry.filename.endswith("/") and not entry.file_size):
        return
    try:
        with archive.open(entry) as opened:
            head = opened.read(16)
            small = entry.file_size <= LARGEST_PICKLE
            named = entry.filename.lower().endswith((*PICKLE_NAMES, ".json", ".npy")) or head.startswith(HDF5)
            worth = named or head[:1] in (b"\x80", b"c", b"(") or head.startswith((ZIP, NUMPY))
            if not worth or ("/code/" in entry.filename and entry.filename.endswith(".py")):
                return
            if not small:
                yield Part(where, problem=f"{entry.file_size:,} bytes, more than are read")
                return
            data = head + opened.read(LARGEST_PICKLE)
    except DAMAGE as error:
        yield Part(where, problem=f"cannot be read ({error})")
        return
    if data.startswith(ZIP):
        if depth:
            yield from _zip(where, io.BytesIO(data), depth - 1)
        else:
            yield Part(where, problem="archives within archives, deeper than are read")
    elif data.startswith(NUMPY):  # whatever its name: NumPy looks at the bytes
        yield from _array(where, data)
    elif entry.filename.lower().endswith(".json"):
        yield from _keras(where, data)
    elif data.startswith(HDF5):
        yield from _hdf5(where, data)
    elif named:
        yield from _pickles(where, data)
    else:  # numbers may begin like a pickle: only what fetches something is one
        yield from _fetching(where, data)


def _array(where: str, data: bytes) -> Iterator[Part]:
    """A NumPy array of objects is a pickle after a header."""
    file = io.BytesIO(data)
    try:
        header = read_array_header_1_0 if read_magic(file) == (1, 0) else read_array_header_2_0
        kind = header(file, max_header_size=LARGEST_HEADER)[2]
    except UNREADABLE as error:
        yield Part(where, problem=f"its header cannot be read ({error})")
        return
    if kind.hasobject:
        yield from _pickles(where, data[file.tell() :])


def _pickles(where: str, data: bytes) -> Iterator[Part]:
    for number, (start, program) in enumerate(programs(data)):
        place = where if not start else f"{where} from byte {start:,}"
        by_danger: dict[str, list[Fetched]] = {"harmless": [], "unknown": [], "dangerous": []}
        for fetched in program.fetched:
            by_danger[danger(fetched)].append(fetched)
        known = [f for f in by_danger["unknown"] if of_library(f)]
        strange = [f for f in by_danger["unknown"] if not of_library(f)]
        if program.broken is not None and not program.fetched:
            if number < TORCH_PICKLES:
                yield Part(place, problem=f"cannot be followed to its end ({program.broken})")
            return
        problem = program.broken
        if problem is None and any(f.path == RAW_ARRAYS for f in program.fetched):
            problem = "joblib's arrays stand between its opcodes, and what follows one is not read for certain"
        yield Part(place, _paths(by_danger["dangerous"]), _paths(strange), _paths(known), problem)


def _fetching(where: str, data: bytes) -> Iterator[Part]:
    """The pickles in bytes that are rather something else: those that fetch something."""
    yield from (part for part in _pickles(where, data) if part.dangerous or part.unknown or part.library)


def _paths(found: list[Fetched]) -> tuple[str, ...]:
    return tuple(sorted({f.path for f in found}))


def _keras(where: str, data: bytes | str) -> Iterator[Part]:
    """What a configuration of Keras would look up beyond its own layers; nothing for other JSON."""
    try:
        told = parsed(data)
    except DataError as error:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
        if b"Lambda" in raw:
            yield Part(where, dangerous=("Keras Lambda layer",))
        elif where.endswith(CONFIG) or b'"class_name"' in raw:
            yield Part(where, problem=str(error))
        return
    named = strange(told)
    if named.dangerous or named.unknown:
        yield Part(where, named.dangerous, named.unknown)


def _hdf5(where: str, data: bytes) -> Iterator[Part]:
    """Keras keeps its configuration as JSON within; a Lambda layer there is marshalled code. Without h5py it is looked for, not read."""
    if b"Lambda" in data:
        yield Part(where, dangerous=("Keras Lambda layer",))
    elif not available():
        if b"model_config" in data:
            yield Part(where, problem="its configuration is read by h5py, which is not installed (pip install 'assay[keras]')")
    else:
        try:
            text = configuration(data)
        except DataError as error:
            yield Part(where, problem=str(error))
            return
        yield from () if text is None else _keras(f"{where}!model_config", text)


def _gguf(path: Path) -> Examination:
    """Weights hold no code; a chat template among the metadata is a program that the runtime renders."""
    try:
        found = templates(path)
    except DataError as error:
        return Examination(path, "GGUF", (Part(path.name, problem=str(error)),))
    told = [one for key, text in found.items() for one in template_parts(f"{path.name}!{key}", text)]
    parts = (*(x for x in told if isinstance(x, Part)), *_as_pickle(path, ".gguf"))
    return Examination(path, "GGUF", parts, tuple(x for x in told if isinstance(x, str)))


def _as_pickle(path: Path, own: str) -> Iterator[Part]:
    """What a file of weights is to a loader that goes by another name than `own` and takes the same bytes for a pickle."""
    with path.open("rb") as file:
        data = file.read(READ_TWICE)
    yield from _fetching(path.name, data)
    if path.suffix.lower() != own and may_begin(data):
        yield Part(
            path.name, problem=f"begins as weights do, and as a pickle may: only a name that ends in {own} is read as weights for certain"
        )


def template_parts(where: str, text: str) -> Iterator[Part | str]:
    """A part where the template leaves the sandbox or is none, a note where it answers to words."""
    found = read_template(text)
    if found.escapes:
        yield Part(where, dangerous=tuple(f"chat template: {name}" for name in found.escapes))
    if found.problem:
        yield Part(where, problem=found.problem)
    if found.words:
        words = ", ".join(f"“{word}”" for word in found.words[:8])
        yield f"{where}: the chat template answers to words in a message: {words}"
