"""The clean-control benchmark counts what it should: resumes, leaves out empty scans, and says which sets failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("clean", None)
    import clean

    return clean


def line(cell: str, verdict: str = "clean", families: tuple[str, ...] = ("phrase",), **more: Any) -> dict[str, Any]:
    name, variant, seed = cell.split("/")
    base = {"cell": cell, "set": name, "variant": variant, "seed": int(seed), "modality": "table", "rows": 400}
    return {**base, "verdict": verdict, "families": list(families), "findings": [], "failed": [], "seconds": 1.0, **more}


def test_at_least_300_distinct_cells_of_at_least_20_sets(clean: ModuleType) -> None:
    cells = clean.cells()
    assert len({c.name for c in cells}) == len(cells) >= 300
    assert len({c.set for c in cells}) >= 20
    made = [clean.cell_data(c) for c in cells if c.set in ("iris", "wine", "digits")]
    assert len({d.fingerprint for d in made}) == len(made)


def test_a_cell_is_the_same_data_each_time_and_keeps_its_labels(clean: ModuleType) -> None:
    cell = clean.Cell("digits", "watermarked", 1)
    a, b = clean.cell_data(cell), clean.cell_data(cell)
    assert a.fingerprint == b.fingerprint
    assert 0.55 * 1797 < len(a) <= 0.8 * 1797
    assert len(np.unique(a.row)) == len(a)


def test_empty_scans_are_not_counted_and_failures_are_listed(clean: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    finding = {"status": "confirmed", "artefact": "the word x", "target": "1", "rows": 9, "log10_p": -9.0, "log_e": 20.0}
    bad = line("adult/plain/0", "poisoned", quarantined=9, findings=[finding])
    clean.report([line("iris/plain/0", families=()), line("sms/plain/0"), bad])
    said = capsys.readouterr().out
    assert "not counted: 1 cells" in said
    assert "clean 1 of 2" in said
    assert "adult: 0 of 1  <-" in said
    assert "confirmed the word x -> 1 (9 rows" in said


def test_done_cells_are_read_back_and_half_a_line_is_passed_over(clean: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "cells.jsonl"
    out.write_text(json.dumps(line("sms/plain/0")) + "\n" + '{"cell": "sms/pl')
    assert list(clean.done_cells(out)) == ["sms/plain/0"]
