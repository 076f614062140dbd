"""What was acknowledged is there after any death of the process; what was torn was never acknowledged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.dataset.errors import DataError
from assay.watch import journal
from assay.watch.baseline import learn
from assay.watch.fields import Fields
from assay.watch.incident import record
from assay.watch.watch import Watch
from watch_examples import FIELDS, table, traffic

ALONE = Fields(slices=("country",))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    Watch.create(tmp_path / "w", learn(table(rng, 1000), ALONE)).close()
    return tmp_path / "w"


def state(watch):
    d = watch._detectors
    return d.clock, d.state.copy(), d.last.copy(), d.count.copy(), watch.alerts, dict(watch._counts), dict(watch._pending)


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_equal(x, y)


@pytest.mark.parametrize("snapshots", [False, True])
def test_a_watch_goes_on_where_it_stopped(folder, snapshots):
    rng = np.random.default_rng(1)
    with Watch.open(folder) as watch:
        for i in range(6):
            watch.ingest({**traffic(rng, 100, wrong=0.3), "id": [f"{i}-{j}" for j in range(100)]})
            watch.ingest([{"id": f"n{i}", "prediction": "1", "country": "de"}, {"id": f"n{i - 1}", "label": "0"}])
            if snapshots and i % 2:
                watch.snapshot()
        watch.answer(1, "acknowledged", "ann", "looking")
        watch.silence("inputs/*", 1000, "ann", "a campaign")
        before = state(watch)
    with Watch.open(folder) as watch:
        same(state(watch), before)
        assert watch.alerts[0].state == "acknowledged"
        assert watch._counts["orphans"] == 1


def test_a_snapshot_of_the_version_before_opens(folder):
    """It held the last event's time, where there now are the times of the last events."""
    rng = np.random.default_rng(1)
    with Watch.open(folder) as watch:
        watch.ingest({**traffic(rng, 100, wrong=0.3), "id": [f"0-{j}" for j in range(100)]})
        watch.snapshot()
        before = state(watch)
    with np.load(folder / journal.NAME, allow_pickle=False) as held:
        arrays = dict(held)
    data = json.loads(arrays["json"].tobytes())
    del data["meta"]["times"]
    for known in (None, 1.7e9):
        data["meta"]["time"] = known
        np.savez(folder / journal.NAME, **{**arrays, "json": np.frombuffer(json.dumps(data).encode(), np.uint8)})
        with Watch.open(folder, read_only=True) as watch:
            same(state(watch), before)
            assert watch._dates.last == ([] if known is None else [known])


def test_a_torn_frame_is_cut_off_and_the_rest_stays(folder):
    rng = np.random.default_rng(2)
    with Watch.open(folder) as watch:
        watch.ingest(traffic(rng, 50))
        before = state(watch)
        watch.ingest(traffic(rng, 50))
    (path,) = (folder / "journal").glob("*.log")
    data = path.read_bytes()
    for cut in (1, 40, 500):
        path.write_bytes(data[:-cut])
        with Watch.open(folder) as watch:
            same(state(watch), before)
    with Watch.open(folder) as watch:
        watch.ingest(traffic(rng, 10))
        assert watch.status().predictions == 60
    with Watch.open(folder) as watch:
        assert watch.status().predictions == 60


def test_a_full_disk_loses_nothing_acknowledged_and_nothing_is_taken_after_it(folder, monkeypatch):
    rng = np.random.default_rng(4)
    with Watch.open(folder) as watch:
        watch.ingest(traffic(rng, 100))
        before = watch._detectors.clock
        write, half = watch._journal._append, b"AWJ1\x01"

        def torn(kind, payload):
            write(kind, payload)
            watch._journal._file.truncate(os.path.getsize(watch._journal._file.name) - len(payload) - len(half))
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(watch._journal, "_append", torn)
        with pytest.raises(OSError, match="No space"):
            watch.ingest(traffic(rng, 100))
        monkeypatch.undo()
        assert watch.broken
        with pytest.raises(DataError, match="could not be written before"):
            watch.ingest(traffic(rng, 100))
        with pytest.raises(DataError, match="could not be written before"):
            watch.snapshot()
    with Watch.open(folder) as watch:
        assert (watch.broken, watch._detectors.clock) == (False, before)
        watch.ingest(traffic(rng, 100))
        after = watch._detectors.clock
    with Watch.open(folder) as watch:
        assert watch._detectors.clock == after > before


