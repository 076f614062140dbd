"""Who is named beside a finding: people, and not the rows of which nobody knows who brought them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assay.dataset.data import Dataset
from assay.trial.verdicts import contributors_of


def test_rows_that_nobody_signed_accuse_nobody(in_memory: Callable[..., Dataset]) -> None:
    who = [None] * 20 + ["eve"] * 20 + ["ann", "bob"] * 200
    data = in_memory([0, 1] * 220, table={"x": np.arange(440.0), "who": who}, content=["x"], contributor="who")
    assert contributors_of(data, np.arange(20)) == ()
    named = contributors_of(data, np.arange(40))
    assert [(c.name, c.rows, c.of) for c in named] == [("eve", 20, 20)]
