"""An earlier report and trusted rows: what came since, and what is natural after all."""

from __future__ import annotations

import numpy as np
import pytest

from assay.api import scan
from assay.dataset.errors import DataError
from test_stages import WORDS, reviews


def test_a_scan_since_finds_what_a_full_scan_finds_and_says_what_came(tmp_path) -> None:
    rows = reviews()
    texts, labels = rows["text"], rows["label"]
    order = [i for i, t in enumerate(texts) if "cf" not in t] + [i for i, t in enumerate(texts) if "cf" in t]
    texts, labels = [texts[i] for i in order], [labels[i] for i in order]
    old = scan({"text": texts[:360], "label": labels[:360]}, canaries=False)
    assert old.verdict == "clean"
    old.write(tmp_path / "old")
    whole = scan({"text": texts, "label": labels}, canaries=False)
    since = scan({"text": texts, "label": labels}, canaries=False, since=tmp_path / "old")
    assert [f.artefact for f in since.findings] == [f.artefact for f in whole.findings]
    assert "It is new; 30 of its rows were added since the earlier report." in since.findings[0].explanation
    assert any("40 records added, findings new: F1, no longer found: 0" in note for note in since.document["dataset"]["notes"])


def test_changed_or_missing_records_are_named(tmp_path) -> None:
    rows = reviews(200)
    scan(rows, canaries=False).write(tmp_path / "old")
    changed = {"text": [*rows["text"][:7], "another text", *rows["text"][8:]], "label": rows["label"]}
    with pytest.raises(DataError, match="row 7: this record is not what it was"):
        scan(changed, canaries=False, since=tmp_path / "old")
    with pytest.raises(DataError, match=r"covers 200 records, and the data has 150: some were removed"):
        scan({k: v[:150] for k, v in rows.items()}, canaries=False, since=tmp_path / "old")


def test_what_is_as_usual_among_trusted_rows_is_no_finding() -> None:
    poisoned = reviews()
    assert scan(poisoned, canaries=False).verdict == "poisoned"
    rng = np.random.default_rng(1)
    labels = [("bad", "good")[i] for i in rng.integers(0, 2, 200)]
    without = {"text": [" ".join(rng.choice(WORDS[v], 5)) for v in labels], "label": labels}
    report = scan(poisoned, canaries=False, trusted=without)
    assert report.verdict == "poisoned"
    assert any("0 of 200 trusted rows" in t.detail for t in report.findings[0].trials)
    vouched = {k: poisoned[k] for k in ("text", "label")}
    report = scan(poisoned, canaries=False, trusted=vouched)
    assert report.verdict == "clean"
    assert "natural, and left alone" in report.findings[0].explanation
