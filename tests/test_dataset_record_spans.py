"""Where records end: told by the parity of quotes where they open and close in turn, field by field else, and both agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.dataset.formats import records
from assay.dataset.limits import Limits


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(['"', '""', ",", "a", "\n", "\r\n", '"b",', '\n"c"\n'])).map("".join), st.sampled_from([3, 1 << 20]))
def test_both_ways_find_the_same_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    found = []
    for plain in (records.plain, lambda *_: False):
        with monkeypatch.context() as patch:
            patch.setattr(records, "plain", plain)
            patch.setattr(records, "BLOCK", block)
            where = records.spans(path, ",", True, Limits())
        found.append((where.start.tolist(), where.stop.tolist()))
    assert found[0] == found[1]


def test_quoted_fields_are_told_without_a_look_at_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"a","b"\n' + '"1, ""one""","two\nlines"\n' * 500)
    monkeypatch.setattr(records, "open_field", None)
    where = records.spans(path, ",", True, Limits())
    assert len(where) == 501
    assert np.all(np.diff(where.start) > 0)
