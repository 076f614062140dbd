"""Alerts: one a cause, answered, silenced, escalated; sent at least once, signed, and never into a private network."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from assay.dataset.errors import DataError
from assay.watch import sinks
from assay.watch.alerts import KEPT, OUTBOX, Alerts, Silence
from assay.watch.baseline import learn
from assay.watch.incident import page, record
from assay.watch.metrics import RULES, dashboard, prometheus
from assay.watch.watch import Watch
from watch_examples import FIELDS, table, traffic


def fire(alerts, key="performance/all traffic/errors/rising", severity="warning", clock=1):
    return alerts.fire(key, severity, "it rose", {"recent": 0.2}, clock, None)


def test_one_cause_is_one_alert_that_escalates_where_nobody_answers():
    alerts = Alerts()
    sent = [fire(alerts, clock=i)[1] for i in range(7)]
    assert sent == [True, False, True, False, False, False, False]
    (alert,) = alerts.alerts.values()
    assert (alert.count, alert.severity, alert.last_clock, alert.clock) == (7, "critical", 6, 0)


def test_an_acknowledged_alert_does_not_escalate_and_a_closed_one_begins_anew():
    alerts = Alerts()
    first, _ = fire(alerts)
    alerts.answer(first.id, "acknowledged", "ann", "looking")
    assert not any(fire(alerts)[1] for _ in range(9))
    assert alerts.alerts[first.id].severity == "warning"
    alerts.answer(first.id, "closed", "ann", "mended")
    second, send = fire(alerts)
    assert send
    assert second.id != first.id
    with pytest.raises(DataError, match="no alert 99"):
        alerts.answer(99, "closed", "ann", "")


def test_silenced_causes_are_recorded_and_not_sent():
    alerts = Alerts()
    alerts.silence(Silence("inputs/*", 100, "ann", "campaign"))
    assert not fire(alerts, "inputs/a", clock=50)[1]
    assert fire(alerts, "performance/a", clock=50)[1]
    assert fire(alerts, "inputs/b", clock=101)[1]
    assert alerts.alerts[1].silenced


def test_memory_is_bounded_and_comes_back():
    alerts = Alerts()
    for i in range(KEPT + 50):
        alert, _ = fire(alerts, f"k{i}")
        if i % 2:
            alerts.answer(alert.id, "closed", "ann", "")
    assert len(alerts.alerts) == KEPT
    assert len(alerts.outbox) == OUTBOX
    again = Alerts.from_json(json.loads(json.dumps(alerts.to_json())))
    assert again == alerts


@pytest.fixture
def receiver():
    """A web server on this machine: (url, requests, answers to give)."""
    requests, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, dict(self.headers), content))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *said):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests, answers
    server.shutdown()
    server.server_close()


def test_a_webhook_is_signed_and_tried_again(receiver):
    url, requests, answers = receiver
    answers += [503, 500]
    alert, _ = fire(Alerts())
    sinks.post(f"{url}/hook?a=1", sinks.body(alert), b"secret", True, waits=(0.0, 0.0))
    assert len(requests) == 3
    path, headers, content = requests[-1]
    assert path == "/hook?a=1"
    assert json.loads(content)["title"] == "it rose"
    stamp, given = headers["X-Assay-Timestamp"], headers["X-Assay-Signature"]
    assert sinks.verify(b"secret", stamp, content, given)
    assert not sinks.verify(b"other", stamp, content, given)
    assert not sinks.verify(b"secret", stamp, content + b" ", given)
    assert not sinks.verify(b"secret", stamp, content, given, now=float(stamp) + 301)


def test_what_is_refused_is_not_tried_again_and_redirects_are_not_followed(receiver):
    url, requests, answers = receiver
    answers += [302]
    alert, _ = fire(Alerts())
    with pytest.raises(OSError, match="answered 302"):
        sinks.post(url + "/token", sinks.body(alert), b"s", True, waits=(0.0,))
    assert len(requests) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0", "224.0.0.1"]
)
def test_private_addresses_are_refused_whatever_name_leads_there(monkeypatch, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **k: [(family, 1, 6, "", ("93.184.216.34", 80)), (family, 1, 6, "", (address, 80))]
    )
    with pytest.raises(DataError, match="no public address"):
        sinks.public_address("hooks.example.com", 443)
    assert sinks.public_address("hooks.example.com", 443, allow_private=True)


def test_sinks_are_named_and_need_what_they_need():
    with pytest.raises(DataError, match="no secret"):
        sinks.sink("https://example.com/x", environment={})
    with pytest.raises(DataError, match="no mail server"):
        sinks.sink("mailto:a@b.org", environment={})
    with pytest.raises(DataError, match="names no sink"):
        sinks.sink("ftp://x")
    with pytest.raises(DataError, match="without a user"):
        sinks.post("http://me:pw@example.com/", b"{}", None, True)


def test_no_input_can_write_a_header_a_mention_or_a_link():
    alert, _ = Alerts().fire("k", "critical", "a\r\nBcc: x@y.z <!channel> <http://x|y>", {"said": "<@U1>"}, 1, 0.0)
    message = sinks.message_of(alert, "ops@example.org")
    assert message["Bcc"] is None
    assert "Bcc" in message["Subject"]
    assert "<" not in json.loads(sinks.slack_body(alert))["text"]


def test_alerts_are_delivered_at_least_once_across_restarts(tmp_path):
    rng = np.random.default_rng(0)
    got = []

    def down(alert):
        raise OSError("down")

    with Watch.create(tmp_path / "w", learn(table(rng, 1500), FIELDS)) as watch:
        fired = watch.ingest(traffic(rng, 1000, wrong=0.4))
        assert fired
        assert watch.deliver({"a": down, "file:x": got.append}) == {"a": "down"}
        assert [a.id for a in got] == [a.id for a in fired]
        assert watch.deliver({"file:x": got.append}) == {}
        watch.snapshot()
    with Watch.open(tmp_path / "w") as watch:
        watch.deliver({"a": got.append, "file:x": got.append})
    assert [a.id for a in got] == 2 * [a.id for a in fired]


@pytest.mark.parametrize("ahead", [5e8, 1e15, np.inf])
def test_one_event_that_is_dated_ahead_harms_nothing(tmp_path, ahead):
    """Neither the run length, which is a year at the rate of the trusted period, nor the times of alerts, nor what is written of them."""
    rng = np.random.default_rng(0)

    def dated(n, first, **more):
        time = first + 60.0 * np.arange(n)
        time[n // 2] += ahead
        return table(rng, n, time=time, **more)

    baseline = learn(dated(2000, 1.7e9), FIELDS)
    assert baseline.run_length == pytest.approx(365.25 * 1440, rel=0.01)
    with Watch.create(tmp_path / "w", baseline) as watch:
        watch.ingest(dated(500, 1.71e9))
        watch.snapshot()
        fired = watch.ingest(dated(500, 1.72e9, wrong=0.4)[251:])
        fired += watch.ingest(dated(500, 1.73e9, wrong=0.4)[:251])  # the one dated ahead comes last
    assert {alert.time // 1e7 for alert in fired} == {172, 173}
    with Watch.open(tmp_path / "w") as watch:
        assert {alert.time // 1e7 for alert in watch.alerts} <= {171, 172, 173}
        assert "2024-" in page(record(watch, watch.alerts[0].id))


def test_an_alert_is_dated_by_its_event_however_the_events_are_cut_into_batches(tmp_path):
    """Each minute one prediction, whose label comes an hour later by itself: an alarm at a label is dated by that label."""
    rng, first, dates = np.random.default_rng(3), 1.75e9, {}
    baseline = learn(table(rng, 2000), FIELDS)
    said = table(rng, 3000, time=first + 60.0 * np.arange(3000), wrong=np.where(np.arange(3000) < 1000, 0.05, 0.5)).to_pylist()
    late = [{"id": str(i), "label": e.pop("label"), "time": e["time"] + 3630} for i, e in enumerate(said) if i % 2]
    events = sorted([{"id": str(i), **e} for i, e in enumerate(said)] + late, key=lambda e: e["time"])
    for size in (50, 2000, 100_000):
        with Watch.create(tmp_path / str(size), baseline) as watch:
            for start in range(0, len(events), size):
                watch.ingest(events[start : start + size])
            alerts = watch.alerts
            assert all(-60 * 4 <= alert.time - (first + 60 * alert.clock) <= 60 for alert in alerts if alert.clock < len(said))
        dates[size] = next(alert.time for alert in alerts if alert.key == "performance/all traffic/the rate of errors/rising")
        with Watch.open(tmp_path / str(size)) as watch:  # as the journal tells it again
            assert [alert.time for alert in watch.alerts] == [alert.time for alert in alerts]
    assert first + 60 * 1000 < dates[50] < first + 60 * 1200
    assert max(dates.values()) - min(dates.values()) <= 60 * 4  # values are taken four at a time, and batches cut these


def test_metrics_rules_dashboard_and_incident_are_whole(tmp_path):
    rng = np.random.default_rng(1)
    with Watch.create(tmp_path / "w", learn(table(rng, 1500), FIELDS)) as watch:
        watch.ingest(traffic(rng, 1000, wrong=0.4))
        text = prometheus(watch.status(), 'a"b')
        data = record(watch, 1)
        with pytest.raises(DataError, match="no alert 77"):
            record(watch, 77)
    names = set()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, rest = line.partition("{")
            labels, _, value = rest.rpartition("} ")
            names.add(name)
            assert 'model="a\\"b"' in labels
            float(value)
    assert {"assay_watch_predictions_total", "assay_watch_alerts", "assay_watch_evidence_ratio"} <= names
    assert 'assay_watch_alerts{model="a\\"b",severity="critical",state="open"}' in text
    used = {word for word in names if word in RULES + dashboard()}
    assert "assay_watch_predictions_total" in used
    assert len(json.loads(dashboard())["panels"]) == 4
    json.dumps(data, allow_nan=True)
    assert "2. [ ] Contain" in page(data)
    assert "the rate of errors is rising" in page(data)
