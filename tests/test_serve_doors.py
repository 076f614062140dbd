"""Who may do what: every route of the application against every role, scope and kind of caller. A new route without a line here fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from assay.serve.access import ROLES, SCOPES
from assay.serve.app import api_routes, check_doors
from assay.serve.records import new_id
from serve_story import HERE, Team, team

# Least role and scope of every route; None: anybody. Written by hand, apart from the application: that the two agree is the test.
MATRIX: dict[str, tuple[str, str] | None] = {
    "GET /healthz": None,
    "GET /readyz": None,
    "POST /api/v1/session": None,
    "GET /metrics": ("viewer", "read"),
    "GET /api/v1/openapi.json": ("viewer", "read"),
    "DELETE /api/v1/session": ("viewer", "read"),
    "GET /api/v1/me": ("viewer", "read"),
    "PUT /api/v1/me/password": ("viewer", "admin"),
    "GET /api/v1/me/tokens": ("viewer", "read"),
    "POST /api/v1/me/tokens": ("viewer", "admin"),
    "GET /api/v1/me/approver": ("viewer", "read"),
    "PUT /api/v1/me/approver": ("approver", "approve"),
    "DELETE /api/v1/tokens/{id}": ("viewer", "read"),
    "GET /api/v1/users": ("admin", "admin"),
    "POST /api/v1/users": ("admin", "admin"),
    "PATCH /api/v1/users/{id}": ("admin", "admin"),
    "GET /api/v1/projects": ("viewer", "read"),
    "POST /api/v1/projects": ("reviewer", "write"),
    "GET /api/v1/projects/{project}": ("viewer", "read"),
    "PATCH /api/v1/projects/{project}": ("admin", "admin"),
    "POST /api/v1/projects/{project}/datasets": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/datasets": ("viewer", "read"),
    "GET /api/v1/datasets/{dataset}": ("viewer", "read"),
    "GET /api/v1/datasets/{dataset}/rows": ("viewer", "read"),
    "GET /api/v1/datasets/{dataset}/rows/{row}": ("viewer", "read"),
    "GET /api/v1/datasets/{dataset}/rows/{row}/picture": ("viewer", "read"),
    "POST /api/v1/projects/{project}/scans": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/scans": ("viewer", "read"),
    "GET /api/v1/scans/{scan}": ("viewer", "read"),
    "POST /api/v1/scans/{scan}/cancel": ("reviewer", "write"),
    "GET /api/v1/scans/{scan}/findings": ("viewer", "read"),
    "GET /api/v1/scans/{scan}/findings/{finding}": ("viewer", "read"),
    "GET /api/v1/scans/{scan}/rows": ("viewer", "read"),
    "GET /api/v1/scans/{scan}/report/{part}": ("viewer", "read"),
    "GET /api/v1/scans/{scan}/trace": ("viewer", "read"),
    "GET /api/v1/jobs": ("viewer", "read"),
    "GET /api/v1/jobs/{job}": ("viewer", "read"),
    "POST /api/v1/jobs/{job}/cancel": ("reviewer", "write"),
    "GET /api/v1/jobs/{job}/progress": ("viewer", "read"),
    "POST /api/v1/projects/{project}/reviews": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/reviews": ("viewer", "read"),
    "GET /api/v1/reviews/{review}": ("viewer", "read"),
    "GET /api/v1/reviews/{review}/queue": ("reviewer", "review"),
    "POST /api/v1/reviews/{review}/decisions": ("reviewer", "review"),
    "GET /api/v1/reviews/{review}/decisions/mine": ("reviewer", "review"),
    "GET /api/v1/reviews/{review}/status": ("viewer", "read"),
    "POST /api/v1/reviews/{review}/escalate": ("reviewer", "write"),
    "POST /api/v1/projects/{project}/ledger": ("admin", "admin"),
    "GET /api/v1/projects/{project}/ledger": ("viewer", "read"),
    "GET /api/v1/projects/{project}/ledger/events": ("viewer", "read"),
    "GET /api/v1/projects/{project}/ledger/events/{number}/proof": ("viewer", "read"),
    "POST /api/v1/projects/{project}/ledger/ingest": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/log/{path:path}": ("viewer", "read"),
    "GET /api/v1/projects/{project}/sources": ("viewer", "read"),
    "POST /api/v1/projects/{project}/sources": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/sources/{source}": ("viewer", "read"),
    "POST /api/v1/projects/{project}/sources/{source}/approvals": ("approver", "approve"),
    "POST /api/v1/projects/{project}/sources/{source}/revocation": ("approver", "approve"),
    "GET /api/v1/audit": ("admin", "admin"),
    "GET /api/v1/audit/log/{path:path}": ("admin", "admin"),
    "POST /api/v1/projects/{project}/models": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/models": ("viewer", "read"),
    "GET /api/v1/models/{model}": ("viewer", "read"),
    "GET /api/v1/models/{model}/file": ("viewer", "read"),
    "POST /api/v1/projects/{project}/monitors": ("reviewer", "write"),
    "GET /api/v1/projects/{project}/monitors": ("viewer", "read"),
    "GET /api/v1/monitors/{monitor}": ("viewer", "read"),
    "GET /api/v1/monitors/{monitor}/status": ("viewer", "read"),
    "GET /api/v1/monitors/{monitor}/metrics": ("viewer", "read"),
    "POST /api/v1/monitors/{monitor}/events": ("reviewer", "events"),
    "GET /api/v1/monitors/{monitor}/alerts": ("viewer", "read"),
    "POST /api/v1/monitors/{monitor}/alerts/{alert}": ("reviewer", "review"),
    "POST /api/v1/monitors/{monitor}/silences": ("reviewer", "review"),
    "GET /api/v1/projects/{project}/webhooks": ("admin", "admin"),
    "POST /api/v1/projects/{project}/webhooks": ("admin", "admin"),
    "DELETE /api/v1/webhooks/{webhook}": ("admin", "admin"),
    "POST /api/v1/projects/{project}/incidents": ("reviewer", "review"),
    "GET /api/v1/projects/{project}/incidents": ("viewer", "read"),
    "GET /api/v1/incidents/{incident}": ("viewer", "read"),
    "POST /api/v1/incidents/{incident}": ("reviewer", "review"),
    "GET /api/v1/datasets/{dataset}/file": ("viewer", "read"),
    "GET /api/v1/projects/{project}/aliases": ("viewer", "read"),
    "PUT /api/v1/projects/{project}/aliases/{alias}": ("approver", "approve"),
    "POST /api/v1/projects/{project}/aliases/{alias}/rollback": ("approver", "approve"),
    "POST /api/v1/models/{model}/judgements": ("approver", "approve"),
    "POST /api/v1/models/{model}/training": ("reviewer", "write"),
    "POST /api/v1/incidents/{incident}/remediations": ("approver", "approve"),
    "GET /api/v1/incidents/{incident}/remediations": ("viewer", "read"),
    "GET /api/v1/remediations/{remediation}": ("viewer", "read"),
    "POST /api/v1/remediations/{remediation}/resume": ("approver", "approve"),
    "POST /api/v1/remediations/{remediation}/undo": ("approver", "approve"),
    "GET /api/v1/remediations/{remediation}/files/{part}": ("viewer", "read"),
}
ASIDE = ("DELETE /api/v1/session", "PUT /api/v1/me/password", "POST /api/v1/me/tokens")  # changes the caller: tried elsewhere


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("doors")) as made:
        made.service.rates.requests.rate = made.service.rates.requests.burst = 10**9
        made.service.rates.failures.rate = made.service.rates.failures.burst = 10**9
        yield made


def names(app: FastAPI) -> dict[str, APIRoute]:
    """Routes of the API, as the matrix names them."""
    ours = ("/api/", "/metrics", "/healthz", "/readyz")
    return {f"{method} {r.path}": r for r in api_routes(app) for method in r.methods if r.path.startswith(ours)}


def test_the_matrix_names_every_route(crew: Team) -> None:
    assert set(names(crew.app)) == set(MATRIX)


def ask(client: TestClient, name: str) -> int:
    """The status of a request with nothing in it: who may not come in hears so before anything else is looked at."""
    method, path = name.split(" ")
    part = "record" if "remediations" in path else "json"
    path = path.replace("{row}", "0").replace("{number}", "0").replace("{alert}", "1").replace("{part}", part)
    filled = re.sub(r"\{[^}]*\}", new_id(), path)
    with client.stream(method, filled) as answer:
        return answer.status_code


@pytest.mark.parametrize("role", ROLES)
def test_every_route_and_role(crew: Team, role: str) -> None:
    for name, least in MATRIX.items():
        if name in ASIDE:
            continue
        status = ask(crew.roles[role], name)
        allowed = least is None or ROLES.index(role) >= ROLES.index(least[0])  # type: ignore[arg-type]
        assert (status not in (401, 403)) == allowed or name.endswith("/queue"), (name, role, status)
        assert status < 500, (name, role, status)


@pytest.mark.parametrize("scope", SCOPES)
def test_every_route_and_scope(crew: Team, scope: str) -> None:
    made = crew.roles["admin"].post("/api/v1/me/tokens", json={"name": scope, "scopes": [scope]}).json()
    client = crew.as_token(made["secret"])
    for name, least in MATRIX.items():
        if name not in ASIDE and least is not None and least[1] != scope:
            assert ask(client, name) == 403, (name, scope)


def test_nobody_comes_in_without_a_name(crew: Team) -> None:
    for name, least in MATRIX.items():
        if least is not None:
            assert ask(crew.as_token(None), name) == 401, name
            assert ask(crew.as_token("assay_" + "x" * 43), name) == 401, name


def test_a_route_without_a_door_does_not_start() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter()

    @router.get("/open")
    def forgotten() -> str:
        return "everything"

    app.include_router(router)
    with pytest.raises(RuntimeError, match="no route with a door"):
        check_doors(app)
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(router.routes)
    with pytest.raises(RuntimeError, match="/open has 0 doors"):
        check_doors(app)


def test_a_token_of_one_project_sees_no_other(crew: Team) -> None:
    own, other = crew.project("own"), crew.project("other")
    data = crew.upload(other, "text,label\na,x\nb,y\n")
    body = {"name": "bound", "scopes": list(SCOPES), "project_id": own}
    bound = crew.as_token(crew.roles["admin"].post("/api/v1/me/tokens", json=body).json()["secret"])
    assert [p["id"] for p in bound.get("/api/v1/projects").json()["items"]] == [own]
    for path in (f"/api/v1/projects/{other}", f"/api/v1/datasets/{data}", f"/api/v1/projects/{other}/scans"):
        assert bound.get(path).status_code == 404
    assert bound.post("/api/v1/projects", json={"name": "third"}).status_code == 403
    assert bound.post("/api/v1/me/tokens", json={"name": "wider", "scopes": ["read"]}).status_code == 403
    assert all(job["project_id"] == own for job in bound.get("/api/v1/jobs").json()["items"])


def test_a_token_makes_none_that_is_more_than_itself(crew: Team) -> None:
    little = crew.as_token(
        crew.admin.post("/api/v1/me/tokens", json={"name": "l", "scopes": ["read", "admin"], "days": 1}).json()["secret"]
    )
    assert little.post("/api/v1/me/tokens", json={"name": "m", "scopes": ["write"]}).status_code == 403
    made = little.post("/api/v1/me/tokens", json={"name": "m", "scopes": ["read"], "days": 300}).json()
    mine = {t["id"]: t for t in little.get("/api/v1/me/tokens").json()}
    assert mine[made["id"]]["expires"] <= max(t["expires"] for t in mine.values() if t["name"] == "l")
    assert little.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert crew.as_token(made["secret"]).get("/api/v1/me").status_code == 401


def test_sessions(crew: Team) -> None:
    browser = TestClient(crew.app, base_url=HERE)
    assert browser.post("/api/v1/session", json={"name": "one-reviewer", "password": "wrong"}).status_code == 401
    logged = browser.post("/api/v1/session", json={"name": "one-reviewer", "password": "password of one-reviewer"})
    cookie = logged.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    csrf = {"x-csrf-token": logged.json()["csrf"]}
    assert browser.get("/api/v1/me").json()["name"] == "one-reviewer"
    assert browser.post("/api/v1/projects", json={"name": "p1"}).status_code == 403  # without the token of the session
    assert browser.post("/api/v1/projects", json={"name": "p1"}, headers={"x-csrf-token": "x"}).status_code == 403
    elsewhere = {**csrf, "origin": "https://evil.example"}
    assert browser.post("/api/v1/projects", json={"name": "p1"}, headers=elsewhere).status_code == 403
    assert browser.post("/api/v1/projects", json={"name": "p1"}, headers={**csrf, "sec-fetch-site": "cross-site"}).status_code == 403
    assert browser.post("/api/v1/projects", json={"name": "p1"}, headers={**csrf, "origin": HERE}).status_code == 201
    assert browser.delete("/api/v1/session", headers=csrf).status_code == 204
    assert browser.get("/api/v1/me").status_code == 401


def test_who_is_disabled_is_out_at_once(crew: Team) -> None:
    gone = crew.user("gone", "reviewer")
    id = gone.get("/api/v1/me").json()["id"]
    assert crew.admin.patch(f"/api/v1/users/{id}", json={"disabled": True}).status_code == 200
    assert gone.get("/api/v1/me").status_code == 401


def test_the_last_admin_stays(crew: Team, tmp_path: Path) -> None:
    with team(tmp_path) as alone:
        users = {u["name"]: u["id"] for u in alone.admin.get("/api/v1/users").json()}
        assert alone.admin.patch(f"/api/v1/users/{users['one-admin']}", json={"role": "viewer"}).status_code == 200
        assert alone.admin.patch(f"/api/v1/users/{users['admin']}", json={"role": "viewer"}).status_code == 409
        assert alone.admin.patch(f"/api/v1/users/{users['admin']}", json={"disabled": True}).status_code == 409


def test_logins_are_counted(tmp_path: Path) -> None:
    with team(tmp_path) as held:
        browser = TestClient(held.app, base_url=HERE)
        said = [browser.post("/api/v1/session", json={"name": "admin", "password": "x"}) for _ in range(12)]
        assert said[-1].status_code == 429
        assert int(said[-1].headers["retry-after"]) >= 1
