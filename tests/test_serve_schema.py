"""The whole OpenAPI document, fuzzed by schemathesis: whatever fits it or does not, no answer is a fault of ours (5xx), and each error is
told as the document says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import schemathesis
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient

from assay.serve.settings import Bounds
from serve_story import HERE, Team, poisoned, team, traffic

FREE = Bounds(requests=1e9, burst=10**9, logins=1e9, login_burst=10**9, streams=10**6)
EXAMPLES = 20  # an operation and mode
ASIDE = ("DELETE /api/v1/session", "PATCH /api/v1/users/{id}", "DELETE /api/v1/tokens/{id}")  # would lock the fuzzer out


def furnished(crew: Team) -> dict[str, str]:
    """One of everything, so that a path may lead to something."""
    project = crew.project()
    data = crew.upload(project, poisoned(400, 50))
    scan = crew.scan(project, data)
    period = "".join(f"{e['prediction']},{e['label']}\n" for e in traffic(1500, 0.05))
    trusted = crew.upload(project, f"prediction,label\n{period}", "p.csv")
    place = f"/api/v1/projects/{project}"
    crew.roles["approver"].put("/api/v1/me/approver", json={"passphrase": "a long passphrase"})
    crew.admin.post(f"{place}/ledger", json={"origin": "example.com/x", "approvers": ["one-approver"]})
    crew.admin.post(f"{place}/sources", json={"source": "crawl", "licence": "", "contact": "", "method": ""})
    asked = {"name": "r", "scan_id": scan, "reviewers": ["one-reviewer", "one-admin"], "classes": ["good", "bad"]}
    review = crew.admin.post(f"{place}/reviews", json=asked).json()["id"]
    weights = io.BytesIO()
    np.savez(weights, w=np.zeros((2, 2), np.float32))
    model = crew.admin.post(f"{place}/models", params={"file": "m.npz"}, content=weights.getvalue()).json()["id"]
    monitor = crew.admin.post(f"{place}/monitors", json={"name": "m", "dataset_id": trusted}).json()["id"]
    incident = crew.admin.post(f"{place}/incidents", json={"title": "t", "scan_id": scan, "finding": "F1"}).json()["id"]
    crew.work()
    crew.admin.put(f"{place}/aliases/production", json={"model_id": model, "reason": "release"})
    remedy = crew.admin.post(f"/api/v1/incidents/{incident}/remediations", json={"dry_run": True}).json()["id"]
    job = crew.admin.get("/api/v1/jobs").json()["items"][0]["id"]
    crew.work()
    named = {"project": project, "dataset": data, "scan": scan, "review": review, "model": model, "monitor": monitor}
    return {
        **named,
        "incident": incident,
        "job": job,
        "source": "crawl",
        "path": "checkpoint",
        "alias": "production",
        "remediation": remedy,
    }


@pytest.mark.full
def test_no_request_makes_a_fault(tmp_path: Path) -> None:
    with team(tmp_path, bounds=FREE) as crew:
        there = furnished(crew)
        known = crew.user("fuzzer", "admin").headers["authorization"]
        client = TestClient(crew.app, base_url=HERE, headers={"authorization": known}, raise_server_exceptions=False)
        schema = schemathesis.openapi.from_dict(crew.app.openapi())
        faults: list[str] = []
        asked = 0

        def one(operation: Any, mode: GenerationMode) -> None:
            name = f"{operation.method.upper()} {operation.path}"

            @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
            def run(case: Any, real: bool) -> None:
                nonlocal asked
                if real:
                    case.path_parameters = {**case.path_parameters, **{k: v for k, v in there.items() if k in case.path_parameters}}
                sent = case.as_transport_kwargs(base_url="http://127.0.0.1:8337")
                sent = {k: v for k, v in sent.items() if k in ("method", "url", "params", "json", "data", "content", "headers")}
                data = sent.pop("data", None)
                if isinstance(data, bytes | str):
                    sent["content"] = data
                headers = {k: v for k, v in dict(sent.pop("headers", None) or {}).items() if k.lower() in ("content-type", "accept")}
                try:
                    answer = client.request(**sent, headers={k: v for k, v in headers.items() if v.isascii()})
                except (ValueError, TypeError, UnicodeError) as error:
                    if "httpx" in type(error).__module__ or isinstance(error, UnicodeError):
                        return  # what the client itself does not send
                    raise
                asked += 1
                if answer.status_code >= 500:
                    faults.append(f"{name}: {answer.status_code} {answer.text[:200]} {sent}"[:1500])
                elif answer.status_code >= 400:
                    assert answer.headers["content-type"] == "application/problem+json", (name, answer.status_code)

            try:
                run()
            except Unsatisfiable:  # an operation that takes nothing cannot be asked wrongly
                assert mode is GenerationMode.NEGATIVE, name

        for result in schema.get_all_operations():
            operation = result.ok()
            if f"{operation.method.upper()} {operation.path}" in ASIDE:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                one(operation, mode)
        assert not faults, "\n".join(faults[:10])
        assert asked > 1000