def test_damage_before_the_end_is_said(folder):
    rng = np.random.default_rng(3)
    for _ in range(2):
        with Watch.open(folder) as watch:
            watch.ingest(traffic(rng, 50))
    first = sorted((folder / "journal").glob("*.log"))[0]
    data = bytearray(first.read_bytes())
    data[100] ^= 1
    first.write_bytes(bytes(data))
    with pytest.raises(DataError, match="frame 0 is damaged"):
        Watch.open(folder)


def test_a_batch_that_is_sent_again_counts_once(folder):
    rng = np.random.default_rng(7)
    first, second = traffic(rng, 40), traffic(rng, 60)
    with Watch.open(folder) as watch:
        watch.ingest(first, name="a")
        watch.ingest(first, name="a")
    with Watch.open(folder) as watch:
        watch.ingest(first, name="a")
        watch.ingest(second, name="b")
        watch.snapshot()
    with Watch.open(folder) as watch:
        watch.ingest(second, name="b")
        watch.ingest(second)
        assert watch.status().predictions == 160


def test_two_cannot_write(folder):
    with Watch.open(folder) as watch:
        with pytest.raises(DataError, match="another process"):
            Watch.open(folder)
        watch.ingest(traffic(np.random.default_rng(0), 30))
        with Watch.open(folder, read_only=True) as beside:
            assert beside.status().predictions == 30
            with pytest.raises(DataError, match="opened to be read"):
                beside.ingest(traffic(np.random.default_rng(0), 30))


def test_a_bad_batch_is_refused_before_it_is_acknowledged(folder):
    with Watch.open(folder) as watch:
        with pytest.raises(DataError, match="neither a prediction nor a label"):
            watch.ingest([{"country": "de"}])
        with pytest.raises(DataError, match="no probability"):
            watch.ingest([{"prediction": "1", "confidence": 1.5}])
        assert watch.status().predictions == 0


CHILD = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from watch_examples import traffic
from assay.watch import journal
from assay.watch.watch import Watch
journal.SEGMENT = 60_000
rng = np.random.default_rng(0)
with Watch.open(Path(sys.argv[1])) as watch:
    while True:
        watch.ingest(traffic(rng, 20))
        print(watch.status(0).predictions, flush=True)
