"""A watch as others watch it: Prometheus metrics, rules for its alerts, and a Grafana dashboard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from assay.watch.status import Status

RULES = """groups:
  - name: assay-watch
    rules:
      - alert: AssayWatchCritical
        expr: assay_watch_alerts{severity="critical",state="open"} > 0
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.model }}: {{ $value }} open critical alerts; see assay watch alerts"
      - alert: AssayWatchWarning
        expr: assay_watch_alerts{severity="warning",state="open"} > 0
        for: 15m
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.model }}: {{ $value }} open warnings; see assay watch alerts"
      - alert: AssayWatchSilent
        expr: increase(assay_watch_predictions_total[1h]) == 0
        for: 1h
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.model }}: no prediction has come for two hours; what is not seen is not watched"
      - alert: AssayWatchLabelsMissing
        expr: increase(assay_watch_given_up_total[1d]) > 0
        labels: {severity: notice}
        annotations:
          summary: "{{ $labels.model }}: labels do not come in time; errors are watched on the rest only"
"""
PANELS = (
    ("Open alerts", "sum by (severity) (assay_watch_alerts{state='open',model=~'$model'})", "{{severity}}"),
    ("Evidence, as a share of the threshold", "assay_watch_evidence_ratio{model=~'$model'}", "{{stream}}"),
    ("Rate of errors, from the confidence alone", "assay_watch_estimated_error_ratio{model=~'$model'}", "{{bound}}"),
    ("Predictions a second", "rate(assay_watch_predictions_total{model=~'$model'}[5m])", "{{model}}"),
)


@dataclass(frozen=True)
class Metric:
    """One number of a watch, or a few that differ in their labels."""

    name: str
    counts: bool  # whether it only ever grows
    text: str
    values: tuple[tuple[dict[str, str], float], ...]


def measured(status: Status) -> list[Metric]:
    """What is told of a watch. Labels are few: the strongest streams, and no content of any event."""
    found = [
        Metric("predictions", True, "Predictions seen.", (({}, status.predictions),)),
        Metric("labels", True, "Labels seen.", (({}, status.labels),)),
        Metric("given_up", True, "Predictions whose label did not come in time.", (({}, status.given_up),)),
        Metric("orphans", True, "Labels of no known prediction.", (({}, status.orphans),)),
        Metric("pending", False, "Predictions that wait for a label.", (({}, status.pending),)),
    ]
    if status.errors is not None:
        bounds = tuple(({"bound": bound}, value) for bound, value in zip(("low", "high"), status.errors, strict=True))
        found.append(Metric("estimated_error_ratio", False, "Bounds of the recent rate of errors, from the confidence alone.", bounds))
    strongest = tuple(({"stream": name}, share) for name, share, *_ in status.strongest)
    found.append(Metric("evidence_ratio", False, "Evidence of the strongest streams; 1 is an alarm.", strongest))
    counted: dict[tuple[str, str], int] = {(severity, "open"): 0 for severity in ("notice", "warning", "critical")}
    for alert in status.alerts:
        counted[alert.severity, alert.state] = counted.get((alert.severity, alert.state), 0) + 1
    alerts = tuple(({"severity": s, "state": t}, float(n)) for (s, t), n in sorted(counted.items()))
    return [*found, Metric("alerts", False, "Alerts that are not closed.", alerts)]


def prometheus(status: Status, model: str) -> str:
    """The text exposition format (version 0.0.4)."""
    said: list[str] = []
    for metric in measured(status):
        name, kind = (f"{metric.name}_total", "counter") if metric.counts else (metric.name, "gauge")
        said.extend((f"# HELP assay_watch_{name} {metric.text}", f"# TYPE assay_watch_{name} {kind}"))
        for labels, value in metric.values:
            inside = ",".join(f'{k}="{_escaped(v)}"' for k, v in {"model": model, **labels}.items())
            said.append(f"assay_watch_{name}{{{inside}}} {value:.10g}")
    return "\n".join(said) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def dashboard() -> str:
    """A Grafana dashboard, to be imported as it is."""
    source = {"type": "prometheus", "uid": "${source}"}
    panels: list[dict[str, Any]] = [
        {
            "id": i + 1,
            "title": title,
            "type": "timeseries",
            "datasource": source,
            "gridPos": {"h": 8, "w": 12, "x": 12 * (i % 2), "y": 8 * (i // 2)},
            "targets": [{"refId": "A", "expr": expression, "legendFormat": legend, "datasource": source}],
        }
        for i, (title, expression, legend) in enumerate(PANELS)
    ]
    variables = [
        {"name": "source", "type": "datasource", "query": "prometheus"},
        {
            "name": "model",
            "type": "query",
            "datasource": source,
            "query": "label_values(assay_watch_predictions_total, model)",
            "includeAll": True,
            "multi": True,
        },
    ]
    return json.dumps(
        {
            "title": "Assay watch",
            "uid": "assay-watch",
            "schemaVersion": 39,
            "refresh": "1m",
            "time": {"from": "now-24h", "to": "now"},
            "templating": {"list": variables},
            "panels": panels,
        },
        indent=2,
    )
