"""What laying an overlay over other rows does to the probe's answers, against the data's own pictures laid over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assay.artefact.overlay import Overlay
from assay.dataset.rows import UInt8
from assay.finding import Effect, TrialResult
from assay.mine.candidate import Candidate
from assay.trial.family import Depth
from assay.trial.image_court import Court
from assay.trial.image_effect import MATCHED, Insert, insertion_effect

FAINT = 0.2  # the strength of a natural overlay where the tried one is added, not blended


def overlay_effect(court: Court, candidate: Candidate, target: int, depth: Depth) -> tuple[Effect | None, TrialResult]:
    """As `insertion_effect`; the natural overlays are pictures of other rows, blended as strongly."""
    assert isinstance(candidate.artefact, Overlay)
    overlay = candidate.artefact
    alpha = overlay.alpha if overlay.mode == "blend" else FAINT
    some = court.hosts(candidate.carriers, target, MATCHED[depth])
    natural = [_laid_over(overlay, court.images[row], alpha) for row in some]
    return insertion_effect(court, candidate, target, natural, depth, "pictures of other rows, laid over as strongly,")


def _laid_over(overlay: Overlay, picture: UInt8, alpha: float) -> Insert:
    return replace(overlay, template=picture.astype(np.float32), alpha=alpha, mode="blend", matched=None).insert
