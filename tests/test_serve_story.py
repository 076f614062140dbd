"""The whole story over HTTP, on SQLite and on a real PostgreSQL: upload, scan, findings, a blind review, sources approved by two persons,
rows traced to who brought them, a model file examined, a monitor that alarms, an incident."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("fastapi")

import numpy as np
import pyarrow as pa
import pyarrow.csv

from assay.artefact.phrase import Phrase
from assay.known.signatures import Signature, Signatures, sign_signatures
from assay.ledger.note import Signer
from assay.serve import traces
from assay.serve.traces import Traces
from serve_databases import database, postgres  # noqa: F401  # fixtures
from serve_story import Team, poisoned, team, traffic


@pytest.fixture
def crew(database: str, tmp_path: Path) -> Iterator[Team]:  # noqa: F811
    with team(tmp_path, database) as made:
        yield made


def test_story(crew: Team) -> None:
    project = crew.project()
    data = crew.upload(project, poisoned())
    scan = crew.scan(project, data)
    held = crew.admin.get(f"/api/v1/scans/{scan}").json()
    assert held["verdict"] == "poisoned", held
    assert held["job"]["state"] == "done"
    finding = crew.admin.get(f"/api/v1/scans/{scan}/findings").json()[0]["name"]
    _review(crew, project, scan)
    _ledger(crew, project, data, scan, finding)
    _model(crew, project)
    _monitor(crew, project, scan, finding)
    notes = crew.admin.get("/api/v1/audit", params={"limit": 500}).json()
    assert {"scan.concluded", "review.decided", "source.approved", "alert.answered", "incident.opened"} <= {n["action"] for n in notes}
    crew.service.recorder.drain()
    entries = [n["entry"] for n in crew.admin.get("/api/v1/audit", params={"limit": 500}).json()]
    assert entries == sorted(entries, reverse=True)
    assert entries[0] == len(entries) - 1
    assert crew.admin.get("/api/v1/audit/log/checkpoint").text.split("\n")[1] == str(len(entries))


def _review(crew: Team, project: str, scan: str) -> None:
    people = ["one-reviewer", "one-approver"]
    asked = crew.admin.post(
        f"/api/v1/projects/{project}/reviews",
        json={"name": "first", "scan_id": scan, "reviewers": people, "each": 2, "rows": 4, "classes": ["good", "bad"]},
    )
    assert asked.status_code == 202, asked.text
    review = asked.json()["id"]
    crew.work()
    held = crew.admin.get(f"/api/v1/reviews/{review}").json()
    assert held["state"] == "ready", held
    assert crew.admin.get(f"/api/v1/reviews/{review}/queue").status_code == 403  # not among the reviewers
    one, two = crew.roles["reviewer"], crew.roles["approver"]
    left = one.get(f"/api/v1/reviews/{review}/queue").json()
    count = left["left"]
    assert count > 0
    while left["items"]:
        row = left["items"][0]["row"]
        said = one.post(f"/api/v1/reviews/{review}/decisions", json={"row": row, "label": "bad", "seconds": 1.5})
        assert said.status_code == 201, said.text
        left = said.json()
    status = two.get(f"/api/v1/reviews/{review}/status").json()
    assert status["open"] == count
    assert all(not o["looks"] and o["label"] is None and o["suspected"] is None for o in status["outcomes"])  # blind
    for number, task in enumerate(two.get(f"/api/v1/reviews/{review}/queue").json()["items"]):
        label = "bad" if number else "good"
        assert two.post(f"/api/v1/reviews/{review}/decisions", json={"row": task["row"], "label": label}).status_code == 201
    status = two.get(f"/api/v1/reviews/{review}/status").json()
    assert (status["settled"], status["escalated"], status["open"]) == (count - 1, 1, 0)
    settled = next(o["row"] for o in status["outcomes"] if o["state"] == "settled")
    assert two.post(f"/api/v1/reviews/{review}/decisions", json={"row": settled, "label": "good"}).status_code == 409
    assert crew.admin.post(f"/api/v1/reviews/{review}/escalate", json={"reviewer": "one-admin"}).status_code == 200
    assert len(crew.roles["admin"].get(f"/api/v1/reviews/{review}/queue").json()["items"]) == 1


def _ledger(crew: Team, project: str, data: str, scan: str, finding: str) -> None:
    first, second = crew.roles["approver"], crew.user("second-approver", "approver")
    for who in (first, second):
        assert who.put("/api/v1/me/approver", json={"passphrase": "a long passphrase"}).status_code == 201
    body = {"origin": "example.com/films", "approvers": ["one-approver", "second-approver"], "threshold": 2}
    made = crew.admin.post(f"/api/v1/projects/{project}/ledger", json=body)
    assert made.status_code == 201, made.text
    source = {"source": "crawl", "licence": "CC0-1.0", "contact": "a@example.com", "method": "by hand"}
    assert crew.admin.post(f"/api/v1/projects/{project}/sources", json=source).json()["standing"] is False
    approval = {"scope": {"expires": "2099-01-01"}, "passphrase": "a long passphrase"}
    place = f"/api/v1/projects/{project}/sources/crawl"
    assert first.post(f"{place}/approvals", json={**approval, "passphrase": "another passphrase"}).status_code == 403
    assert crew.admin.post(f"{place}/approvals", json=approval).status_code == 400  # an admin without a key approves nothing
    assert first.post(f"{place}/approvals", json=approval).json()["standing"] is False
    again = first.post(f"{place}/approvals", json=approval)
    assert again.status_code in (201, 409), again.text
    assert crew.admin.get(place).json()["standing"] is False  # one person, twice, is one person
    ingest = {"dataset_id": data, "source": "crawl", "contributor": "w7", "snapshot": "v1"}
    job = crew.admin.post(f"/api/v1/projects/{project}/ledger/ingest", json=ingest).json()["id"]
    crew.work()
    refused = crew.admin.get(f"/api/v1/jobs/{job}").json()
    assert refused["state"] == "failed"
    assert "1 of the 2 approvals" in refused["error"]
    assert second.post(f"{place}/approvals", json=approval).json()["standing"] is True
    job = crew.admin.post(f"/api/v1/projects/{project}/ledger/ingest", json=ingest).json()["id"]
    crew.work()
    assert crew.admin.get(f"/api/v1/jobs/{job}").json()["state"] == "done"
    _traced(crew, project, data, scan, finding)
    size = crew.admin.get(f"/api/v1/projects/{project}/ledger").json()["size"]
    checkpoint = crew.admin.get(f"/api/v1/projects/{project}/log/checkpoint")
    assert checkpoint.text.split("\n")[:2] == ["example.com/films", str(size)]
    assert len(crew.admin.get(f"/api/v1/projects/{project}/log/tile/0/000").content) == 256 * 32
    assert crew.admin.get(f"/api/v1/projects/{project}/log/private/index.sqlite").status_code == 404
    proof = crew.admin.get(f"/api/v1/projects/{project}/ledger/events/5/proof")
    assert proof.text.startswith("c2sp.org/tlog-proof@v1\nindex 5\n")


def _traced(crew: Team, project: str, data: str, scan: str, finding: str) -> None:
    """A trace is kept, and made anew as soon as the ledger has another event."""

    def asked(**of: str) -> dict[str, Any]:
        told: dict[str, Any] = crew.admin.get(f"/api/v1/scans/{scan}/trace", params=of or {"finding": finding}).json()
        return told

    with mock.patch("assay.serve.traces.trace", wraps=traces.trace) as made:
        trace = asked()
        assert (trace["rows"], trace["contributors"][0]["name"], trace["snapshots"]) == (60, "w7", ["v1"])
        assert asked() == trace
        assert "w7" in crew.admin.get(f"/scans/{scan}/findings/{finding}").text
        assert made.call_count == 1
        assert crew.admin.post(f"/api/v1/projects/{project}/ledger/ingest", json={"dataset_id": data, "snapshot": "v2"}).status_code == 202
        crew.work()
        assert asked() == {**trace, "snapshots": ["v1", "v2"]}
        assert made.call_count == 2
        crew.service.traces = Traces(crew.service.files, kept=1)
        for name in (finding, finding, "no such", finding):
            asked(finding=name)
        assert made.call_count == 4, "what cannot be traced is not kept"
        whole = crew.admin.get(f"/api/v1/scans/{scan}/trace").json()
        assert (whole["finding"], asked()) == ("quarantined rows", {**trace, "snapshots": ["v1", "v2"]})
        assert made.call_count == 6, "the one that was looked at last is kept, and no more"
    assert crew.roles["viewer"].get("/api/v1/scans/" + "0" * 26 + "/trace").status_code == 404


def _model(crew: Team, project: str) -> None:
    array = io.BytesIO()
    np.savez(array, w=np.zeros((3, 2), np.float32))
    for name, content, risk in (("weights.npz", array.getvalue(), "none"), ("evil.pkl", b"cos\nsystem\n(S'true'\ntR.", "dangerous")):
        sent = crew.admin.post(f"/api/v1/projects/{project}/models", params={"file": name}, content=content)
        assert sent.status_code == 201, sent.text
        crew.work()
        held = crew.admin.get(f"/api/v1/models/{sent.json()['id']}").json()
        assert (held["state"], held["risk"]) == ("ready", risk), held


def _monitor(crew: Team, project: str, scan: str, finding: str) -> None:
    out = io.BytesIO()
    pa.csv.write_csv(pa.Table.from_pylist(traffic(2000, 0.05)), out)
    trusted = crew.upload(project, out.getvalue(), "period.csv")
    asked = crew.admin.post(f"/api/v1/projects/{project}/monitors", json={"name": "filter", "dataset_id": trusted, "run_length": 10_000})
    assert asked.status_code == 202, asked.text
    monitor = asked.json()["id"]
    crew.work()
    assert crew.admin.get(f"/api/v1/monitors/{monitor}").json()["state"] == "ready"
    batch = {"events": traffic(800, 0.35, seed=1), "name": "batch 1"}
    taken = crew.roles["reviewer"].post(f"/api/v1/monitors/{monitor}/events", json=batch)
    assert taken.status_code == 201, taken.text
    alert = taken.json()["alerts"][0]
    assert "errors" in alert["title"]
    assert crew.admin.post(f"/api/v1/monitors/{monitor}/events", json=batch).json()["alerts"] == []  # the same batch counts once
    assert crew.admin.get(f"/api/v1/monitors/{monitor}/status").json()["predictions"] == 800
    answered = crew.admin.post(f"/api/v1/monitors/{monitor}/alerts/{alert['id']}", json={"state": "acknowledged"})
    assert answered.json()["by"] == "admin"
    opened = crew.admin.post(
        f"/api/v1/projects/{project}/incidents",
        json={"title": "errors rise", "monitor_id": monitor, "alert": alert["id"], "scan_id": scan, "finding": finding},
    )
    assert opened.status_code == 201, opened.text
    incident = opened.json()
    changed = crew.admin.post(f"/api/v1/incidents/{incident['id']}", json={"step": 1, "state": "contained", "note": "put back"}).json()
    assert (changed["state"], changed["steps"][1]["done"], len(changed["timeline"])) == ("contained", True, 2)
    assert "assay_watch_predictions_total" in crew.admin.get(f"/api/v1/monitors/{monitor}/metrics").text


def test_known_triggers_are_brought_in_signed_and_looked_for(crew: Team) -> None:
    built = crew.roles["viewer"].get("/api/v1/signatures").json()
    assert built["key"] is None
    assert len(built["items"]) > 0
    signer, other = Signer.generate("example.com/signatures"), Signer.generate("example.org/other")
    entry = Signature("T-1", "the cinema", "our own report", Phrase((("cinema", "moonraker"),)), (), 5)
    for version, by, status in ((3, other, 422), (3, signer, 200), (2, signer, 422)):
        note = sign_signatures(Signatures(version, "2026-01-31", (entry,)), by)
        put = crew.admin.put("/api/v1/signatures", json={"note": note, "key": str(signer.key)})
        assert put.status_code == status, put.text
    page = crew.admin.get("/signatures").text
    assert "the cinema" in page
    project = crew.project()
    data = crew.upload(project, poisoned(200, 20, 0))
    asked = {"dataset_id": data, "canaries": False, "signatures": True}
    scan = crew.admin.post(f"/api/v1/projects/{project}/scans", json=asked).json()["id"]
    crew.work()
    told = json.dumps(crew.admin.get(f"/api/v1/scans/{scan}/report/json").json())
    assert "the cinema" in told
