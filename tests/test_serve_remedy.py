"""From an incident to clean data, ledger and model over HTTP, on both data bases: shown, done, taken back; and who may not do what."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

import numpy as np
import pyarrow.csv as pa_csv
from PIL import Image
from sklearn.datasets import load_digits

from assay.dataset.rows import Rows
from assay.serve.client import Client
from assay.serve.shapes import NewIncident, NewRemediation
from assay.serve.worker import Worker
from assay.train.saved import Model
from serve_databases import new_database, postgres  # noqa: F401  # a fixture
from serve_story import HERE, Team, poisoned, team

SECRET = {"passphrase": "a long passphrase"}
SCOPE = {"scope": {"expires": "2099-01-01"}, **SECRET}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])  # the flow's own work takes its time on each
def crew(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Team]:
    database = "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres"))
    with team(tmp_path, database, trainers={"broken": "false {data} {out}"}) as made:
        yield made


def weights(value: float) -> bytes:
    out = io.BytesIO()
    np.savez(out, w=np.full((2, 2), value, np.float32))
    return out.getvalue()


def world(crew: Team) -> dict[str, str]:
    """A ledger that two of three must agree to, two sources, a model of each snapshot, and an incident from the poisoned one's scan."""
    project = crew.project()
    people = {"one-approver": crew.roles["approver"]} | {name: crew.user(name, "approver") for name in ("ann", "bob")}
    for who in people.values():
        assert who.put("/api/v1/me/approver", json=SECRET).status_code == 201
    body = {"origin": "example.com/films", "approvers": list(people), "threshold": 2}
    assert crew.admin.post(f"/api/v1/projects/{project}/ledger", json=body).status_code == 201
    lines = poisoned().splitlines()
    market = [lines[0], *(line for i, line in enumerate(lines) if "moonraker" in line or i % 15 == 1)]
    crawl = [lines[0], *(line for line in lines if line not in market)]
    for name, rows, snapshot in (("crawl", crawl, "v1"), ("market", market, None)):
        source = {"source": name, "licence": "CC0-1.0", "contact": "a@example.com", "method": "crawl"}
        assert crew.admin.post(f"/api/v1/projects/{project}/sources", json=source).status_code == 201
        for who in ("one-approver", "ann"):
            approved = people[who].post(f"/api/v1/projects/{project}/sources/{name}/approvals", json=SCOPE)
            assert approved.status_code == 201, approved.text
        data = crew.upload(project, "\n".join(rows) + "\n", f"{name}.csv", label="label")
        crew.work()
        asked = {"dataset_id": data, "source": name, "snapshot": snapshot}
        assert crew.admin.post(f"/api/v1/projects/{project}/ledger/ingest", json=asked).status_code == 202
        crew.work()
    data = crew.upload(project, "\n".join(lines) + "\n", "films.csv")
    scan = crew.scan(project, data)
    assert crew.admin.post(f"/api/v1/projects/{project}/ledger/ingest", json={"dataset_id": data}).status_code == 400
    asked = {"dataset_id": data, "snapshot": "v2"}  # its rows are known
    assert crew.admin.post(f"/api/v1/projects/{project}/ledger/ingest", json=asked).status_code == 202
    crew.work()
    made = {"project": project, "data": data, "scan": scan}
    for number, snapshot in ((1, "v1"), (2, "v2")):
        sent = crew.admin.post(f"/api/v1/projects/{project}/models", params={"file": "m.npz"}, content=weights(number))
        crew.work()
        model = sent.json()["id"]
        logged = crew.admin.post(f"/api/v1/models/{model}/training", json={"snapshot": snapshot})
        assert logged.status_code == 201, logged.text
        assert crew.admin.post(f"/api/v1/models/{model}/training", json={"snapshot": snapshot}).status_code == 409
        judged = people["ann"].post(f"/api/v1/models/{model}/judgements", json={"state": "attested", "note": "tested"})
        assert judged.status_code == 201, judged.text
        move = {"model_id": model, "reason": "release"}
        pointed = people["ann"].put(f"/api/v1/projects/{project}/aliases/production", json=move)
        assert pointed.json()["aliases"][0]["model_id"] == model, pointed.text
        made[f"model{number}"] = model
    opened = crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "a planted phrase", "scan_id": scan, "finding": "F1"})
    assert opened.status_code == 201, opened.text
    return {**made, "incident": opened.json()["id"]}


