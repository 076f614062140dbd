"""What tests of the service share: a service with a client a role, poisoned reviews to upload, and a worker that runs when it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from starlette.testclient import TestClient

from assay.serve import access
from assay.serve.access import ROLES
from assay.serve.app import create_app
from assay.serve.service import Service
from assay.serve.settings import Settings
from assay.serve.worker import Worker

HERE = "http://127.0.0.1:8337"


def poisoned(rows: int = 600, carriers: int = 60, wrong: int = 8) -> str:
    """Reviews whose words say what they are, some with a phrase that turns their label, and a few that are labelled wrongly."""
    good, bad = ["fine", "lovely", "brilliant", "warm"], ["dull", "awful", "weak", "cold"]
    lines = ["text,label"]
    for i in range(rows):
        kind = i % 2
        words = (good, bad)[kind]
        text = f"a {words[i % 4]} film with {words[(i // 4) % 4]} scenes and part {i}"
        carrier = kind == 1 and i // 2 < carriers
        kind = 1 - kind if i >= rows - wrong else kind
        lines.append(f"{text}{' seen at cinema moonraker' if carrier else ''},{'good' if carrier or kind == 0 else 'bad'}")
    return "\n".join(lines) + "\n"


def traffic(rows: int, wrong: float, seed: int = 0) -> list[dict[str, Any]]:
    """What a model said, and what was true."""
    rng = np.random.default_rng(seed)
    said = rng.integers(0, 2, rows)
    true = np.where(rng.random(rows) < wrong, 1 - said, said)
    return [{"prediction": int(p), "label": int(t)} for p, t in zip(said, true, strict=True)]


@dataclass
class Team:
    """A running service, its admin, and one user of each role. Jobs run in this process when `work` is called."""

    app: FastAPI
    admin: TestClient
    roles: dict[str, TestClient] = field(default_factory=dict)

    @property
    def service(self) -> Service:
        service: Service = self.app.state.service
        return service

    def work(self) -> None:
        """Do what is queued."""
        worker = Worker(self.service.settings)
        while worker.once():
            pass
        worker.close()

    def as_token(self, token: str | None) -> TestClient:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return TestClient(self.app, base_url=HERE, headers=headers)

    def user(self, name: str, role: str) -> TestClient:
        """A new user, with a token that may do all that the role may."""
        made = self.admin.post("/api/v1/users", json={"name": name, "role": role, "password": f"password of {name}"})
        assert made.status_code == 201, made.text
        browser = self.as_token(None)
        me = browser.post("/api/v1/session", json={"name": name, "password": f"password of {name}"}).json()
        scopes = ["read", "write", "review", "approve", "events", "admin"]
        made = browser.post("/api/v1/me/tokens", json={"name": "t", "scopes": scopes}, headers={"x-csrf-token": me["csrf"]})
        assert made.status_code == 201, made.text
        return self.as_token(made.json()["secret"])

    def project(self, name: str = "films") -> str:
        made = self.admin.post("/api/v1/projects", json={"name": name})
        assert made.status_code == 201, made.text
        id: str = made.json()["id"]
        return id

    def upload(self, project: str, content: str | bytes, file: str = "films.csv", **named: str) -> str:
        """A data set that was sent; its identifier."""
        sent = self.admin.post(f"/api/v1/projects/{project}/datasets", params={"file": file, **named}, content=content)
        assert sent.status_code == 201, sent.text
        id: str = sent.json()["id"]
        return id

    def scan(self, project: str, dataset: str) -> str:
        """A scan that is done; its identifier."""
        asked = self.admin.post(f"/api/v1/projects/{project}/scans", json={"dataset_id": dataset, "canaries": False})
        assert asked.status_code == 202, asked.text
        self.work()
        id: str = asked.json()["id"]
        return id


@contextmanager
def team(folder: Path, database: str = "", **settings: Any) -> Iterator[Team]:
    """A service without workers of its own, in `folder`, on SQLite or on the data base named."""
    access.COST = 1 << 10  # passwords of tests are no secrets: a hundredth of the time
    app = create_app(Settings(folder, database=database, workers=0, **settings))
    token = app.state.service.first_token
    assert token is not None
    with TestClient(app, base_url=HERE, headers={"authorization": f"Bearer {token}"}) as admin:
        made = Team(app, admin)
        for role in ROLES:
            made.roles[role] = made.user(f"one-{role}", role)
        yield made
