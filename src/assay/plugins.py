"""Classes by name: ours from a table, third parties' from an entry point group; each is imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

T = TypeVar("T")


def kinds(ours: Mapping[str, str], group: str) -> tuple[str, ...]:
    """The names of all kinds, ours and third parties'.

    >>> kinds({"b": "x:Y", "a": "x:Z"}, "assay.nothing")
    ('a', 'b')
    """
    return tuple(sorted({*ours, *(e.name for e in entry_points(group=group))}))


def kind_class(kind: str, ours: Mapping[str, str], group: str, base: type[T]) -> type[T]:
    """The class of a kind, "module:Name" in our table; ours win over a third party's of the same name.

    Raises KeyError for a kind that nobody has, TypeError for one that is no `base`.

    >>> kind_class("counter", {"counter": "collections:Counter"}, "assay.nothing", dict).__name__
    'Counter'
    """
    if kind in ours:
        module, name = ours[kind].split(":")
        found = getattr(import_module(module), name)
    else:
        others = [e for e in entry_points(group=group) if e.name == kind]
        if not others:
            raise KeyError(kind)
        found = others[0].load()
    if not (isinstance(found, type) and issubclass(found, base)):
        raise TypeError(f"the kind {kind!r} names {found!r}, which is no {base.__name__}")
    return found
