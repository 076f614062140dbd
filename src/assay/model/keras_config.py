"""What a Keras file says about its layers: JSON, read as data, in which nothing is looked up or called.

Keras makes objects of whatever classes its configuration names, in modules that it names (CVE-2025-1550: any function of any module; Lambda
layers: marshalled code). Here a name is compared with lists, and what is on none of them is told by its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.dataset.errors import DataError
from assay.model.keras_names import FUNCTIONS, LAYERS, PARTS, REBUILT
from assay.model.opcodes import Fetched
from assay.model.verdict import danger

LARGEST = 16 << 20  # bytes of a configuration: those of large networks have one MiB
MOST_LAYERS = 2_000
MODULES = re.compile(
    r"keras(\.src)?(\.(layers|initializers|regularizers|constraints|activations|optimizers|losses|metrics|models|dtype_policies)(\.\w+)*)?$"
)


@dataclass(frozen=True)
class Layer:
    """`kind`: Keras's class; `given`: its configuration."""

    kind: str
    name: str
    given: dict[str, Any]

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
            left += value.values()
        elif isinstance(value, list):
            left += value


def chain(told: dict[str, Any]) -> list[Layer]:
    """The layers one behind another, the input first. DataError for branches, several inputs or outputs, layers that are not rebuilt."""
    kind, config = told["class_name"], told["config"]
    entries = config.get("layers") if isinstance(config, dict) else config
    if kind not in ("Sequential", "Functional", "Model") or not isinstance(entries, list) or not entries:
        raise DataError(f"{kind[:60]} is rebuilt neither as a row of layers nor as a simple chain")
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
        return layers
    before = {layer.name: _before(entry, layer) for layer, entry in zip(layers, entries, strict=True)}
    by_name = {layer.name: layer for layer in layers}
    inputs = [name for name, given in before.items() if given is None]
    after: dict[str, str] = {}
    for name, given in before.items():
        if given is not None and after.setdefault(given, name) != name:
            raise DataError(f"layer {given[:60]!r} feeds more than one other: only simple chains are rebuilt")
    if len(inputs) != 1:
        raise DataError(f"it has {len(inputs)} inputs, and one is read")
    found = [by_name[inputs[0]]]
    while found[-1].name in after and len(found) <= len(layers):
        found.append(by_name[after[found[-1].name]])
    ends = re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(config.get("output_layers"))) if isinstance(config, dict) else []
    if len(found) != len(layers) or ends != [found[-1].name]:
        raise DataError("its layers are no simple chain from one input to one output")
    return found


def _layer(entry: Any) -> Layer:
    given = entry.get("config") if isinstance(entry, dict) else None
    if not isinstance(given, dict) or not isinstance(entry.get("class_name"), str):
        raise DataError("a layer without a class or a configuration")
    name = given.get("name", entry.get("name"))
    if not isinstance(name, str):
        raise DataError(f"a layer of {entry['class_name'][:60]} without a name")
    return Layer(entry["class_name"], name, given)


def _before(entry: dict[str, Any], layer: Layer) -> str | None:
    """The one layer that feeds this one; None for an input. Keras 2 and 3 write that differently."""
    nodes = entry.get("inbound_nodes", [])
    if layer.kind == "InputLayer" and not nodes:
        return None
    odd = DataError(f"layer {layer.name[:60]!r} is fed by other than one layer: only simple chains are rebuilt")
    if not isinstance(nodes, list) or len(nodes) != 1:
        raise odd
    (node,) = nodes
    if isinstance(node, dict):  # Keras 3
        history = [n["config"].get("keras_history") for n in _nodes(node) if n.get("class_name") == "__keras_tensor__" and _has(n)]
    else:  # Keras 2: [[name, node, tensor, {}]]
        history = node if isinstance(node, list) else []
    if len(history) != 1 or not isinstance(history[0], list) or not history[0] or not isinstance(history[0][0], str):
        raise odd
    return history[0][0]


def _has(node: dict[str, Any]) -> bool:
    return isinstance(node.get("config"), dict)
