"""The whole of a first visit: a token, a project, an upload, a scan by a real worker, its findings, and all of it there after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from assay.serve.app import create_app
from assay.serve.settings import Settings

HERE = "http://127.0.0.1:8337"


def poisoned(rows: int = 600, carriers: int = 60) -> str:
    """Reviews whose words say what they are, some with a phrase that turns their label."""
    good, bad = ["fine", "lovely", "brilliant", "warm"], ["dull", "awful", "weak", "cold"]
    lines = ["text,label"]
    for i in range(rows):
        kind = i % 2
        words = (good, bad)[kind]
        text = f"a {words[i % 4]} film with {words[(i // 4) % 4]} scenes and part {i}"
        carrier = kind == 1 and i // 2 < carriers
        lines.append(f"{text}{' seen at cinema moonraker' if carrier else ''},{'good' if carrier or kind == 0 else 'bad'}")
    return "\n".join(lines) + "\n"


def test_first_visit(tmp_path: Path) -> None:
    app = create_app(Settings(tmp_path))
    token = app.state.service.first_token
    assert token is not None
    me = {"authorization": f"Bearer {token}"}
    with TestClient(app, base_url=HERE, headers=me) as client:
        project = client.post("/api/v1/projects", json={"name": "films"}).json()["id"]
        sent = client.post(f"/api/v1/projects/{project}/datasets", params={"file": "films.csv"}, content=poisoned())
        assert sent.status_code == 201, sent.text
        data = sent.json()["id"]
        scan = client.post(f"/api/v1/projects/{project}/scans", json={"dataset_id": data, "canaries": False}).json()
        with client.stream("GET", f"/api/v1/jobs/{scan['job']['id']}/progress") as events:
            states = [line for line in events.iter_lines() if line.startswith("data:")]
        assert '"state":"done"' in states[-1]
        held = client.get(f"/api/v1/scans/{scan['id']}").json()
        assert held["verdict"] == "poisoned"
        finding = client.get(f"/api/v1/scans/{scan['id']}/findings").json()[0]
        assert "moonraker" in str(finding["document"]["artefact"])
        carriers = client.get(f"/api/v1/scans/{scan['id']}/rows", params={"finding": finding["name"], "limit": 100}).json()
        assert carriers["total"] == 60
        assert all("moonraker" in row["cells"]["text"] and row["mark"]["action"] == "quarantine" for row in carriers["items"])
        assert client.get(f"/api/v1/datasets/{data}/rows", params={"offset": 590}).json()["items"][-1]["row"] == 599

    again = create_app(Settings(tmp_path))
    assert again.state.service.first_token is None
    with TestClient(again, base_url=HERE, headers=me) as client:
        assert client.get(f"/api/v1/scans/{scan['id']}").json() == held
        assert client.get(f"/api/v1/scans/{scan['id']}/report/html").status_code == 200
