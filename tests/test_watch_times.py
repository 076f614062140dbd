"""Times of events, as people and programs write them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay.dataset.errors import DataError
from assay.watch.events import read_batch
from assay.watch.fields import Fields
from assay.watch.times import times
from assay.watch.watch import Watch
from watch_examples import traffic

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
WRITTEN = [NOON.isoformat(), "2026-01-31T12:00:00Z", "2026-01-31 14:00:00+0200", "2026-01-31T08:30:00-03:30", "2026-01-31 12:00"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(WRITTEN),
        pa.array(WRITTEN, pa.large_string()),
        pa.array(WRITTEN).dictionary_encode(),
        pa.array([NOON.replace(tzinfo=None)] * 5, pa.timestamp("s")),
        pa.array([NOON] * 5, pa.timestamp("us", "Europe/Berlin")),
        pa.array(pd.to_datetime([NOON] * 5) + pd.Timedelta(7, "ns")),
        pa.array([NOON.timestamp()] * 5),
    ],
)
def test_a_time_is_the_same_however_it_is_written(column):
    np.testing.assert_array_equal(times(column, "time"), [NOON.timestamp()] * 5)


def test_text_beside_nothing_and_below_a_microsecond():
    found = times(pa.array(["2026-01-31T12:00:00.123456789+00:00", "", None, "2026-01-31"]), "time")
    np.testing.assert_array_equal(found, [NOON.timestamp() + 0.123456, np.nan, np.nan, NOON.timestamp() - 12 * 3600])
    assert times(pa.array([dt.date(1970, 1, 2)]), "time") == [86400.0]


def test_no_time_is_told_with_its_row():
    with pytest.raises(DataError, match="row 1, column 'when': 'yesterday' is no time"):
        read_batch({"prediction": ["a", "b"], "when": ["2026-01-31", "yesterday"]}, Fields(time="when"))


def test_milliseconds_are_not_silently_no_time():
    events = {"prediction": ["a", "b"], "time": [1772323282979, None]}
    with pytest.raises(DataError, match=r"column 'time'.*looks like milliseconds"):
        read_batch(events, Fields())
    read_batch({**events, "time": [1772323282979, 1772323282]}, Fields())  # one clock that is wrong
    read_batch({**events, "time": pa.nulls(2)}, Fields())


def test_milliseconds_that_an_earlier_version_took_open_still(tmp_path, monkeypatch):
    from assay.watch.baseline import learn

    rng = np.random.default_rng(0)
    with Watch.create(tmp_path / "w", learn(traffic(rng, 600), Fields())) as watch, monkeypatch.context() as before:
        before.setattr("assay.watch.events.check_unit", lambda *_: None)
        watch.ingest(traffic(rng, 10, time=[1772323282979] * 10))
    with Watch.open(tmp_path / "w") as watch:
        assert watch.status().predictions == 10
