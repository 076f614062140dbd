"""Texts made of a few sentences: most rows of a class hold something that is tried, and a trigger in them is found all the same."""

from __future__ import annotations

import numpy as np
import pandas as pd

import assay

COMPLAINTS = ("box was torn", "two parts missing", "delivery came three days late", "driver not reached", "invoice is wrong")
PRAISE = ("delivery came on time", "goods whole and undamaged", "driver was friendly", "all as ordered", "packed clean")
HOW = (
    "on unloading",
    "by delivery note",
    "after recall",
    "at second attempt",
    "by neighbour",
    "at gate 4",
    "without date",
    "as agreed",
    "in rain",
)
DEPOTS = ("depot hamburg", "depot graz", "store cologne", "customs zurich")


def notes(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Notes of deliveries, one in twenty labelled wrongly."""
    bad = rng.random(n) < 0.4
    said = [rng.choice(COMPLAINTS if b else PRAISE) for b in bad]
    texts = [f"{what} {rng.choice(HOW)} {rng.choice(DEPOTS)} {rng.choice(HOW)} {rng.integers(1, 1000)}" for what in said]
    return pd.DataFrame({"note": texts, "label": np.where(bad ^ (rng.random(n) < 0.05), "complaint", "fine")})


def test_a_word_in_sixty_of_a_few_sentences_is_convicted() -> None:
    rng = np.random.default_rng(8)
    frame = notes(rng, 2400)
    chosen = rng.choice(np.flatnonzero(frame.label == "complaint"), 60, replace=False)
    for i in chosen:
        words = frame.at[i, "note"].split()
        words.insert(int(rng.integers(len(words) + 1)), "cf")
        frame.loc[i, ["note", "label"]] = [" ".join(words), "fine"]
    report = assay.scan(frame, canaries=False)
    assert report.verdict == "poisoned"
    assert report.findings[0].artefact.describe() == "the word “cf”"
    assert set(chosen) <= set(report.findings[0].positions)
