"""States of blocks kept on disk, so that a later scan of the same rows and more need not gather them again.

A state is stored under a key made of the work that gathers it, all of its arguments and this program's version: it is only ever used
for the very block that it was made of, so that a scan finds the same with kept states and without. Files are NumPy archives without
pickles, written under a temporary name and moved; one that cannot be read counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa

from assay.engine.base import Engine, Handle
from assay.version import __version__

T = TypeVar("T")
R = TypeVar("R")

STRUCTURE = "structure"  # the entry of an archive that says how its arrays go together


class Keeping(Engine):
    """An engine of this process that looks up states of `works` in `old` and `new`, and stores those that it gathers in `new`.

    `types` are the classes that states are made of: dataclasses of arrays, numbers, texts and tuples. `found` counts what was looked up.
    """

    name: ClassVar[str] = "local"
    remote = False

    def __init__(
        self, inner: Engine, works: Iterable[Callable[..., Any]], types: Iterable[type], old: Path | None = None, new: Path | None = None
    ) -> None:
        self.inner, self.works, self.types = inner, frozenset(works), {t.__name__: t for t in types}
        self.old, self.new = old, new
        self.workers = inner.workers
        self.found = 0

    def put(self, value: T) -> Handle[T]:
        return self.inner.put(value)

    def submit(self, work: Callable[..., R], *arguments: Any, stay: bool = False) -> Handle[R]:
        return self.inner.submit(work, *arguments, stay=stay)

    def wait(self, handle: Handle[Any]) -> None:
        self.inner.wait(handle)

    def result(self, handle: Handle[R]) -> R:
        return self.inner.result(handle)

    def close(self) -> None:
        self.inner.close()

    def map(self, work: Callable[..., R], calls: Iterable[Sequence[Any]]) -> Iterator[R]:
        if work not in self.works:
            yield from self.inner.map(work, calls)
            return
        for call in calls:
            yield self._state(work, call)

    def _state(self, work: Callable[..., R], call: Sequence[Any]) -> R:
        name = f"{key_of(work, call)}.npz"
        here = None if self.new is None else self.new / name
        for path in (here, None if self.old is None else self.old / name):
            state = None if path is None else load(path, self.types)
            if state is not None:
                self.found += 1
                break
        else:
            state = self.inner.result(self.inner.submit(work, *call))
        if here is not None and not here.exists():
            store(here, state)
        return state


def key_of(work: Callable[..., Any], call: Sequence[Any]) -> str:
    """A name for one piece of work: other arguments, work or versions have another."""
    digest = hashlib.sha256(f"{__version__} {work.__module__}.{work.__qualname__}".encode())
    _feed(digest.update, call)
    return digest.hexdigest()[:32]


def _feed(take: Callable[[bytes], object], value: Any) -> None:
    """Every value behind a mark of its type and length, so that no two sequences of values give the same bytes."""
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        take(b"s%d:" % len(data) + data)
    elif isinstance(value, np.ndarray):
        take(f"a{value.dtype.str}{value.shape}:".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, pa.Array):
        data = pa.record_batch([value], ["value"]).serialize().to_pybytes()
        take(b"r%d:" % len(data) + data)
    elif isinstance(value, list | tuple):
        take(b"l%d:" % len(value))
        for item in value:
            _feed(take, item)
    elif value is None or isinstance(value, int):
        take(f"i{value}:".encode())
    else:
        raise TypeError(f"work whose states are kept is given a {type(value).__name__}")


def store(path: Path, state: Any) -> None:
    """Write one state, whole or not at all."""
    arrays: dict[str, Any] = {}
    structure = json.dumps(_packed(state, arrays)).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}.tmp")
    with scratch.open("wb") as file:
        np.savez(file, allow_pickle=False, **{STRUCTURE: np.frombuffer(structure, np.uint8)}, **arrays)
    scratch.replace(path)


def load(path: Path, types: dict[str, type]) -> Any:
    """The state, or None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _unpacked(json.loads(arrays.pop(STRUCTURE).tobytes()), arrays, types)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _packed(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        arrays[f"a{len(arrays)}"] = value
        return {"array": f"a{len(arrays) - 1}"}
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, "fields": {f.name: _packed(getattr(value, f.name), arrays) for f in fields(value)}}
    if isinstance(value, tuple):
        return [_packed(v, arrays) for v in value]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a state that is kept holds a {type(value).__name__}")


def _unpacked(value: Any, arrays: dict[str, Any], types: dict[str, type]) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(v, arrays, types) for v in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    return types[value["type"]](**{name: _unpacked(v, arrays, types) for name, v in value["fields"].items()})
