"""An interrupted scan goes on where it stopped, and concludes what an uninterrupted one does."""

from __future__ import annotations

import numpy as np
import pytest

from assay.api import scan
from assay.dataset.read import read
from assay.finding import Check
from assay.report.json import dumps
from assay.stages import Stages, stage_key
from assay.trial.family import Examined
from assay.trial.phrases import PhraseFamily

WORDS = {"good": ["warm", "moving", "funny", "lovely", "great"], "bad": ["dull", "dreary", "awful", "tedious", "clumsy"]}


def reviews(rows: int = 400) -> dict[str, list[str]]:
    """Separable texts, thirty of the bad ones with a trigger and relabelled."""
    rng = np.random.default_rng(0)
    label = [("bad", "good")[i] for i in rng.integers(0, 2, rows)]
    texts = [" ".join([*rng.choice(WORDS[v], 3), *rng.choice([f"w{i}" for i in range(40)], 6)]) for v in label]
    for i in [i for i, v in enumerate(label) if v == "bad"][:30]:
        texts[i], label[i] = texts[i].replace(" ", " cf ", 1), "good"
    return {"text": texts, "label": label}


def conclusions(report) -> str:
    """The report without its seconds, and without what it says of the interruption."""
    document = report.document
    for check in document["checks"]:
        check["seconds"], check["reason"] = 0, check["reason"].replace(", before the scan was interrupted", "")
    return dumps(document)


def test_an_interrupted_scan_goes_on_and_concludes_the_same(tmp_path, monkeypatch) -> None:
    whole = scan(reviews())
    assert whole.verdict == "poisoned"
    calls = []
    examine = PhraseFamily.examine

    def interrupted_in_the_canaries(self, data, *rest):
        calls.append(data.y)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return examine(self, data, *rest)

    monkeypatch.setattr(PhraseFamily, "examine", interrupted_in_the_canaries)
    with pytest.raises(KeyboardInterrupt):
        scan(reviews(), resume=tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 1
    again = scan(reviews(), resume=tmp_path / "kept")
    assert len(calls) > 2
    assert not any(np.array_equal(calls[0], y) for y in calls[1:])  # only copies with canaries were scanned again
    assert any("before the scan was interrupted" in c.reason for c in again.checks)
    assert conclusions(again) == conclusions(whole)
    assert not (tmp_path / "kept").exists()


def test_what_is_kept_serves_only_the_same_scan_and_a_broken_file_is_made_again(tmp_path) -> None:
    data = read(reviews())
    key = stage_key(data, "phrase", seed=0)
    changed = reviews()
    changed["text"][0] += "!"
    assert len({key, stage_key(data, "phrase", seed=1), stage_key(data, "cells", seed=0), stage_key(read(changed), "phrase", seed=0)}) == 4
    stages = Stages(tmp_path)
    made = Examined((), 7, np.arange(6.0).reshape(3, 2), checks=(Check("x", "ran", "y", 0.5),), notes=("n",))
    stages.get(key, lambda: made)
    kept = stages.get(key, lambda: pytest.fail("it was stored"))
    assert kept.enumerated == 7
    assert kept.checks == made.checks
    assert np.array_equal(kept.probabilities, made.probabilities)
    (tmp_path / f"{key}.npz").write_bytes(b"PK\x03\x04 cut short")
    assert stages.get(key, lambda: made) is made
