"""Every family, in the order in which they run. Third parties add theirs by the entry point group "assay.families"."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
from numpy.typing import NDArray

from assay.trial.cells import CellsFamily
from assay.trial.clusters import ClusterFamily
from assay.trial.code import CodeFamily
from assay.trial.corpus import CorpusFamily
from assay.trial.family import Family
from assay.trial.groups import GroupFamily
from assay.trial.implants import ImplantFamily
from assay.trial.links import LinkFamily
from assay.trial.overlays import OverlayFamily
from assay.trial.patches import PatchFamily
from assay.trial.phrases import PhraseFamily
from assay.trial.relabelling import RelabellingFamily
from assay.trial.residuals import ResidualFamily
from assay.trial.styles import StyleFamily


def families(embeddings: NDArray[np.float32] | None = None) -> tuple[Family, ...]:
    """One instance of each; clusters are looked for in the owner's `embeddings` (n, d), where there are any."""
    extra = [e.load()() for e in sorted(entry_points(group="assay.families"), key=lambda e: e.name)]
    ours = (
        PatchFamily(),
        OverlayFamily(),
        ResidualFamily(),
        ImplantFamily(),
        *(() if embeddings is None else (ClusterFamily.of(embeddings),)),
        PhraseFamily(),
        CorpusFamily(),
        CodeFamily(),
        LinkFamily(),
        CellsFamily(),
        GroupFamily(),
        RelabellingFamily(),
        StyleFamily(),
    )
    return (*ours, *extra)