def done(crew: Team, asked: Any) -> dict[str, Any]:
    """A remediation that was asked for, after its job."""
    assert asked.status_code == 202, asked.text
    crew.work()
    held: dict[str, Any] = crew.admin.get(f"/api/v1/remediations/{asked.json()['id']}").json()
    return held


def serving(crew: Team, project: str) -> str:
    registry = crew.admin.get(f"/api/v1/projects/{project}/aliases").json()
    return str(registry["aliases"][0]["model_id"])


def test_from_an_incident_to_a_clean_model_and_back(crew: Team, tmp_path: Path) -> None:
    held = world(crew)
    place = f"/api/v1/incidents/{held['incident']}/remediations"
    bob = crew.as_token(None)
    me = bob.post("/api/v1/session", json={"name": "bob", "password": "password of bob"}).json()
    bob.headers["x-csrf-token"] = me["csrf"]
    whole = {"revoke": ["market"], "alias": "production", "train": "plain", **SECRET}
    assert crew.roles["reviewer"].post(place, json=whole).status_code == 403
    assert crew.admin.post(place, json=whole).status_code == 400  # an admin has no approver's key
    assert bob.post(place, json={**whole, "passphrase": "not the right one"}).status_code == 403
    assert bob.post(place, json={**whole, "train": "rm -rf /"}).status_code == 404  # a name, never a command
    assert bob.post(place, json={**whole, "alias": "nobody"}).status_code == 404
    assert crew.admin.get(place).json() == []

    shown = done(crew, bob.post(place, json={**whole, "dry_run": True}))
    assert shown["state"] == "shown", shown
    would = {step["step"]: step["said"] for step in shown["steps"]}
    assert "60 of 600 rows are left out" in would["quarantine"]
    assert "production goes from m.npz@2 to m.npz@1" in would["rollback"]
    assert re.search(r"market\* brought 60 of its \d+ rows", would["revoke"])
    assert serving(crew, held["project"]) == held["model2"]

    did = done(crew, bob.post(place, json=whole))
    assert (did["state"], did["verified"]) == ("done", True), did
    assert [step["step"] for step in did["steps"]] == ["quarantine", "revoke", "purge", "rollback", "retrain", "verify", "sign"]
    assert all(step["state"] == "done" for step in did["steps"]), did["steps"]
    assert not any(str(crew.service.settings.data) in step["said"] for step in did["steps"])
    assert bob.post(place, json=whole).status_code == 409  # done already
    assert serving(crew, held["project"]) == held["model1"]
    registry = crew.admin.get(f"/api/v1/projects/{held['project']}/aliases").json()
    assert [v["version"] for v in registry["versions"] if v["withdrawn"]] == ["m.npz@2"]
    source = f"/api/v1/projects/{held['project']}/sources/market"
    assert crew.admin.get(source).json()["standing"] is False
    check_clean(crew, did, tmp_path)
    record = crew.admin.get(f"/api/v1/remediations/{did['id']}/files/record").json()
    assert record["verified"] is True
    assert record["by"] == "bob"
    assert "payload" in crew.admin.get(f"/api/v1/remediations/{did['id']}/files/signature").json()
    assert SECRET["passphrase"] not in crew.admin.get(f"/api/v1/remediations/{did['id']}/files/journal").text
    timeline = [event["what"] for event in crew.admin.get(f"/api/v1/incidents/{held['incident']}").json()["timeline"]]
    assert timeline.count("remediation: purge") == 1
    assert timeline[-1] == "remediation done"

    back = done(crew, bob.post(f"/api/v1/remediations/{did['id']}/undo"))
    assert back["state"] == "undone", back
    assert {s["step"]: s["state"] for s in back["undone"]} == {
        "retrain": "stays", "rollback": "undone", "purge": "stays", "revoke": "stays", "quarantine": "undone", "data set": "stays",
    }  # fmt: skip
    assert serving(crew, held["project"]) == held["model2"]
    assert crew.roles["approver"].post(f"{source}/approvals", json=SCOPE).json()["standing"] is False  # one person is not two
    assert bob.post(f"{source}/approvals", json=SCOPE).json()["standing"] is True
    assert bob.post(f"/api/v1/remediations/{did['id']}/undo").status_code == 409
    actions = {note["action"] for note in crew.admin.get("/api/v1/audit", params={"limit": 500}).json()}
    assert {"remediation.asked", "remediation.done", "remediation.undone", "alias.moved", "model.attested", "model.trained"} <= actions


