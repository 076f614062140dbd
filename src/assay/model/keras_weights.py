"""The weights in an HDF5 file that Keras wrote, read by h5py within bounds, and the configuration beside them.

**Nothing that the file names outside itself is opened**: links to other files, soft links, external and virtual storage, references and
filters other than gzip, LZF, shuffling and checksums end the reading, by name, before a value is read. A tensor that says more values than
the file holds bytes for is refused. What the HDF5 library does with a damaged file is its own; read strangers' files in a container.
"""

from __future__ import annotations

import importlib.util
import io
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DAMAGE, DataError
from assay.model.keras_config import Layer, parsed, wired

Array = NDArray[Any]

HDF5 = b"\x89HDF\r\n\x1a\n"
LARGEST = 4 << 30  # bytes of a file that are held in memory
MOST_VALUES = 1 << 28  # of all tensors together: 1 GiB of float32, twice the largest picture classifiers that Keras ships
MOST_OBJECTS = 100_000
DEEPEST = 20  # groups within groups; Keras has six
FILTERS = frozenset((1, 2, 3, 32000))  # of HDF5: gzip, shuffle, Fletcher's checksum, LZF
PACKED = 1_100  # times smaller than its values, which is as far as deflate goes
CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@dataclass(frozen=True)
class KerasModel:
    """`layers` in order from the input; `arrays`: name of a layer -> its tensors in Keras's order and layout."""

    layers: list[Layer]
    arrays: dict[str, list[Array]]


def is_keras(path: Path) -> bool:
    """Whether a file is of Keras's kinds by its name and its first bytes."""
    if not path.is_file() or path.suffix.lower() not in (".keras", ".h5", ".hdf5"):
        return False
    with path.open("rb") as file:
        return file.read(8).startswith((HDF5, b"PK\x03\x04"))


def available() -> bool:
    """Whether h5py is there."""
    return importlib.util.find_spec("h5py") is not None


