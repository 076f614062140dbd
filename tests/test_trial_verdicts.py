"""Which of several findings of the same rows is reported."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay.artefact.base import Artefact
from assay.artefact.cluster import Cluster
from assay.artefact.phrase import Phrase
from assay.dataset.data import Columns, Dataset
from assay.dataset.read import read
from assay.finding import Finding
from assay.mine.candidate import Candidate
from assay.trial.family import Examined, Tried
from assay.trial.verdicts import findings_of, judge_all

ROWS = 400
TRIGGER = Phrase((("cf",),), ("text",))


@pytest.fixture
def data() -> Dataset:
    table = pa.table({"text": [f"row {i}" for i in range(ROWS)], "label": ["good", "bad"] * (ROWS // 2)})
    return read(table, columns=Columns(label=("label",)))


def found(data: Dataset, **charges: tuple[Artefact, int, int, float]) -> tuple[Finding, ...]:
    """What is reported of these charges, by family: an artefact, the first and the last row that it names, and the log e-value."""
    examined = {
        family: Examined((Tried(Candidate(artefact, np.arange(start, stop)), None, log_e, 1e-9, ()),), 1)
        for family, (artefact, start, stop, log_e) in charges.items()
    }
    return findings_of(dict.fromkeys(examined, data), judge_all(examined, 0.01))


def ball(data: Dataset, space: str) -> Cluster:
    return Cluster.around(np.zeros((ROWS, 2)), space, data.digest)


def test_a_trigger_takes_the_place_of_rows_that_a_network_sets_apart(data: Dataset) -> None:
    (one,) = found(data, implant=(ball(data, "features"), 0, 100, 90.0), phrase=(TRIGGER, 2, 98, 20.0))
    assert one.artefact == TRIGGER
    assert one.positions.tolist() == list(range(2, 98))


def test_a_trigger_that_explains_part_of_the_rows_stands_beside_them(data: Dataset) -> None:
    said = found(data, implant=(ball(data, "features"), 0, 100, 90.0), phrase=(TRIGGER, 0, 70, 20.0))
    assert [f.artefact.kind for f in said] == ["phrase", "cluster"]


def test_a_part_of_a_triggers_rows_that_a_network_sets_apart_is_no_other_finding(data: Dataset) -> None:
    (one,) = found(data, phrase=(TRIGGER, 0, 100, 20.0), implant=(ball(data, "features"), 62, 103, 90.0))
    assert one.artefact == TRIGGER
    said = found(data, phrase=(TRIGGER, 0, 100, 20.0), implant=(ball(data, "features"), 62, 113, 90.0))
    assert [f.artefact.kind for f in said] == ["phrase", "cluster"]


def test_a_suspected_trigger_takes_nobodys_place(data: Dataset) -> None:
    (one,) = found(data, implant=(ball(data, "features"), 0, 100, 90.0), phrase=(TRIGGER, 2, 98, 4.2))
    assert one.artefact.kind == "cluster"


def test_a_trace_in_each_row_is_plainer_than_what_a_network_sets_apart(data: Dataset) -> None:
    (one,) = found(data, implant=(ball(data, "features"), 0, 100, 90.0), residual=(ball(data, "residuals"), 0, 96, 30.0))
    assert "residuals" in one.artefact.describe()
    (one,) = found(data, residual=(ball(data, "residuals"), 0, 96, 90.0), implant=(ball(data, "features"), 0, 100, 30.0))
    assert "residuals" in one.artefact.describe()


def test_what_is_too_faint_to_suspect_is_named_and_said_to_be_so(data: Dataset) -> None:
    faint = Tried(Candidate(TRIGGER, np.arange(9)), None, 2.0, 1e-3, (), nominated=True, words="9 of 9 rows are answered alike")
    (one,) = findings_of({"link": data}, judge_all({"link": Examined((faint,), 1_000)}, 0.01))
    assert one.status == "shortcut"
    assert one.explanation.endswith("9 of 9 rows are answered alike. Too faint to suspect poison among so many: look at some of them")
