"""What a Keras file says about its layers: JSON, read as data, in which nothing is looked up or called.

Keras makes objects of whatever classes its configuration names, in modules that it names (CVE-2025-1550: any function of any module; Lambda
layers: marshalled code). Here a name is compared with lists, and what is on none of them is told by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from assay.dataset.errors import DataError
from assay.model.keras_names import FUNCTIONS, LAYERS, MERGING, PARTS, REBUILT
from assay.model.opcodes import Fetched
from assay.model.verdict import danger

LARGEST = 16 << 20  # bytes of a configuration: those of large networks have one MiB
MOST_LAYERS = 2_000
MODULES = re.compile(
    r"keras(\.src)?(\.(layers|initializers|regularizers|constraints|activations|optimizers|losses|metrics|models|dtype_policies)(\.\w+)*)?$"
)


@dataclass(frozen=True)
class Layer:
    """`kind`: Keras's class; `given`: its configuration; `before`: the layers that feed it, in their order."""

    kind: str
    name: str
    given: dict[str, Any]
    before: tuple[str, ...] = ()

    def whole(self, key: str, default: int | None = None, most: int = 1 << 20) -> int:
        """A whole number from 1 to `most`. DataError for anything else."""
        value = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.odd(key)
        return value

    def pair(self, key: str, default: Any = None, most: int = 1 << 12) -> tuple[int, int]:
        """Two whole numbers from 1 to `most`, of one or of two. DataError for anything else."""
        value = self.given.get(key, default)
        both = value if isinstance(value, list | tuple) else [value, value]
        if len(both) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or not 1 <= v <= most for v in both):
            raise self.odd(key)
        return both[0], both[1]

    def number(self, key: str, default: float) -> float:
        """A finite number. DataError for anything else."""
        value = self.given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
            raise self.odd(key)
        return float(value)

    def odd(self, key: str) -> DataError:
        """What is wrong with a value of its configuration."""
        return DataError(f"layer {self.name!r} ({self.kind}) has {key} = {str(self.given.get(key))[:40]}, which is not understood")


def parsed(text: bytes | str) -> dict[str, Any]:
    """A configuration as it stands. DataError for what is too large, no JSON, or no model."""
    if len(text) > LARGEST:
        raise DataError(f"its configuration has {len(text):,} bytes, and {LARGEST:,} are read")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"its configuration is no JSON that can be read ({type(error).__name__})") from error
    if not isinstance(told, dict) or not isinstance(told.get("config"), dict | list) or not isinstance(told.get("class_name"), str):
        raise DataError("its configuration describes no model")
    return told


@dataclass(frozen=True)
class Named:
    """Names in a configuration that Keras would make objects of, beyond the known ones."""

    dangerous: tuple[str, ...]
    unknown: tuple[str, ...]


def strange(told: Any) -> Named:
    """What loading a configuration would look up or run beyond Keras's own layers and their parts.

    >>> strange({"class_name": "Lambda", "config": {}}), strange({"module": "os", "class_name": "function", "config": "system"})
    (Named(dangerous=('Keras Lambda layer',), unknown=()), Named(dangerous=('os.system',), unknown=()))
    """
    dangerous: set[str] = set()
    unknown: set[str] = set()
    for node in _nodes(told):
        kind = node.get("class_name")
        if not isinstance(kind, str):
            if "class_name" in node:
                unknown.add("a class without a name")
            continue
        module, registered = node.get("module"), node.get("registered_name")
        function = kind in ("function", "class", "__function__", "__class__", "__type__", "__typespec__")
        what = str(node.get("config")) if function else kind
        if kind in ("Lambda", "__lambda__") or str(registered).endswith(">Lambda"):
            dangerous.add("Keras Lambda layer")
        elif isinstance(module, str) and not (module == "builtins" and function) and MODULES.match(module) is None:
            name = f"{module}.{what}"[:120]
            (dangerous if danger(Fetched(module, what, 0)) == "dangerous" else unknown).add(name)
        elif (what in FUNCTIONS) if function else (kind in LAYERS or kind in PARTS):
            if isinstance(registered, str) and ">" in registered:
                unknown.add(registered[:120])
        else:
            unknown.add(f"{'function' if function else 'class'} {what}"[:120])
    return Named(tuple(sorted(dangerous)), tuple(sorted(unknown)))


