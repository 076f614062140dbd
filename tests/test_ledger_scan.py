"""A scan with a ledger names who brought the rows of a finding, though the data does not say it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import csv

from assay.api import scan
from assay.dataset.data import Columns
from assay.dataset.read import read
from assay.ledger.ingest import add
from assay.report.act import clean
from ledger_examples import ALICE, BOB, new_ledger, register
from test_stages import reviews


def test_a_finding_names_the_source_that_the_ledger_knows(tmp_path) -> None:
    rows = reviews()
    planted = np.array([" cf " in t for t in rows["text"]])
    ledger = new_ledger(tmp_path)
    for source, mine in (("forum", ~planted), ("mirror", planted)):
        register(ledger, source, ALICE, BOB)
        part = tmp_path / f"{source}.csv"
        csv.write_csv(pa.table({k: np.array(v)[mine] for k, v in rows.items()}), part)
        add(ledger, read(part, columns=Columns(content=("text",)), task="none"), source)
    whole = tmp_path / "all.csv"
    csv.write_csv(pa.table(rows), whole)
    report = scan(whole, canaries=False, ledger=tmp_path / "ledger")
    assert report.verdict == "poisoned"
    assert [(c.name, c.rows) for c in report.findings[0].contributors] == [("mirror", 30)]
    report.write(tmp_path / "report")
    clean(whole, tmp_path / "report", tmp_path / "clean.csv")
    assert len(read(tmp_path / "clean.csv")) == len(planted) - 30