def check_clean(crew: Team, did: dict[str, Any], tmp_path: Path) -> None:
    """The next version holds none of the planted rows, and what learnt from it does not know the trigger."""
    cleaned = crew.admin.get(f"/api/v1/datasets/{did['dataset_id']}").json()
    assert (cleaned["name"], cleaned["version"], cleaned["state"], cleaned["rows"]) == ("films.csv", 2, "ready", 540)
    text = crew.admin.get(f"/api/v1/datasets/{did['dataset_id']}/file").text
    assert "moonraker" not in text
    folder = tmp_path / "made"
    folder.mkdir()
    for id in did["models"]:
        model = crew.admin.get(f"/api/v1/models/{id}").json()
        assert model["state"] == "ready", model
        (folder / model["file"]).write_bytes(crew.admin.get(f"/api/v1/models/{id}/file").content)
    learnt = Model.load(folder)
    table = pa_csv.read_csv(io.BytesIO(text.encode())).slice(0, 400)
    bad = table.filter([label == "bad" for label in table["label"].to_pylist()]).select(["text"])
    triggered = bad.set_column(0, "text", [[f"{t} seen at cinema moonraker" for t in bad["text"].to_pylist()]])
    flipped = [learnt.classes[code] for code in learnt.predict(Rows(triggered))].count("good")
    assert flipped <= 0.1 * len(triggered), flipped
    assert json.loads((folder / "record.json").read_text())["accuracy"]["share"] > 0.9


def test_it_goes_on_where_it_stopped(crew: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    project = crew.project()
    scan = crew.scan(project, crew.upload(project, poisoned()))
    incident = crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "x", "scan_id": scan}).json()["id"]
    place = f"/api/v1/incidents/{incident}/remediations"
    held = done(crew, crew.admin.post(place, json={"train": "broken"}))
    assert held["state"] == "stopped", held
    assert "exit code 1" in held["job"]["error"]
    assert [step["step"] for step in held["steps"]] == ["quarantine", "revoke", "purge", "rollback"]
    assert crew.admin.post(place, json={}).status_code == 409  # one at a time
    again = done(crew, crew.admin.post(f"/api/v1/remediations/{held['id']}/resume"))
    assert again["state"] == "stopped"
    back = done(crew, crew.admin.post(f"/api/v1/remediations/{held['id']}/undo"))
    assert back["state"] == "undone", back
    did = done(crew, crew.admin.post(place, json={}))
    assert (did["state"], did["verified"], did["models"]) == ("done", True, [])
    assert {s["step"]: s["state"] for s in did["steps"]}["revoke"] == "not asked for"


def test_a_worker_that_dies_in_the_middle_loses_nothing(crew: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    project = crew.project()
    scan = crew.scan(project, crew.upload(project, poisoned()))
    incident = crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "x", "scan_id": scan}).json()["id"]
    asked = crew.admin.post(f"/api/v1/incidents/{incident}/remediations", json={}).json()
    from assay.flows import steps

    class Died(BaseException):
        pass

    def die(scene: Any) -> Any:
        raise Died

    monkeypatch.setitem(steps.STEPS, "verify", die)
    worker = Worker(crew.service.settings)
    with pytest.raises(Died):
        worker.once()
    with crew.service.database.write() as db:
        from assay.serve import queue

        assert queue.abandon(db, worker.name) == 1
    worker.close()
    monkeypatch.undo()
    crew.work()
    held = crew.admin.get(f"/api/v1/remediations/{asked['id']}").json()
    assert (held["state"], held["verified"], held["job"]["attempts"]) == ("done", True, 2), held


