"""The kinds of attack, by name. Third parties add theirs by an entry point in the group "assay.attacks"."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from assay.attack.base import Attack
from assay.dataset.errors import DataError

GROUP = "assay.attacks"

KINDS = {  # kind -> where its class lives
    "blend": "assay.attack.blend:BlendAttack",
    "cells": "assay.attack.cells:CellsAttack",
    "flip": "assay.attack.flip:FlipAttack",
    "glasses": "assay.attack.glasses:GlassesAttack",
    "insider": "assay.attack.insider:InsiderAttack",
    "patch": "assay.attack.patch:PatchAttack",
    "phrase": "assay.attack.phrase:PhraseAttack",
    "sticker": "assay.attack.sticker:StickerAttack",
}


def kinds() -> tuple[str, ...]:
    """The names of all kinds, ours and third parties'."""
    return tuple(sorted({*KINDS, *(e.name for e in entry_points(group=GROUP))}))


def attack(kind: str) -> Attack:
    """The attack of a kind; ours win over a third party's of the same name. DataError lists the kinds there are.

    >>> attack("patch").rate
    0.01
    """
    if kind in KINDS:
        module, name = KINDS[kind].split(":")
        found = getattr(import_module(module), name)
    else:
        others = [e for e in entry_points(group=GROUP) if e.name == kind]
        if not others:
            raise DataError(f"no attack of kind {kind!r}", remedy=f"choose one of: {', '.join(kinds())}")
        found = others[0].load()
    if not (isinstance(found, type) and issubclass(found, Attack)):
        raise TypeError(f"the kind {kind!r} names {found!r}, which is no Attack")
    return found()