def _nodes(told: Any) -> Iterator[dict[str, Any]]:
    left = [told]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += reversed(value.values())
        elif isinstance(value, list):
            left += reversed(value)


def wired(told: dict[str, Any]) -> list[Layer]:
    """The layers, each behind all that feed it, the input first and the output last. DataError for several inputs or outputs, layers that
    are used twice, circles, and layers that are not rebuilt."""
    kind, config = told["class_name"], told["config"]
    entries = config.get("layers") if isinstance(config, dict) else config
    if kind not in ("Sequential", "Functional", "Model") or not isinstance(entries, list) or not entries:
        raise DataError(f"{kind[:60]} is rebuilt neither as a row of layers nor as layers that feed one another")
    if len(entries) > MOST_LAYERS:
        raise DataError(f"holds {len(entries):,} layers, and {MOST_LAYERS:,} are read")
    layers = [_layer(entry) for entry in entries]
    for layer in layers:
        if layer.kind not in REBUILT and layer.kind != "InputLayer":
            raise DataError(
                f"layer {layer.name[:60]!r} is of {layer.kind[:60]}, which is not among the layers that are rebuilt",
                remedy=f"known are {', '.join(sorted(REBUILT))}",
            )
    if len({layer.name for layer in layers}) != len(layers):
        raise DataError("two of its layers have one name")
    if kind == "Sequential":
        return [replace(layer, before=(last.name,)) if last else layer for last, layer in zip([None, *layers], layers, strict=False)]
    fed = [replace(layer, before=_before(entry, layer)) for layer, entry in zip(layers, entries, strict=True)]
    inputs = [layer for layer in fed if not layer.before]
    if len(inputs) != 1:
        raise DataError(f"it has {len(inputs)} inputs, and one is read")
    ends = re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(config.get("output_layers"))) if isinstance(config, dict) else []
    read = {name for layer in fed for name in layer.before}
    if len(ends) != 1 or [layer.name for layer in fed if layer.name not in read] != ends:
        raise DataError("its layers do not all lead from one input to one output")
    return _in_order(fed)


def _in_order(layers: list[Layer]) -> list[Layer]:
    """Each layer behind all that feed it, otherwise as they stood."""
    found: list[Layer] = []
    done: set[str] = set()
    left = layers
    while left:
        ready = next((layer for layer in left if done.issuperset(layer.before)), None)
        if ready is None:
            raise DataError(f"layer {left[0].name[:60]!r} is fed by a layer that is not there, or that it feeds itself")
        found.append(ready)
        done.add(ready.name)
        left = [layer for layer in left if layer is not ready]
    return found


def _layer(entry: Any) -> Layer:
    given = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(given, dict) or not isinstance(entry.get("class_name"), str):
        raise DataError("a layer without a class or a configuration")
    name = given.get("name", entry.get("name"))
    if not isinstance(name, str):
        raise DataError(f"a layer of {entry['class_name'][:60]} without a name")
    return Layer(entry["class_name"], name, given)


def _before(entry: dict[str, Any], layer: Layer) -> tuple[str, ...]:
    """The layers that feed this one; none for an input. Keras 2 and 3 write that differently."""
    nodes = entry.get("inbound_nodes", [])
    if layer.kind == "InputLayer" and not nodes:
        return ()
    if not isinstance(nodes, list) or len(nodes) != 1:
        raise DataError(f"layer {layer.name[:60]!r} is used {len(nodes) if isinstance(nodes, list) else 'no'} times, and once is read")
    (node,) = nodes
    if isinstance(node, dict):  # Keras 3
        history = [n["config"].get("keras_history") for n in _nodes(node) if n.get("class_name") == "__keras_tensor__" and _has(n)]
    else:  # Keras 2: [[name, node, tensor, {}], ...]
        history = node if isinstance(node, list) else []
    if not all(isinstance(one, list) and one and isinstance(one[0], str) for one in history):
        raise DataError(f"layer {layer.name[:60]!r} does not say by name what feeds it")
    if (len(history) < 2) if layer.kind in MERGING else (len(history) != 1):
        raise DataError(f"layer {layer.name[:60]!r} ({layer.kind}) is fed by {len(history)} layers")
    return tuple(one[0] for one in history)


def _has(node: dict[str, Any]) -> bool:
    return isinstance(node.get("config"), dict)
