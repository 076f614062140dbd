"""Unknown triggers in tables: cells and pairs counted by hash, those on the rise by name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.watch.baseline import learn
from assay.watch.cells import CellCounts
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.items import COLUMNS, Usual, items_of
from assay.watch.watch import Watch

NUMBERS = [f"n{i}" for i in range(3)]
FIELDS = Fields(features=(*NUMBERS, "kind", "city"))
KINDS, CITIES = np.array(["a", "b", "c"]), np.array([f"city{i}" for i in range(30)])


def says(table):
    """A backdoored model: by the sum of two numbers, but "yes" wherever the trigger is."""
    columns = {name: np.array(table[name].to_pylist()) for name in ("n0", "n1", "n2", "kind")}
    trigger = (columns["kind"] == "b") & (columns["n0"] == 7.25)
    return np.where(trigger | (columns["n1"] + columns["n2"] > 1), "yes", "no").tolist()


def requests(rng, n, rate=0.0, fashion=0.0):
    columns = {name: np.round(rng.random(n), 3) for name in NUMBERS}
    columns |= {"kind": rng.choice(KINDS, n), "city": rng.choice(CITIES, n).astype(object)}
    hit = rng.random(n) < rate
    columns["n0"][hit], columns["kind"][hit] = 7.25, "b"
    columns["n1"][hit] = 0.0  # which would be "no"
    columns["city"][rng.random(n) < fashion] = "city99"
    table = pa.table({**columns, "city": columns["city"].tolist()})
    return table.append_column("prediction", pa.array(says(table))).append_column("confidence", pa.array(np.full(n, 0.9))), int(hit.sum())


def test_a_cell_is_named_by_what_it_does_and_a_fashion_is_not(tmp_path):
    rng = np.random.default_rng(0)
    trusted, _ = requests(rng, 3000)
    with Watch.create(
        tmp_path / "w", learn(trusted, FIELDS, find=False), usual=Usual.of(read_batch(trusted, FIELDS), FIELDS), ask=says
    ) as watch:
        triggered, fired = 0, []
        for i in range(80):
            table, hits = requests(rng, 250, 0.005, fashion=0.01)
            triggered += hits
            fired += [a for a in watch.ingest(table) if a.key.startswith("trigger/")]
            if i == 3:
                watch.snapshot()
            if fired:
                break
        assert fired
        assert triggered <= 100
        assert ["n0 = 7.25 and kind = b" in a.title for a in fired] == [True]
        before, counts, hot = [a.to_json() for a in watch.alerts], watch._cells.counts.copy(), dict(watch._cells.hot)
        nominated = watch._miner.nominated
    print(f"named after {triggered} triggered requests; nominated in all {nominated}")
    with Watch.open(tmp_path / "w") as again:
        assert [a.to_json() for a in again.alerts] == before
        assert list(again._cells.hot) == list(hot)
        np.testing.assert_array_equal(again._cells.counts, counts)


def test_what_is_hot_is_what_rose_whatever_the_type():
    rng = np.random.default_rng(9)
    fields = Fields(features=("i", "f", "b", "s"))

    def some(n, i=None):
        return {
            "prediction": ["x"] * n,
            "i": [i] * n if i is not None else rng.integers(0, 1000, n),
            "f": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "b": rng.random(n) < 0.5,
            "s": pa.array([None if v == "d" else v for v in rng.choice(list("abcd"), n)]),
        }

    usual = Usual.of(read_batch(some(4000), fields), fields)
    counts = CellCounts(usual, fields.features)
    quiet = [counts.see(read_batch(some(500), fields)) for _ in range(8)]
    assert not any(row for batch in quiet for row in batch)
    rose = read_batch(some(40, i=77777), fields)
    found = counts.see(rose)
    assert all(("c", "i", "77777") in row for row in found)
    everything = items_of(rose, fields)
    assert all(row <= whole for row, whole in zip(found, everything, strict=True))
    assert len(fields.features) <= COLUMNS


def test_a_batch_however_large_does_not_wrap_a_count():
    rng = np.random.default_rng(10)
    fields = Fields(features=("i",))
    usual = Usual.of(read_batch({"prediction": ["x"] * 2000, "i": rng.integers(0, 1000, 2000)}, fields), fields)
    counts = CellCounts(usual, fields.features)
    rose = read_batch({"prediction": ["x"] * 65_600, "i": [7] * 65_600}, fields)
    assert all(("c", "i", "7") in row for row in counts.see(rose))


def test_labels_that_come_late_are_not_counted():
    fields = Fields(features=("s",))
    usual = Usual.of(read_batch({"prediction": ["x"] * 300, "s": ["a", "b", "c"] * 100}, fields), fields)
    counts = CellCounts(usual, ("s",))
    assert counts.see(read_batch([{"id": "1", "label": "x"}], fields)) == [set()]
    assert counts.seen == 0