def read_keras(path: Path) -> KerasModel:
    """Layers and weights of `.keras` or `.h5`. DataError where h5py is missing, the file is damaged, or reaches beyond itself."""
    if not available():
        raise DataError("Keras weights are read by h5py, which is not installed", path=path, remedy="pip install 'assay[keras]'")
    if path.stat().st_size > LARGEST:
        raise DataError(f"is larger than the {LARGEST >> 30} GiB that are read", path=path)
    try:
        if path.read_bytes()[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(path) as archive:
                layers = wired(parsed(_entry(archive, CONFIG, 1 << 26)))
                data = _entry(archive, WEIGHTS, LARGEST)
            return KerasModel(layers, _archived(data, layers))
        return _legacy(path.read_bytes())
    except DataError as error:
        raise DataError(str(error), path=path) from error
    except DAMAGE as error:  # RecursionError is a RuntimeError
        raise DataError(f"cannot be read ({type(error).__name__}: {error})", path=path, remedy="get the file again") from error


def configuration(data: bytes) -> bytes | str | None:
    """The text of `model_config` in an HDF5 file; None where it has none. DataError where the file is damaged, or reaches into others."""
    try:
        with _opened(data) as file:
            _Reader(file, len(data), soft=True)
            return _text(file)
    except DAMAGE as error:  # RecursionError is a RuntimeError
        raise DataError(f"cannot be read ({type(error).__name__}: {error})") from error


def _text(file: Any) -> bytes | str | None:
    text = file.attrs.get("model_config")
    if text is not None and not isinstance(text, bytes | str):
        raise DataError("its configuration is no text")
    return text


def _opened(data: bytes) -> Any:
    import h5py

    return h5py.File(io.BytesIO(data), "r")


def _entry(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    if name not in archive.namelist():
        raise DataError(f"is an archive without {name}")
    if archive.getinfo(name).file_size > most:
        raise DataError(f"{name} has {archive.getinfo(name).file_size:,} bytes, and {most:,} are read")
    return archive.read(name)


def _archived(data: bytes, layers: Sequence[Layer]) -> dict[str, list[Array]]:
    """Keras 3 numbers groups by class, in the order of the layers, and their tensors from 0; an attribute holds the layer's name."""
    with _opened(data) as file:
        reader = _Reader(file, len(data))
        found: dict[str, list[Array]] = {}
        count: Counter[str] = Counter()
        for layer in layers:
            kind = _snake(layer.kind)
            stem = f"layers/{kind}" + (f"_{count[kind]}" if count[kind] else "") + "/vars/"
            count[kind] += 1
            names = sorted((n for n in reader.datasets if n.startswith(stem)), key=lambda n: (len(n), n))
            if names != [f"{stem}{i}" for i in range(len(names))]:
                raise DataError(f"the tensors of layer {layer.name[:60]!r} are not numbered from 0")
            named = file[stem].attrs.get("name") if stem.rstrip("/") in reader.groups else None
            if isinstance(named, str) and named != layer.name:
                raise DataError(f"where layer {layer.name[:60]!r} should be, the weights are of {named[:60]!r}")
            found[layer.name] = [reader.read(name) for name in names]
        reader.all_read()
        return found


def _snake(name: str) -> str:
    """As Keras names groups.

    >>> _snake("BatchNormalization"), _snake("Conv2D"), _snake("ReLU"), _snake("MaxPooling2D")
    ('batch_normalization', 'conv2d', 're_lu', 'max_pooling2d')
    """
    apart = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", apart).lower()


def _legacy(data: bytes) -> KerasModel:
    """Keras 2: names of layers and tensors stand in attributes."""
    with _opened(data) as file:
        reader = _Reader(file, len(data))
        text = _text(file)
        if text is None or "model_weights" not in reader.groups:
            raise DataError("holds weights without a configuration", remedy="save the whole model, not its weights alone")
        layers = wired(parsed(text))
        found: dict[str, list[Array]] = {}
        for layer in layers:
            stem = f"model_weights/{layer.name}"
            names = file[stem].attrs.get("weight_names", []) if stem in reader.groups else []
            told = [n.decode() if isinstance(n, bytes) else str(n) for n in np.asarray(names).ravel().tolist()]
            found[layer.name] = [reader.read(f"{stem}/{name}") for name in told]
        reader.all_read(("model_weights/",))
        return KerasModel(layers, found)


class _Reader:
    """Walks the whole file first, and refuses what reaches beyond it."""

    def __init__(self, file: Any, size: int, soft: bool = False) -> None:
        self.file, self.size, self.soft, self.values = file, size, soft, 0
        self.groups: set[str] = set()
        self.datasets: set[str] = set()
        self.unread: set[str] = set()
        self._walk(file, "", 0)

    def _walk(self, group: Any, stem: str, depth: int) -> None:
        import h5py

        if depth > DEEPEST:
            raise DataError(f"groups within groups, deeper than {DEEPEST}")
        for key in group:
            where = f"{stem}{key}"
            link = group.get(key, getlink=True)
            if self.soft and isinstance(link, h5py.SoftLink):
                continue
            if not isinstance(link, h5py.HardLink):
                kind = "a link to another file" if isinstance(link, h5py.ExternalLink) else "a soft link"
                raise DataError(f"{where[:120]!r} is {kind}, which no weights need")
            if len(self.groups) + len(self.datasets) >= MOST_OBJECTS:
                raise DataError(f"holds more than {MOST_OBJECTS:,} objects")
            kind = group.get(key, getclass=True)
            if kind is h5py.Group:
                self.groups.add(where)
                self._walk(group[key], f"{where}/", depth + 1)
            elif kind is h5py.Dataset:
                if group[key].is_virtual or group[key].id.get_create_plist().get_external_count():
                    raise DataError(f"{where[:120]!r} lies in another file, which no weights need")
                self.datasets.add(where)
        self.unread = set(self.datasets)

    def read(self, name: str) -> Array:
        """One tensor as float32."""
        if name not in self.datasets:
            raise DataError(f"the tensor {name[:120]!r} is missing")
        self.values += int(np.prod(_shape(self.file[name], name, self.size), dtype=object))
        if self.values > MOST_VALUES:
            raise DataError(f"holds more than {MOST_VALUES:,} values")
        self.unread.discard(name)
        return np.asarray(self.file[name][()], np.float32)

    def all_read(self, stems: tuple[str, ...] = ("layers/", "_layer")) -> None:
        """DataError where a tensor of a layer belongs to none of those that are rebuilt."""
        left = sorted(name for name in self.unread if name.startswith(stems))
        if left:
            raise DataError(f"the tensor {left[0][:120]!r} belongs to no layer of the configuration")


def _shape(dataset: Any, where: str, size: int) -> tuple[int, ...]:
    """Its shape. DataError for what is no plain array of numbers, or says more of them than the file holds."""
    created = dataset.id.get_create_plist()
    if dataset.shape is None or dataset.dtype.kind not in "fiub":
        raise DataError(f"{where[:120]!r} holds {str(dataset.dtype)[:40]}, and numbers are read")
    filters = {int(created.get_filter(i)[0]) for i in range(created.get_nfilters())}
    if not filters <= FILTERS:
        raise DataError(f"{where[:120]!r} is packed by a filter that is not read here ({min(filters - FILTERS)})")
    shape = tuple(int(n) for n in dataset.shape)
    wanted = int(np.prod(shape, dtype=object)) * dataset.dtype.itemsize
    held = int(dataset.id.get_storage_size())
    if held > size or wanted > (held * PACKED if filters & {1, 32000} else held):
        raise DataError(f"{where[:120]!r} says {wanted:,} bytes, and the file holds {min(held, size):,} for it")
    return shape
