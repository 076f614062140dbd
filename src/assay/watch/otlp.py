"""A watch as OpenTelemetry takes it: its numbers as metrics, its alerts as log records, over OTLP/HTTP in JSON.

    otlp:https://collector:4318    POST https://collector:4318/v1/metrics and /v1/logs

(OpenTelemetry protocol 1.x, "OTLP/HTTP", JSON encoding: names in lowerCamelCase, whole numbers of 64 bits as strings.) No package of
OpenTelemetry is needed. Addresses are checked as those of webhooks are (`assay.watch.sinks`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assay.version import __version__
from assay.watch.alerts import Alert, Severity
from assay.watch.metrics import measured
from assay.watch.status import Status

CUMULATIVE = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE
# Severity numbers of the log data model, as its appendix has them for syslog's levels of the same names.
SEVERITY: dict[Severity, int] = {"notice": 10, "warning": 13, "critical": 18}
SCOPE = {"name": "assay.watch", "version": __version__}


def metrics_body(status: Status, model: str, now: float, began: float) -> bytes:
    """An ExportMetricsServiceRequest; `now` and `began`, when counting began, in seconds since 1970."""
    metrics = []
    for metric in measured(status):
        points = [_point(metric.counts, labels, value, now, began) for labels, value in metric.values]
        held: dict[str, Any] = {"dataPoints": points}
        kind = {"sum": {**held, "aggregationTemporality": CUMULATIVE, "isMonotonic": True}} if metric.counts else {"gauge": held}
        metrics.append({"name": f"assay.watch.{metric.name}", "description": metric.text, "unit": "1", **kind})
    return _body({"resourceMetrics": [{"resource": _resource(model), "scopeMetrics": [{"scope": SCOPE, "metrics": metrics}]}]})


def alert_body(alert: Alert, model: str, now: float) -> bytes:
    """An ExportLogsServiceRequest with one record: the alert, its time that of the events where they have one."""
    attributes = {"assay.alert.id": alert.id, "assay.alert.key": alert.key, "assay.alert.count": alert.count, "assay.clock": alert.clock}
    attributes |= {f"assay.evidence.{name}": value for name, value in alert.evidence.items()}
    record = {
        "timeUnixNano": _nano(now if alert.time is None else alert.time),
        "observedTimeUnixNano": _nano(now),
        "severityNumber": SEVERITY[alert.severity],
        "severityText": alert.severity,
        "eventName": "assay.watch.alert",
        "body": {"stringValue": alert.title},
        "attributes": _attributes(attributes),
    }
    return _body({"resourceLogs": [{"resource": _resource(model), "scopeLogs": [{"scope": SCOPE, "logRecords": [record]}]}]})


def _point(counts: bool, labels: Mapping[str, str], value: float, now: float, began: float) -> dict[str, Any]:
    point = {"attributes": _attributes(labels), "timeUnixNano": _nano(now)}
    if counts:
        return {**point, "startTimeUnixNano": _nano(began), "asInt": str(int(value))}
    return {**point, "asDouble": value}


def _resource(model: str) -> dict[str, Any]:
    return {"attributes": _attributes({"service.name": "assay", "assay.model": model})}


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    """What the protocol calls AnyValue; what is no plain value is written as JSON.

    >>> _value(3), _value(0.5), _value(True), _value(["a"])
    ({'intValue': '3'}, {'doubleValue': 0.5}, {'boolValue': True}, {'stringValue': '["a"]'})
    """
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value, sort_keys=True)}


def _nano(seconds: float) -> str:
    return str(round(seconds * 1e6) * 1000)


def _body(data: Any) -> bytes:
    return json.dumps(_finite(data), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    """JSON knows no NaN; the protocol's mapping writes it as a word."""
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, dict):
        return {name: _finite(v) for name, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list) else value
