"""An incident record names the rows, who brought them, the models and what was done; a collector takes what is sent."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.watch.alerts import Alert
from assay.watch.baseline import learn
from assay.watch.fields import Fields
from assay.watch.incident import CHECKLIST, page, record, work
from assay.watch.models import Models
from assay.watch.otlp import alert_body, metrics_body
from assay.watch.sinks import sink
from assay.watch.watch import Watch
from watch_examples import table, traffic

FIELDS = Fields(slices=("country",))


@pytest.fixture
def attacked(tmp_path):
    """A watch in which what mallory brings from France is wrong, labels coming late; its release is put back."""
    rng = np.random.default_rng(0)
    n = 2000
    with Watch.create(tmp_path / "w", learn(table(rng, 6000), FIELDS)) as watch:
        country = rng.choice(["de", "fr", "it", "pl"], n)
        who = np.where(country == "fr", rng.choice(["mallory", "ann"], n), rng.choice(["ann", "ben"], n))
        events = traffic(rng, n, country=country, wrong=np.where(who == "mallory", 0.9, 0.05), contributor=who, id=np.arange(n))
        labels = [{"id": str(i), "label": str(label)} for i, label in enumerate(events.pop("label"))]
        watch.ingest(events)
        watch.ingest(labels)
        yield watch


def test_rows_contributors_models_and_actions(attacked):
    alert = next(a for a in attacked.alerts if a.key == "performance/country = fr/the rate of errors/rising")
    models = Models.open(attacked.folder)
    models.add("v1", by="ci", digest="0" * 64)
    models.point("production", "v1", "ci", "release | `now`")
    attacked.answer(alert.id, "acknowledged", "ann", "looking")
    attacked.silence("inputs/*", 100, "ann", "campaign")
    work(attacked.folder, alert.id, 1, "ann", "ann leads")
    data = json.loads(json.dumps(record(attacked, alert.id)))
    assert data["contributors"][0]["contributor"] == "mallory"
    assert data["contributors"][0]["concerned"] > 150
    assert len(data["rows"]) == 100
    assert all(row["prediction"] != row["label"] and row["contributor"] in ("mallory", "ann") for row in data["rows"])
    assert data["models"]["moves"][0]["version"] == "v1"
    assert [a["what"].split()[0] for a in data["actions"]] == ["alert", "silenced", "step"]
    assert [s["done"] for s in data["checklist"]] == [True] + [False] * (len(CHECKLIST) - 1)
    said = page(data)
    assert "`release / 'now'`" in said
    assert "1. [x] Say who leads" in said
    with pytest.raises(DataError, match="no step 0"):
        work(attacked.folder, alert.id, 0, "ann")


def test_a_record_beside_a_process_that_writes_and_after_a_snapshot(attacked):
    with Watch.open(attacked.folder, read_only=True) as beside:
        assert record(beside, 1)["rows_counted"]["concerned"] > 100
    attacked.snapshot()  # the journal is cut: rows are gone, the rest is there
    assert record(attacked, 1)["rows"] == []
    assert record(attacked, 1)["timeline"]


ALERT = Alert(3, "performance/all traffic", "critical", "errors rise", {"recent": 0.3, "slice": "all", "items": ["a"]}, 77, 1.5e9, 78)


def collected(parts):
    """{name: value} of attributes."""
    return {a["key"]: next(iter(a["value"].values())) for a in parts}


def test_rows_are_written_for_people(attacked):
    rng = np.random.default_rng(9)
    attacked.ingest(traffic(rng, 200, wrong=1.0, contributor=["Łukasz"] * 200, time=[1772323282.5] * 200))
    said = page(record(attacked, 1))
    assert '"contributor": "Łukasz"' in said
    assert '"time": "2026-03-01 00:01:22Z"' in said


def test_what_a_collector_is_sent(attacked):
    status = attacked.status()
    (resource,) = json.loads(metrics_body(status, "w", 1.6e9, 1.5e9))["resourceMetrics"]
    metrics = {m["name"]: m for m in resource["scopeMetrics"][0]["metrics"]}
    assert metrics["assay.watch.predictions"]["sum"]["dataPoints"][0]["asInt"] == "2000"
    assert metrics["assay.watch.predictions"]["sum"]["dataPoints"][0]["startTimeUnixNano"] == "1500000000000000000"
    assert metrics["assay.watch.pending"]["gauge"]["dataPoints"][0]["asDouble"] == 0
    assert collected(resource["resource"]["attributes"]) == {"service.name": "assay", "assay.model": "w"}
    (resource,) = json.loads(alert_body(replace(ALERT, time=None), "w", 1.6e9))["resourceLogs"]
    (entry,) = resource["scopeLogs"][0]["logRecords"]
    assert entry["severityNumber"] == 18
    assert entry["timeUnixNano"] == entry["observedTimeUnixNano"] == "1600000000000000000"
    assert collected(entry["attributes"])["assay.evidence.items"] == '["a"]'
    assert json.loads(alert_body(replace(ALERT, evidence={"recent": float("nan")}), "w", 1.6e9))


def test_the_protocol_s_own_types_take_it(attacked):
    """Oracle: protobuf's JSON mapping, strict about names and types."""
    parse = pytest.importorskip("google.protobuf.json_format").Parse
    metrics = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    logs = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2")
    said = parse(metrics_body(attacked.status(), "w", 1.6e9, 1.5e9), metrics.ExportMetricsServiceRequest())
    names = [m.name for m in said.resource_metrics[0].scope_metrics[0].metrics]
    assert "assay.watch.alerts" in names
    said = parse(alert_body(ALERT, "w", 1.6e9), logs.ExportLogsServiceRequest())
    assert said.resource_logs[0].scope_logs[0].log_records[0].event_name == "assay.watch.alert"


def test_it_is_sent_where_a_collector_listens(attacked, capsys):
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.headers["Content-Type"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *said):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"otlp:http://127.0.0.1:{server.server_port}"
    try:
        sink(place, allow_private=True, model="w")(ALERT)
        assert run(["watch", "metrics", str(attacked.folder), "--push", place, "--allow-private"]) == 0
        assert run(["watch", "metrics", str(attacked.folder), "--push", place]) == 2
        assert run(["watch", "metrics", str(attacked.folder), "--push", "http://x"]) == 2
    finally:
        server.shutdown()
    assert [path for path, _, _ in got] == ["/v1/logs", "/v1/metrics"]
    assert {kind for _, kind, _ in got} == {"application/json"}
