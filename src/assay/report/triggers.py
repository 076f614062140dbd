"""The triggers that an inspection of a network handed over, for a page: each drawn, and on pictures it had not seen, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.artefact.encode import png_array
from assay.artefact.registry import from_json
from assay.report.pictures import Thumbnail, outlines, thumbnail


@dataclass(frozen=True)
class Handed:
    """One trigger: what it is, where it leads and how often; `picture` of itself where it has one; `shown`: (before, after) each."""

    what: str
    leads: str
    picture: Thumbnail | None
    shown: tuple[tuple[Thumbnail, Thumbnail], ...]


def handed_over(inspection: Mapping[str, Any] | None) -> list[Handed]:
    """Those of an inspection's JSON (`assay.model.behaviour.Inspection.to_json`); none where nothing was inspected."""
    return [] if inspection is None else [_handed(trigger) for trigger in inspection["triggers"]]


def _handed(trigger: Mapping[str, Any]) -> Handed:
    artefact = from_json(trigger["artefact"])
    before, after = (np.stack([png_array(p) for p in trigger["pictures"][when]]) for when in ("before", "after"))
    pairs = zip(before, after, outlines(artefact, after, before), strict=True)
    shown = tuple((thumbnail(was), thumbnail(now, box)) for was, now, box in pairs)
    where = "each class to another" if trigger["target"] is None else f"class {trigger['target']}"
    leads = f"turns {trigger['attack_success']:.0%} of {trigger['measured_on']} held-back pictures into {where}"
    draw = getattr(artefact, "picture", None)
    picture = thumbnail(draw()) if callable(draw) else None
    return Handed(artefact.describe(), f"{leads}; without it {trigger['without_it']:.0%} go there", picture, shown)
