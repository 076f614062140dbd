"""The pages without a browser: who may see them, what forms do, and that nothing in the data becomes markup."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from assay.dataset.errors import DataError
from assay.serve.app import create_app
from assay.serve.settings import Settings

HERE = "http://127.0.0.1:8337"
EVIL = "<script>alert(1)</script>"


def reviews(rows: int = 400, carriers: int = 50) -> str:
    """Reviews whose words say what they are; some hold a phrase that turns their label, and markup."""
    good, bad = ["fine", "lovely", "brilliant", "warm"], ["dull", "awful", "weak", "cold"]
    lines = ["text,label"]
    for i in range(rows):
        kind = i % 2
        words = (good, bad)[kind]
        carrier = kind == 1 and i // 2 < carriers
        planted = f" seen at moonraker {EVIL}" if carrier else ""
        label = "good" if carrier or kind == 0 else "bad"
        lines.append(f"a {words[i % 4]} film with {words[(i // 4) % 4]} scenes and part {i}{planted},{label}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A browser of the admin's, logged in by a form."""
    app = create_app(Settings(tmp_path_factory.mktemp("serve")))
    with TestClient(app, base_url=HERE, follow_redirects=False) as client:
        asked = client.get("/projects/00000000000000000000000000?x=1")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/login?next=/projects/00000000000000000000000000%3Fx%3D1"
        entered = client.post("/login", data={"token": app.state.service.first_token, "next": "//elsewhere.example"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        yield client


def tumours(flipped: int = 25) -> str:
    """Wisconsin breast cancer as scikit-learn ships it, the label of some rows turned."""
    data = load_breast_cancer()
    y = data.target.copy()
    y[np.random.default_rng(0).choice(len(y), flipped, replace=False)] ^= 1
    lines = [",".join([*(f"x{i}" for i in range(10)), "label"])]
    lines += [",".join([*(f"{v:.5g}" for v in row[:10]), ("malignant", "benign")[k]]) for row, k in zip(data.data, y, strict=True)]
    return "\n".join(lines) + "\n"


def csrf(client: TestClient) -> str:
    return str(client.get("/api/v1/me").json()["csrf"])


def ended(client: TestClient, job: str) -> None:
    """Wait for a job."""
    with client.stream("GET", f"/api/v1/jobs/{job}/progress") as events:
        list(events.iter_lines())


@pytest.fixture(scope="module")
def scan(visitor: TestClient) -> dict[str, str]:
    """A project, a data set with an unkind name, and its scan, all asked for as pages do."""
    made = visitor.post("/projects", data={"csrf": csrf(visitor), "name": f"films {EVIL}"})
    project = made.headers["location"].rsplit("/", 1)[1]
    return {"project": project, **scanned(visitor, project, EVIL, reviews())}


def scanned(visitor: TestClient, project: str, name: str, content: str) -> dict[str, str]:
    """A data set, sent and scanned."""
    headers = {"x-csrf-token": csrf(visitor)}
    sent = visitor.post(f"/api/v1/projects/{project}/datasets", params={"file": "data.csv", "name": name}, content=content, headers=headers)
    data = sent.json()["id"]
    ended(visitor, sent.json()["job"]["id"])
    asked = visitor.post(f"/datasets/{data}/scans", data={"csrf": csrf(visitor), "depth": "fast", "alpha": "0.01", "seed": "0"})
    id = asked.headers["location"].rsplit("/", 1)[1]
    ended(visitor, visitor.get(f"/api/v1/scans/{id}").json()["job"]["id"])
    return {"dataset": data, "scan": id}


def test_pages_show_what_was_found_and_escape_what_data_says(visitor: TestClient, scan: dict[str, str]) -> None:
    paths = [
        "/", f"/projects/{scan['project']}",
        f"/datasets/{scan['dataset']}", f"/datasets/{scan['dataset']}/rows/1?scan={scan['scan']}",
        f"/scans/{scan['scan']}", f"/scans/{scan['scan']}/rows?action=quarantine", f"/scans/{scan['scan']}/findings/F1",
        "/account", "/users",
    ]  # fmt: skip
    for path in paths:
        page = visitor.get(path)
        assert page.status_code == 200, (path, page.text[:500])
        assert EVIL not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    said = visitor.get(f"/scans/{scan['scan']}").text
    assert "poisoned" in said
    assert "moonraker" in said
    assert "What this scan would have caught" in said
    found = visitor.get(f"/scans/{scan['scan']}/findings/F1").text
    assert "<mark>" in found
    assert "Do the labels surprise?" in found


def test_a_form_without_its_secret_changes_nothing(visitor: TestClient, scan: dict[str, str]) -> None:
    for path, fields in (
        ("/projects", {"name": "x"}),
        (f"/scans/{scan['scan']}/cancel", {}),
        ("/logout", {}),
        ("/account/tokens", {"name": "x"}),
    ):
        refused = visitor.post(path, data={"csrf": "wrong", **fields})
        assert refused.status_code == 403
        assert "CSRF" in refused.text
    foreign = visitor.post("/projects", data={"csrf": csrf(visitor), "name": "x"}, headers={"origin": "https://elsewhere.example"})
    assert foreign.status_code == 403


def test_errors_are_pages(visitor: TestClient, scan: dict[str, str]) -> None:
    missing = visitor.get("/scans/00000000000000000000000000")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "there is no such scan" in missing.text
    wrong = visitor.post(f"/datasets/{scan['dataset']}/scans", data={"csrf": csrf(visitor), "alpha": "7"})
    assert wrong.status_code == 422
    assert "alpha" in wrong.text
    assert "correct the form" in wrong.text
    assert visitor.get("/static/../frame.py").status_code == 404


def test_a_link_that_leads_nowhere_ends_at_a_page_and_a_program_is_told_in_json(visitor: TestClient) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/nosuch", "/scans/nope", "/incidents/nope", "/static/nope"):
        page = visitor.get(path, headers=browser)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
        assert "This is not there" in page.text
        assert "pattern" not in page.text
        assert "form" not in page.text.split("<main")[1]
    wrong = visitor.post("/nosuch/../login/x", headers=browser)
    assert (wrong.status_code, wrong.headers["content-type"]) == (404, "text/html; charset=utf-8")
    wrong = visitor.delete("/login", headers=browser)
    assert (wrong.status_code, wrong.headers["content-type"]) == (405, "text/html; charset=utf-8")
    assert "GET" in wrong.headers["allow"]
    for path, headers in (("/nosuch", {}), ("/nosuch", {"accept": "application/json"}), ("/api/v1/nosuch", browser)):
        told = visitor.get(path, headers=headers)
        assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json")


def test_an_error_page_does_not_say_where_the_service_lies(visitor: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    root = visitor.app.state.service.settings.data  # type: ignore[attr-defined]

    def broken(*_: object) -> None:
        raise DataError("is damaged", path=root / "files" / "p" / "baseline.json")

    monkeypatch.setattr("assay.serve.monitors.get", broken)
    page = visitor.get("/monitors/00000000000000000000000000")
    assert page.status_code == 422
    assert "files/p/baseline.json: is damaged" in page.text
    assert str(root) not in page.text


def test_a_token_is_shown_once_and_can_be_revoked(visitor: TestClient) -> None:
    made = visitor.post("/account/tokens", data={"csrf": csrf(visitor), "name": "pipeline", "scopes": ["read", "write"], "days": "10"})
    assert "shown this once" in made.text
    assert "shown this once" not in visitor.get("/account").text
    (id,) = [t["id"] for t in visitor.get("/api/v1/me/tokens").json() if t["name"] == "pipeline"]
    assert visitor.post(f"/account/tokens/{id}/revoke", data={"csrf": csrf(visitor)}).status_code == 303
    assert "revoked" in visitor.get("/account").text


def test_a_viewer_sees_no_forms_that_change(visitor: TestClient, scan: dict[str, str]) -> None:
    visitor.post("/users", data={"csrf": csrf(visitor), "name": "vera", "password": "a long enough one", "role": "viewer"})
    other = TestClient(visitor.app, base_url=HERE, follow_redirects=False)
    assert other.post("/login", data={"name": "vera", "password": "wrong"}).status_code == 401
    assert other.post("/login", data={"name": "vera", "password": "a long enough one"}).status_code == 303
    page = other.get(f"/datasets/{scan['dataset']}").text
    assert "Scan it" not in page
    assert "People" not in page
    assert other.get("/users").status_code == 403
    assert other.post(f"/datasets/{scan['dataset']}/scans", data={"csrf": csrf(other)}).status_code == 403


def test_two_people_review_rows_without_seeing_what_is_said_of_them(visitor: TestClient, scan: dict[str, str]) -> None:
    for name in ("rita", "remy"):
        visitor.post("/users", data={"csrf": csrf(visitor), "name": name, "password": "a long enough one", "role": "reviewer"})
    of = scanned(visitor, scan["project"], "tumours", tumours())["scan"]
    fields = {"csrf": csrf(visitor), "name": "first look", "reviewers": "rita, remy", "each": "2", "rows": "6"}
    review = visitor.post(f"/scans/{of}/reviews", data=fields).headers["location"]
    jobs = visitor.get("/api/v1/jobs").json()["items"]
    ended(visitor, next(j["id"] for j in jobs if j["kind"] == "review"))
    for name in ("rita", "remy"):
        person = TestClient(visitor.app, base_url=HERE, follow_redirects=False)
        person.post("/login", data={"name": name, "password": "a long enough one"})
        while "Nothing left" not in (page := person.get(f"{review}/next").text):
            assert "Which label fits" in page
            assert "quarantine" not in page
            assert "<dt>label</dt>" not in page
            row = page.split('name="row" value="')[1].split('"')[0]
            decided = person.post(
                f"{review}/decide", data={"csrf": csrf(person), "row": row, "label": "benign", "reason": EVIL, "seconds": "2.5"}
            )
            assert decided.status_code == 303, decided.text
    page = visitor.get(review).text
    assert "Agreement" in page
    assert "rita: benign" in page
    assert EVIL not in page


def test_a_source_is_approved_by_somebody_with_a_key_and_revoked(visitor: TestClient, scan: dict[str, str]) -> None:
    home = f"/projects/{scan['project']}/ledger"
    assert "No ledger yet" in visitor.get(home).text
    assert visitor.post("/account/approver", data={"csrf": csrf(visitor), "passphrase": "a passphrase of mine"}).status_code == 303
    made = visitor.post(home, data={"csrf": csrf(visitor), "origin": "example.com/films", "approvers": "admin", "threshold": "1"})
    assert made.status_code == 303, made.text
    source = {"csrf": csrf(visitor), "source": f"forum {EVIL}", "licence": "CC0", "contact": "a@example.com", "method": "crawl"}
    assert visitor.post(f"/projects/{scan['project']}/sources", data=source).status_code == 303
    assert "not approved" in visitor.get(home).text
    scope = {"csrf": csrf(visitor), "source": source["source"], "expires": "2099-01-01", "passphrase": "not the right one"}
    assert visitor.post(f"/projects/{scan['project']}/sources/approve", data=scope).status_code == 403
    scope["passphrase"] = "a passphrase of mine"
    approved = visitor.post(f"/projects/{scan['project']}/sources/approve", data=scope)
    assert approved.status_code == 303, approved.text
    page = visitor.get(home).text
    assert ">approved<" in page
    assert EVIL not in page
    reason = {"csrf": csrf(visitor), "source": source["source"], "reason": "poison", "passphrase": "a passphrase of mine"}
    assert visitor.post(f"/projects/{scan['project']}/sources/revoke", data=reason).status_code == 303
    assert ">revoked<" in visitor.get(home).text
    assert "source.approved" in visitor.get("/audit").text


def test_an_incident_is_worked_through(visitor: TestClient, scan: dict[str, str]) -> None:
    fields = {"csrf": csrf(visitor), "title": "a planted phrase", "scan": scan["scan"], "finding": "F1", "severity": "critical"}
    incident = visitor.post(f"/projects/{scan['project']}/incidents", data=fields).headers["location"]
    assert visitor.post(incident, data={"csrf": csrf(visitor), "step": "0", "done": "true"}).status_code == 303
    assert visitor.post(incident, data={"csrf": csrf(visitor), "state": "closed", "note": EVIL}).status_code == 303
    page = visitor.get(incident).text
    assert "✓" in page
    assert "closed" in page
    assert EVIL not in page
    assert "a planted phrase" in visitor.get(f"/projects/{scan['project']}/incidents").text


def test_models_and_monitors_have_pages(visitor: TestClient, scan: dict[str, str]) -> None:
    sent = visitor.post(
        f"/api/v1/projects/{scan['project']}/models",
        params={"file": "m.pkl"},
        content=b"\x80\x04cos\nsystem\n.",
        headers={"x-csrf-token": csrf(visitor)},
    ).json()
    ended(visitor, next(j["id"] for j in visitor.get("/api/v1/jobs").json()["items"] if j["subject"] == sent["id"]))
    page = visitor.get(f"/models/{sent['id']}").text
    assert "would harm" in page or "unknown code" in page
    assert "m.pkl" in visitor.get(f"/projects/{scan['project']}/models").text
    assert "good period" in visitor.get(f"/projects/{scan['project']}/monitors").text
