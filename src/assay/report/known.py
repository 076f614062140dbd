"""Known triggers and releases among the findings: a match is suspected, and the published source stands beside it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from assay.dataset.data import Dataset
from assay.finding import Check, Conclusion, Finding, TrialResult, Verdict
from assay.known.match import Match, match_data
from assay.known.signatures import Signatures
from assay.trial.verdicts import BACKDOOR, contributors_of

SUSPECTED_SCORE = 0.99  # as the pipeline gives rows of suspected findings


def tell_known(data: Dataset, conclusion: Conclusion, signatures: Signatures) -> Conclusion:
    """The same conclusion with a suspected finding for each signature that matches, after those of the scan.

    A match is no experiment: the words may stand there by nature, so it is suspected at most. Its rows are for review.
    """
    began = time.perf_counter()
    matches, passed_over = match_data(signatures, data)
    said = f"{len(signatures.entries)} signatures, version {signatures.version}: {len(matches)} matched"
    if passed_over:
        said += f"; {len(passed_over)} are of another kind of data"
    check = Check("signatures", "ran", said, time.perf_counter() - began)
    if not matches:
        return replace(conclusion, checks=(*conclusion.checks, check))
    found = tuple(_finding(data, m, n) for n, m in enumerate(matches, 1))
    score, action = conclusion.score.copy(), np.array(conclusion.action, object)
    for match in matches:
        score[match.positions] = np.maximum(score[match.positions], SUSPECTED_SCORE)
        action[match.positions] = np.where(action[match.positions] == "quarantine", "quarantine", "review")
    verdict: Verdict = "poisoned" if conclusion.verdict == "poisoned" else "suspect"
    return replace(
        conclusion,
        verdict=verdict,
        findings=_ranked((*conclusion.findings, *found)),
        checks=(*conclusion.checks, check),
        score=score,
        action=tuple(action.tolist()),
    )


def _ranked(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    rank = {"confirmed": 0, "suspected": 1, "shortcut": 2}
    return tuple(sorted(findings, key=lambda f: rank[f.status]))


def _finding(data: Dataset, match: Match, number: int) -> Finding:
    signature = match.signature
    artefact = match.release or signature.artefact
    assert artefact is not None
    what = artefact.describe()
    where = "the whole data set" if match.release else f"{len(match.positions):,} rows"
    return Finding(
        id=f"S{number}",
        kind=artefact.kind,
        status="suspected",
        target=None,
        log_e=0.0,
        log10_p=0.0,
        positions=match.positions,
        artefact=artefact,
        explanation=f"{what[:1].upper() + what[1:]}: {where}. Known as {signature.id}, {signature.name} ({signature.source})",
        trials=(TrialResult("signature", "ran", detail=f"matches {signature.id}, published in {signature.source}"),),
        contributors=contributors_of(data, match.positions),
        taxonomy=BACKDOOR,
    )
