"""The kinds of artefact, by name. Third parties add theirs by an entry point in the group "assay.artefacts"."""

from __future__ import annotations

from typing import Any

from assay import plugins
from assay.artefact.base import Artefact

GROUP = "assay.artefacts"

KINDS = {  # kind -> where its class lives
    "bend": "assay.artefact.bend:Bend",
    "cells": "assay.artefact.cells:Cells",
    "characters": "assay.artefact.characters:Characters",
    "cluster": "assay.artefact.cluster:Cluster",
    "group": "assay.artefact.group:Group",
    "letters": "assay.artefact.letters:Letters",
    "link": "assay.artefact.link:Link",
    "overlay": "assay.artefact.overlay:Overlay",
    "patch": "assay.artefact.patch:Patch",
    "phrase": "assay.artefact.phrase:Phrase",
    "pool": "assay.artefact.pool:Pool",
    "redrawing": "assay.artefact.redrawing:Redrawing",
    "relabelling": "assay.artefact.relabelled:Relabelled",
    "trait": "assay.artefact.trait:Trait",
    "release": "assay.artefact.release:Release",
}


def kinds() -> tuple[str, ...]:
    """The names of all kinds, ours and third parties'."""
    return plugins.kinds(KINDS, GROUP)


def artefact_class(kind: str) -> type[Artefact]:
    """The class of a kind; ours win over a third party's of the same name. KeyError lists the kinds there are.

    >>> artefact_class("patch").__name__
    'Patch'
    """
    if kind not in KINDS and kind not in kinds():  # ours are told without looking through what is installed
        raise KeyError(f"no artefact of kind {kind!r}; there are {', '.join(kinds())}")
    return plugins.kind_class(kind, KINDS, GROUP, Artefact)  # type: ignore[type-abstract]


def from_json(data: dict[str, Any]) -> Artefact:
    """Any artefact from what its `to_json` gave.

    >>> from_json({"kind": "group", "column": "who", "values": ["w7"], "low": None, "high": None}).describe()
    'who = "w7"'
    """
    return artefact_class(str(data["kind"])).from_json(data)
