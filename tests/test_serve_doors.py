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
from serve_matrix import MATRIX, PAGES
from serve_story import HERE, Team, team

# these change who is asking, or ask who it is: tried elsewhere
ASIDE = ("DELETE /api/v1/session", "PUT /api/v1/me/password", "POST /api/v1/me/tokens", "POST /login", "POST /logout")
ALL = MATRIX | PAGES


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("doors")) as made:
        made.service.rates.requests.rate = made.service.rates.requests.burst = 10**9
        made.service.rates.failures.rate = made.service.rates.failures.burst = 10**9
        yield made


def names(app: FastAPI) -> dict[str, APIRoute]:
    """Routes, as the matrix names them."""
    return {f"{method} {r.path}": r for r in api_routes(app) for method in r.methods}


def test_the_matrix_names_every_route(crew: Team) -> None:
    assert not set(MATRIX) & set(PAGES)
    assert set(names(crew.app)) == set(MATRIX) | set(PAGES)


def ask(client: TestClient, name: str) -> int:
    """The status of a request with nothing in it: who may not come in hears so before anything else is looked at."""
    method, path = name.split(" ")
    part = "record" if "remediations" in path else "json"
    path = path.replace("{row}", "0").replace("{number}", "0").replace("{alert}", "1").replace("{part}", part)
    path = path.replace("/aliases/{alias}", "/aliases/production")
    filled = re.sub(r"\{[^}]*\}", new_id(), path)
    with client.stream(method, filled, follow_redirects=False) as answer:
        led = answer.headers.get("location", "").startswith("/login")
        return 401 if answer.status_code == 303 and led else answer.status_code  # a page leads to the form instead


@pytest.mark.parametrize("role", ROLES)
def test_every_route_and_role(crew: Team, role: str) -> None:
    for name, least in ALL.items():
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
    for name, least in ALL.items():
        if name not in ASIDE and least is not None and least[1] != scope:
            assert ask(client, name) == 403, (name, scope)


def test_nobody_comes_in_without_a_name(crew: Team) -> None:
    for name, least in ALL.items():
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