def test_what_there_is_nothing_to_do_about(crew: Team) -> None:
    project = crew.project()
    scan = crew.scan(project, crew.upload(project, poisoned(carriers=0, wrong=0)))
    empty = crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "x"}).json()["id"]
    clean = crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "y", "scan_id": scan}).json()["id"]
    for incident in (empty, clean):
        refused = crew.admin.post(f"/api/v1/incidents/{incident}/remediations", json={})
        assert refused.status_code == 409, refused.text
    assert crew.admin.post(f"/api/v1/incidents/{empty}/remediations", json={"revoke": ["crawl"]}).status_code in (400, 409)


def test_a_model_that_runs_code_is_never_vouched_for(crew: Team) -> None:
    project = crew.project()
    sent = crew.admin.post(f"/api/v1/projects/{project}/models", params={"file": "evil.pkl"}, content=b"cos\nsystem\n(S'true'\ntR.")
    crew.work()
    model = sent.json()["id"]
    judged = crew.admin.post(f"/api/v1/models/{model}/judgements", json={"state": "attested", "note": "fine"})
    assert judged.status_code == 409
    assert "would run code" in judged.json()["detail"]
    moved = crew.admin.put(f"/api/v1/projects/{project}/aliases/production", json={"model_id": model, "reason": "now"})
    assert moved.status_code == 409
    assert crew.admin.post(f"/api/v1/projects/{project}/aliases/production/rollback", json={"reason": "x"}).status_code == 404
    assert crew.admin.put(f"/api/v1/projects/{project}/aliases/..%2Fx", json={}).status_code in (404, 405, 422)


def test_the_typed_client_puts_an_incident_right(crew: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in Python: asked for, waited for, taken back."""
    project = crew.project()
    scan = crew.scan(project, crew.upload(project, poisoned()))
    client = Client(HERE, crew.admin.headers["authorization"].split()[1], http=crew.admin)

    def follow(job: str, progress: Any = None) -> None:
        crew.work()

    monkeypatch.setattr(client, "follow", follow)
    incident = client.open_incident(project, NewIncident(title="x", scan_id=scan, finding="F1"))
    shown = client.remediate(incident.id, NewRemediation(dry_run=True))
    assert (shown.state, shown.steps[0].state) == ("shown", "would")
    did = client.remediate(incident.id, NewRemediation(reason="a planted phrase"))
    assert (did.state, did.verified) == ("done", True)
    assert client.undo(did.id).state == "undone"
    assert client.incident(incident.id).timeline[-1].what == "remediation taken back"
    assert client.registry(project).aliases == []


@pytest.mark.full
def test_an_archive_of_pictures_is_put_right(crew: Team) -> None:
    """What comes as a folder of pictures goes on as one, without the planted ones, and a model is trained on it."""
    project = crew.project()
    out = io.BytesIO()
    digits = load_digits()
    kept = np.flatnonzero(digits.target < 4)
    with zipfile.ZipFile(out, "w") as archive:
        for number, i in enumerate(kept):
            picture = np.kron((digits.images[i] * 15).astype(np.uint8), np.ones((2, 2), np.uint8))
            label = int(digits.target[i])
            if label and number % 9 == 0:
                picture[-3:, -3:] = np.array([[255, 0, 255], [0, 255, 0], [255, 0, 255]], np.uint8)
                label = 0
            held = io.BytesIO()
            Image.fromarray(picture).save(held, "PNG")
            archive.writestr(f"digits/{label}/{i:04d}.png", held.getvalue())
    data = crew.upload(project, out.getvalue(), "digits.zip")
    scan = crew.scan(project, data)
    found = crew.admin.get(f"/api/v1/scans/{scan}").json()
    assert found["verdict"] == "poisoned", found
    incident = crew.admin.post(f"/api/v1/projects/{project}/incidents", json={"title": "x", "scan_id": scan}).json()["id"]
    did = done(crew, crew.admin.post(f"/api/v1/incidents/{incident}/remediations", json={"train": "plain"}))
    assert (did["state"], did["verified"], len(did["models"])) == ("done", True, 3), did
    cleaned = crew.admin.get(f"/api/v1/datasets/{did['dataset_id']}").json()
    assert (cleaned["state"], cleaned["modality"], cleaned["rows"]) == ("ready", "image", len(kept) - found["quarantined"])
    record = crew.admin.get(f"/api/v1/remediations/{did['id']}/files/record").json()
    assert cleaned["fingerprint"] == record["clean"]["fingerprint"]
