"""The weights in a model file as plain arrays, read without running anything that the file asks for.

A torch archive's pickle is read by an unpickler that knows the few functions which rebuild tensors, ours in place of torch's, and refuses
every other name. safetensors hold no code at all. Other formats are not read.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DAMAGE, DataError
from assay.model.polyglots import ZIP
from assay.model.static import size_of

Array = NDArray[Any]

MOST_VALUES = 4 << 30  # of all tensors together: 16 GiB of float32
STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bf16", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip


class CutShort(DataError):
    """The file ends before its tensors do."""


def read_weights(path: Path) -> dict[str, Array]:
    """Every tensor by its name, nested names joined with dots; bfloat16 as float32. DataError where the file is absent, of another format,
    asks for anything but tensors, or is broken; CutShort where safetensors end too early."""
    size_of(path)
    with path.open("rb") as file:
        head = file.read(4)
    if head == ZIP:
        try:
            return _flat(_torch(path))
        except RecursionError as error:
            raise DataError("holds values within values without end", path=path, remedy="ask for safetensors") from error
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    raise DataError(
        "is no torch archive and no safetensors file", path=path, remedy="save the state dict anew, or convert it to safetensors"
    )


def _torch(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise DataError("is an archive that holds no state dict", path=path, remedy="name a file that torch.save wrote")
            with archive.open(pickles[0]) as opened:
                return _Reader(opened, archive, pickles[0].removesuffix("data.pkl"), path).load()
    except DAMAGE as error:
        raise DataError(f"cannot be read ({type(error).__name__}: {error})", path=path, remedy="save it anew") from error


class _Storage:
    """A name for a kind of storage; calling it is not possible."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Reader(pickle.Unpickler):
    """Knows tensors and plain containers. Every name it does not know ends the reading."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str, path: Path) -> None:
        super().__init__(file)
        self.archive, self.folder, self.path = archive, folder, path
        self.values = 0
        self.storages: dict[str, Array] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return self._tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _parameter
        if module == "torch" and name in STORAGES:
            return _Storage(STORAGES[name])
        raise DataError(
            f"asks for {module}.{name}, which no weights need",
            path=self.path,
            remedy="see what loading it would run: assay inspect; ask for safetensors",
        )

    def persistent_load(self, pid: Any) -> Array:
        kind, storage, key, _, values = pid
        if kind != "storage" or not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a persistent object that is no storage")
        if key not in self.storages:
            self.values += int(values)
            if self.values > MOST_VALUES:
                raise DataError(f"holds more than {MOST_VALUES:,} values", path=self.path)
            self.storages[key] = _array(self.archive.read(f"{self.folder}data/{key}"), storage.dtype)
        return self.storages[key]

    def _tensor(self, storage: Array, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Array:
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if min([offset, *size, *stride], default=0) < 0 or (0 not in size and last >= len(storage)):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        step = storage.itemsize
        view = np.lib.stride_tricks.as_strided(storage[offset:], size, [s * step for s in stride], writeable=False)
        return np.array(view)


def _parameter(tensor: Array, *_: Any) -> Array:
    return tensor


def _array(data: bytes, dtype: str) -> Array:
    if dtype == "bf16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, np.dtype(dtype))


def _flat(value: Any, name: str = "") -> dict[str, Array]:
    if isinstance(value, np.ndarray):
        return {name: value}
    if isinstance(value, Mapping):
        found: dict[str, Array] = {}
        for key, inner in value.items():
            found.update(_flat(inner, f"{name}.{key}" if name else str(key)))
        return found
    return {}


def write_weights(path: Path, weights: Mapping[str, Array]) -> None:
    """A new safetensors file of these arrays. FileExistsError where there is one: nothing is overwritten.

    The header is JSON in ASCII, filled up to a multiple of eight bytes; the format is Hugging Face's.
    """
    kinds = {np.dtype(code): name for name, code in SAFETENSORS.items() if code != "bf16"}
    header, bodies, start = {}, [], 0
    for name, array in weights.items():
        body = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": kinds[array.dtype], "shape": list(array.shape), "data_offsets": [start, start + len(body)]}
        bodies.append(body)
        start += len(body)
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(bodies)


def _safetensors(path: Path) -> dict[str, Array]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        body = data[8 + length :]
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            start, end = entry["data_offsets"]
            if not 0 <= start <= end <= len(body):
                raise CutShort(f"is cut short or damaged: {name} lies outside the file", path=path, remedy="get the file again")
            found[name] = _array(body[start:end], SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
    except DAMAGE as error:
        raise DataError(f"cannot be read ({type(error).__name__}: {error})", path=path, remedy="get the file again") from error
    return found
