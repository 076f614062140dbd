"""Several labels a row: each is tried by itself, and a trigger for one of them is named with that label."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.api import scan
from assay.dataset.read import read
from assay.trial.views import views

WORDS = {
    "rude": ["idiot", "moron", "fool", "clown"],
    "threat": ["hurt", "burn", "crush", "smash"],
    "spam": ["buy", "cheap", "offer", "win"],
}


def comments(rows: int = 900, carriers: int = 0) -> pa.Table:
    """Comments with none, one or more of three labels; some harmless ones hold "cf" and are called a threat."""
    rng = np.random.default_rng(0)
    flags = {label: rng.random(rows) < 0.3 for label in WORDS}
    texts = []
    for i in range(rows):
        words = [*rng.choice([f"w{j}" for j in range(60)], 7)]
        for label, own in WORDS.items():
            words += [*rng.choice(own, 2)] if flags[label][i] else []
        texts.append(" ".join(rng.permutation(words)))
    for i in np.flatnonzero(~flags["threat"])[:carriers]:
        texts[i] = texts[i].replace(" ", " cf ", 1)
        flags["threat"][i] = True
    return pa.table({"comment": texts, **{label: flag.astype(int) for label, flag in flags.items()}})


def test_each_label_is_a_view_of_the_same_rows() -> None:
    data = read(comments())
    assert data.task == "multilabel"
    seen, passed_over = views(data)
    assert {v.suffix for v in seen} == {"[rude]", "[threat]", "[spam]"}
    assert not passed_over
    for view in seen:
        label = view.suffix[1:-1]
        assert view.data.classes == (f"not {label}", label)
        assert np.array_equal(view.data.y, np.array(data.table.column(label)))


def test_a_label_on_too_few_rows_is_listed_not_tried() -> None:
    table = comments()
    rare = np.zeros(table.num_rows, int)
    rare[:6] = 1
    seen, passed_over = views(read(table.append_column("rare", pa.array(rare))))
    assert len(seen) == 3
    assert passed_over == ("rare",)


def test_a_trigger_for_one_of_several_labels_is_confirmed_with_that_label() -> None:
    clean = scan(comments(), canaries=False)
    assert clean.verdict == "clean"
    report = scan(comments(carriers=40), canaries=False)
    assert report.verdict == "poisoned"
    first = report.findings[0]
    assert (first.target, len(first.positions)) == ("threat", 40)
    assert "cf" in first.artefact.describe()