"""


def test_kill_9_loses_no_acknowledged_event(folder):
    """Two deaths at different moments, snapshots falling between; the predictions counted after are at least those told before."""
    for wait in (0.05, 0.3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        told = [int(line) for line in child.stdout.read().split()]
        child.wait()
        with Watch.open(folder) as watch:
            there = watch.status().predictions
        assert there % 20 == 0
        assert there >= max(told, default=20)
        assert there <= max(told, default=20) + 20


def test_state_does_not_grow(folder, monkeypatch):
    rng = np.random.default_rng(4)
    monkeypatch.setattr(journal, "SEGMENT", 50_000)
    monkeypatch.setattr("assay.watch.waiting.PENDING", 500)
    sizes = []
    with Watch.open(folder) as watch:
        for i in range(30):
            columns = {**traffic(rng, 200), "id": [f"{i}-{j}" for j in range(200)]}
            columns.pop("label")
            watch.ingest(columns)
            sizes.append(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()))
        assert watch.status().pending == 500
        assert watch.status().given_up == 5500
    assert max(sizes[15:]) <= 1.2 * max(sizes[:15])


def test_text_is_not_kept_where_it_is_private(tmp_path):
    rng = np.random.default_rng(5)
    secret = "my very own words"
    fields = Fields(private=True)
    with Watch.create(tmp_path / "w", learn(table(rng, 600), fields)) as watch:
        watch.ingest({**traffic(rng, 50), "text": [secret] * 50})
        watch.snapshot()
        watch.ingest({**traffic(rng, 50), "text": [secret] * 50})
    for path in (tmp_path / "w").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_late_labels_count_where_they_belong(tmp_path):
    """Labels that come hundreds of predictions later, in any order, find the slice that went wrong."""
    rng = np.random.default_rng(6)
    with Watch.create(tmp_path / "w", learn(table(rng, 4000), FIELDS)) as watch:
        columns = traffic(rng, 4000)
        bad = columns["country"] == "it"
        columns["prediction"] = np.where(bad & (rng.random(4000) < 0.3), 1 - columns["label"], columns["prediction"])
        ids = np.array([f"e{i}" for i in range(4000)])
        label = columns.pop("label")
        watch.ingest({**columns, "id": ids})
        order = rng.permutation(4000)
        fired = []
        for start in range(0, 4000, 200):
            part = order[start : start + 200]
            fired += watch.ingest({"id": ids[part], "label": label[part]})
        assert any("country = it" in a.title and "errors" in a.title for a in fired)
        assert watch.status().pending == 0


def test_whole_numbers_are_told_apart_whatever_their_type(tmp_path):
    """As a frame holds them where some are missing: floats."""
    rng = np.random.default_rng(8)
    ids = np.arange(1_000_001, 1_000_101)
    with Watch.create(tmp_path / "w", learn(table(rng, 600), Fields())) as watch:
        watch.ingest({"id": ids.astype(float), "prediction": ["1"] * 100})
        watch.ingest({"id": ids, "label": ["1"] * 100})
        found = watch.status()
    assert (found.labels, found.pending, found.orphans) == (100, 0, 0)


SINGLE = ["id", "prediction", "label", "contributor", "text", "digest", "time", "confidence", "scores", "country"]


@pytest.mark.parametrize("column", SINGLE)
@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_lists_and_objects_are_refused_before_they_are_kept(folder, column, value):
    rows = traffic(np.random.default_rng(9), 600)
    rows = {name: v for name, v in rows.items() if (name == "confidence") <= (column != "scores")}
    with Watch.open(folder) as watch:
        with pytest.raises(DataError, match=f"column '{column}'"):
            watch.ingest({**rows, column: [value] * 600})
        assert not watch.broken
    with Watch.open(folder) as watch:
        assert watch.status().predictions == 0
        watch.ingest(rows)


def test_a_feature_is_as_the_baseline_saw_it(tmp_path):
    rng = np.random.default_rng(10)
    fields = Fields(features=("age", "kind", "place"))
    place = [[float(x), 0.5] for x in rng.normal(size=600)]
    with Watch.create(tmp_path / "w", learn({**traffic(rng, 600), "place": place}, fields)) as watch:
        for changed in ({"kind": [["a"]]}, {"age": [[40.0]]}, {"place": [1.0]}, {"place": [["a", "b"]]}, {"place": [{"x": 1.0, "y": 0.5}]}):
            with pytest.raises(DataError, match=f"column '{next(iter(changed))}'"):
                watch.ingest({**{k: v[:1] for k, v in traffic(rng, 1).items()}, "place": [[0.0, 0.5]], **changed})
        assert not watch.broken


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([{"prediction": "ok"}, {"prediction": "\ud800"}], "row 1, column 'prediction': holds half a character"),
        ([{"prediction": "a", "\ud800": 1}], "holds half a character"),
        ({"prediction": ["\ud800"]}, "the events are no table"),
        ({"prediction": ["a"], "assay.holds": ["x"]}, "a name that the watch keeps for itself"),
        (pa.table([["a"], ["b"]], ["prediction", "prediction"]), "column 'prediction': two columns have this name"),
    ],
)
def test_what_cannot_be_kept_is_told(folder, events, said):
    with Watch.open(folder) as watch:
        with pytest.raises(DataError, match=said):
            watch.ingest(events)
        with pytest.raises(DataError, match="holds half a character"):
            watch.ingest([{"prediction": "a"}], name="\ud800")
        assert not watch.broken


def test_lists_that_an_earlier_version_kept_open_still(folder, monkeypatch):
    rows = traffic(np.random.default_rng(11), 600)
    with Watch.open(folder) as watch, monkeypatch.context() as before:
        for module in ("events", "watch"):
            before.setattr(f"assay.watch.{module}.check_columns", lambda *_: None)
        watch.ingest({**rows, "country": [["de"]] * 600, "contributor": [["ann"]] * 600})
    with Watch.open(folder) as watch:
        assert watch.status().predictions == 600
        watch.raise_alert("audit/x", "warning", "an audit", {})
        assert record(watch, 1)["rows"][0]["contributor"] == '["ann"]'


def test_a_frame_that_cannot_be_taken_is_named_and_the_lock_let_go(folder):
    with Watch.open(folder) as watch:
        watch.ingest(traffic(np.random.default_rng(12), 10))
        watch._journal.append(journal.EVENTS, b"no Arrow stream")
    (path,) = (folder / "journal").glob("*.log")
    for _ in range(2):  # the second time, too: nobody holds the lock
        with pytest.raises(DataError, match=rf"{path.name}: frame 1 cannot be read") as told:
            Watch.open(folder)
    del told


def test_a_batch_that_stops_half_way_is_not_built_upon(folder, monkeypatch):
    rows = traffic(np.random.default_rng(13), 600)
    with Watch.open(folder) as watch:
        monkeypatch.setattr(watch._detectors, "update", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            watch.ingest(rows)
        monkeypatch.undo()
        assert watch.broken
    with Watch.open(folder) as watch:
        assert watch.status().predictions == 600
