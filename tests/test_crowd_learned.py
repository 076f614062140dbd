"""What finished reviews teach the next queue: its order, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from assay.crowd.learned import Learned, learn, reranked
from assay.crowd.queue import Item, from_scan, ranked
from assay.crowd.review import new_review, open_review, outcomes
from assay.dataset.read import read
from test_crowd_command import run
from test_crowd_review import by_script, texts  # noqa: F401


def a_report(folder, screened=20, found=30):
    """What a scan leaves of its rows: some flagged by a screen, some of a finding."""
    folder.mkdir()
    count = screened + found
    lines = {
        "key": [f"t{i}" for i in range(count)],
        "score": [0.9] * screened + [0.6] * found,
        "finding": pa.array([None] * screened + ["F1"] * found, pa.string()),
        "action": ["review"] * count,
    }
    pq.write_table(pa.table(lines), folder / "rows.parquet")
    return folder


def test_what_proves_right_comes_first_and_what_is_done_is_left_out(texts, tmp_path, capsys):  # noqa: F811
    """The first round finds every screened row right and every row of the finding wrong; the second begins with the finding."""
    data, queue = read(texts), from_scan(a_report(tmp_path / "report"))
    chosen = [*[i for i in queue if i.source == "screen"][:10], *[i for i in queue if i.source != "screen"][10:20]]
    review = new_review(data, chosen, ("cat", "dog"), ["ann"], 1, np.random.default_rng(0), tmp_path / "first")
    labels = dict(zip(data.key, (data.classes[c] for c in data.y), strict=True))
    assert all(task.suspected == labels[task.key] for task in review.tasks)  # what the data says, where the report does not
    other = {"cat": "dog", "dog": "cat"}
    said = [labels[t.key] if t.source == "screen" else other[labels[t.key]] for t in review.pending("ann")]
    by_script(review, data, "ann", said)
    taught = learn(outcomes(open_review(review.folder)))
    assert taught.ratio("screen") < 0.4 < 1.5 < taught.ratio("finding F1")
    again = reranked(queue, taught)
    assert len(again) == len(queue) - 20
    assert [i.source for i in again[:20]] == ["finding F1"] * 20
    before = hashlib.sha256((tmp_path / "report" / "rows.parquet").read_bytes()).hexdigest()
    new = ("review", "new", texts, "--from", tmp_path / "report", "--reviewers", "bob", "--each", "1", "--after", review.folder)
    code, out, err = run(*new, "--out", tmp_path / "second", capsys=capsys)
    assert (code, err) == (0, "")
    assert "20 rows settled; labels changed: finding F1 10 (of" in out
    assert [t.key for t in open_review(tmp_path / "second").tasks] == [i.key for i in again]
    assert hashlib.sha256((tmp_path / "report" / "rows.parquet").read_bytes()).hexdigest() == before


def test_gold_rows_teach_nothing(texts, tmp_path):  # noqa: F811
    data = read(texts)
    review = new_review(data, [Item("t1", 0.5, "", None, "screen")], ("cat", "dog"), ["ann"], 1, np.random.default_rng(0), tmp_path / "r")
    by_script(review, data, "ann", ["dog"])
    assert learn(outcomes(review), {"t1"}) == Learned({}, frozenset())
    assert learn(outcomes(review)).seen["screen"] == (1.0, 0.5)


@given(st.floats(0, 50), st.floats(0, 50), st.lists(st.floats(0.01, 1), min_size=2, max_size=8))
def test_within_a_source_the_order_stays(changed, expected, values):
    items = ranked([Item(str(i), value, "", source="screen") for i, value in enumerate(values)])
    again = reranked(items, Learned({"screen": (changed, expected)}, frozenset()))
    assert [i.key for i in again] == [i.key for i in items]
