"""What hostile callers and hostile files do to the service: bombs, paths, links, SQL, scripts in content, webhooks that reach inside."""

from __future__ import annotations

import html
import io
import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from PIL import Image

from assay.dataset.errors import DataError
from assay.serve.errors import ServiceError
from assay.serve.files import unpack
from assay.serve.monitors import check_place
from assay.serve.settings import Bounds
from serve_story import Team, poisoned, team, traffic

SMALL = Bounds(upload=200_000, unpacked=2_000_000, ratio=50, members=50, body=20_000, requests=1e9, burst=10**9, disk=0)


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team(tmp_path_factory.mktemp("hostile"), bounds=SMALL) as made:
        yield made


def archive(members: dict[str, bytes], link: str | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as held:
        for name, content in members.items():
            held.writestr(name, content)
        if link is not None:
            member = zipfile.ZipInfo("a/link.png")
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            held.writestr(member, link)
    return out.getvalue()


@pytest.mark.parametrize(
    "name", ["../x.csv", "/etc/passwd", "..", "a/b.csv", "a\\b.csv", "x\x00.csv", "\u202egnp.csv", ".hidden", "x" * 151, "C:x.csv"]
)
def test_names_of_files(crew: Team, name: str) -> None:
    project = crew.admin.get("/api/v1/projects").json()["items"]
    id = project[0]["id"] if project else crew.project("names")
    sent = crew.admin.post(f"/api/v1/projects/{id}/datasets", params={"file": name}, content="a,b\n1,2\n")
    assert sent.status_code in (400, 422), sent.text
    outside = [p for p in crew.service.settings.data.rglob("*") if p.is_file() and p.name == "passwd"]
    assert not outside


@pytest.mark.parametrize(
    "members",
    [
        {"../evil.txt": b"x"},
        {"/etc/evil.txt": b"x"},
        {"a/../../evil.txt": b"x"},
        {"..\\evil.txt": b"x"},
        {"C:/evil.txt": b"x"},
        {"a/x.png": bytes(5_000_000)},
        {f"a/{i}.png": b"x" for i in range(51)},
    ],
    ids=["up", "absolute", "up again", "backslash", "drive", "bomb", "many"],
)
def test_archives(tmp_path: Path, members: dict[str, bytes]) -> None:
    packed = tmp_path / "x.zip"
    packed.write_bytes(archive(members))
    with pytest.raises(DataError):
        unpack(packed, tmp_path / "in" if (tmp_path / "in").mkdir() else tmp_path / "in" / "out", SMALL)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "x.zip"]


def test_an_archive_with_a_link(tmp_path: Path) -> None:
    packed = tmp_path / "x.zip"
    packed.write_bytes(archive({"a/y.png": b"x"}, link="/etc/passwd"))
    with pytest.raises(DataError, match="link"):
        unpack(packed, tmp_path / "out", SMALL)


def test_a_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    data = bytearray(archive({"a.bin": bytes(5_000_000)}))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the unpacked size in both headers
        place = data.find(mark) + at
        data[place : place + 4] = (10).to_bytes(4, "little")
    packed = tmp_path / "x.zip"
    packed.write_bytes(bytes(data))
    with pytest.raises(DataError):
        unpack(packed, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


def test_uploads_have_a_limit_whether_declared_or_not(crew: Team) -> None:
    project = crew.project("limits")
    place = f"/api/v1/projects/{project}/datasets"
    assert crew.admin.post(place, params={"file": "x.csv"}, content=b"x" * 200_001).status_code == 413
    chunks = (b"x" * 50_000 for _ in range(5))
    assert crew.admin.post(place, params={"file": "x.csv"}, content=chunks).status_code == 413
    assert crew.admin.post("/api/v1/projects", content=json.dumps({"name": "x", "about": "y" * 30_000})).status_code == 413
    assert crew.admin.post("/api/v1/projects", content=(b" " * 5_000 for _ in range(5))).status_code == 413
    assert not list(crew.service.settings.files.rglob("*.part"))
    assert crew.admin.get(place).json()["items"] == []


def test_a_picture_bomb_is_a_row_that_cannot_be_read(crew: Team) -> None:
    project = crew.project("pictures")
    good = {}
    for i in range(24):
        out = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), 10 * i, np.uint8)).save(out, "PNG")
        good[f"set/{'ab'[i % 2]}/{i:02}.png"] = out.getvalue()
    bomb = io.BytesIO()
    Image.new("1", (9_000, 7_000)).save(bomb, "PNG")  # 63 megapixels in a few kilobytes
    good["set/a/99.png"] = bomb.getvalue()
    data = crew.upload(project, archive(good), "set.zip")
    crew.work()
    held = crew.admin.get(f"/api/v1/datasets/{data}").json()
    assert (held["state"], held["rows"], held["modality"]) == ("ready", 25, "image"), held
    rows = crew.admin.get(f"/api/v1/datasets/{data}/rows").json()["items"]
    assert sum(row["unreadable"] is not None for row in rows) == 1
    picture = crew.admin.get(f"/api/v1/datasets/{data}/rows/0/picture")
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (8, 8)


def test_what_cannot_be_read_fails_and_says_why(crew: Team) -> None:
    project = crew.project("broken")
    data = crew.upload(project, archive({"../evil.csv": b"a,b\n1,2\n"}), "x.zip")
    other = crew.upload(project, b"\x00\x01\x02" * 50, "x.parquet")
    crew.work()
    for id in (data, other):
        held = crew.admin.get(f"/api/v1/datasets/{id}").json()
        assert held["state"] == "failed"
        assert held["error"]
        assert str(crew.service.settings.data) not in held["error"]
        assert held["job"]["state"] == "failed"
        assert crew.admin.post(f"/api/v1/projects/{project}/scans", json={"dataset_id": id}).status_code == 409
        assert crew.admin.get(f"/api/v1/datasets/{id}/rows").status_code == 409


@pytest.mark.parametrize("text", ["'; DROP TABLE users; --", '" OR 1=1 --', "%' OR '1'='1", "<script>alert(1)</script>", "a\u0000b"])
def test_sql_and_scripts_are_text(crew: Team, text: str) -> None:
    made = crew.admin.post("/api/v1/projects", json={"name": text})
    if "\x00" in text:
        assert made.status_code == 422
        return
    assert made.status_code == 201
    assert made.headers["content-type"] == "application/json"
    assert made.headers["x-content-type-options"] == "nosniff"
    assert crew.admin.get(f"/api/v1/projects/{made.json()['id']}").json()["name"] == text
    assert len(crew.admin.get("/api/v1/users").json()) >= 5
    for path in ("projects", "datasets", "scans", "jobs", "reviews", "models", "monitors", "incidents"):
        assert crew.admin.get(f"/api/v1/{path}/{text.replace('/', '%2F')}").status_code in (404, 422)
    assert crew.admin.get("/api/v1/projects", params={"after": text}).status_code == 422
    assert crew.as_token(None).post("/api/v1/session", json={"name": text, "password": text}).status_code in (401, 429)


def test_the_names_that_are_answered_to(crew: Team) -> None:
    assert crew.admin.get("/healthz", headers={"host": "evil.example"}).status_code == 421  # DNS rebinding
    assert crew.admin.get("/healthz", headers={"host": "localhost:8337"}).status_code == 200
    policy = crew.admin.get("/healthz").headers["content-security-policy"]
    assert "'unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "https://0.0.0.0/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://[fe80::1]/x",
        "https://[64:ff9b::a00:1]/x",
        "https://[2002:a00:1::]/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "https://user:pass@example.com/x",
        "https:///x",
        "https://8.8.8.8:99999/x",
    ],
)
def test_webhooks_reach_nothing_inside(crew: Team, url: str) -> None:
    project = crew.admin.get("/api/v1/projects").json()["items"]
    id = project[0]["id"] if project else crew.project("hooks")
    sent = crew.admin.post(f"/api/v1/projects/{id}/webhooks", json={"url": url})
    assert sent.status_code == 400, sent.text
    assert crew.admin.get(f"/api/v1/projects/{id}/webhooks").json() == []


def test_webhooks_that_were_allowed() -> None:
    assert check_place("http://10.1.2.3:8080/x", ("10.1.0.0/16",))
    with pytest.raises(ServiceError):
        check_place("http://10.2.2.3:8080/x", ("10.1.0.0/16",))
    assert not check_place("https://8.8.8.8/x", ())


def test_a_batch_without_events_leaves_the_monitor_as_it_was(crew: Team) -> None:
    project = crew.project("empty batches")
    period = "".join(f"{e['prediction']},{e['label']}\n" for e in traffic(1500, 0.05))
    asked = {"name": "m", "dataset_id": crew.upload(project, f"prediction,label\n{period}", "p.csv")}
    monitor = crew.admin.post(f"/api/v1/projects/{project}/monitors", json=asked).json()["id"]
    crew.work()
    for events in (
        [{}, {}],
        [{"label": 1}],
        [{"prediction": {"a": 1}}, {"prediction": 3}],
        [{"confidence": 7, "prediction": 1}],
        [{"prediction": 1, "x": 10**30}],
        [{"prediction": ["1"], "label": 1}] * 600,
        [{"prediction": "\ud800"}],
        [{"prediction": "1", "\ud800": 1}],
        [{"prediction": "1", "contributor": ["ann"]}],
        [{"prediction": "1", "scores": {"1": 0.5}}],
    ):
        answer = _sent(crew, monitor, {"events": events})
        assert answer.status_code == 422, answer.text
    assert _sent(crew, monitor, {"events": [{"prediction": "1"}], "name": "\ud800"}).status_code == 422
    crew.service.watches.close()  # opened again from what is on disk
    assert crew.admin.get(f"/api/v1/monitors/{monitor}/status").json()["predictions"] == 0


def _sent(crew: Team, monitor: str, batch: dict[str, Any]) -> Any:
    """As a client may write it: the client at hand sends no lone surrogates."""
    body = json.dumps(batch, ensure_ascii=True)
    return crew.admin.post(f"/api/v1/monitors/{monitor}/events", content=body, headers={"Content-Type": "application/json"})


def test_what_data_says_is_seen_and_obeyed_by_nothing(crew: Team) -> None:
    """Markup, characters that a terminal obeys, and those that hide or turn a line: in cells, labels, columns and names, on every page."""
    evil = "<img src=x onerror=alert(1)>\u202eerased\u200b\x1b[31m"
    project = crew.project(f"films {evil[:-5]}")
    lines = "".join(f'"{evil} row {i}",{"good" if i % 2 else "bad" + chr(0x200B)}\n' for i in range(40))
    data = crew.upload(project, f"te\u202ext,label\n{lines}", label="label", name="set \u200b\u202e")
    crew.work()
    held = crew.admin.get(f"/api/v1/datasets/{data}").json()
    assert held["state"] == "ready", held
    scan = crew.scan(project, data)
    for path in (
        "/", f"/projects/{project}", f"/datasets/{data}", f"/datasets/{data}/rows/3", f"/scans/{scan}", f"/scans/{scan}/rows",
        f"/scans/{scan}/map", f"/projects/{project}/models", f"/projects/{project}/incidents", f"/projects/{project}/monitors",
        "/jobs/\u202e<b>",
    ):  # fmt: skip
        page = crew.admin.get(path)
        assert page.status_code in (200, 404), path
        assert "<img src=x" not in page.text
        assert not set(page.text) & set("\u202e\u200b\x1b"), path
    assert "\\u202e" in crew.admin.get(f"/datasets/{data}/rows/3").text


def test_a_label_with_a_hidden_character_comes_back_as_it_is(crew: Team) -> None:
    """A reviewer sees it escaped, and what the form sends back is the label of the data, to the character."""
    project = crew.project("hidden")
    label = "ba\u200bd"
    data = crew.upload(project, poisoned().replace(",bad\n", f",{label}\n"), label="label")
    scan = crew.scan(project, data)
    asked = {"name": "r", "scan_id": scan, "reviewers": ["one-reviewer"], "each": 1, "rows": 2, "classes": [label, "good"]}
    review = crew.admin.post(f"/api/v1/projects/{project}/reviews", json=asked).json()["id"]
    crew.work()
    page = crew.roles["reviewer"].get(f"/reviews/{review}/next").text
    assert "Which label" in page
    assert "ba\\u200bd" in page
    value = html.unescape(page.split('name="label" value="')[1].split('"')[0])
    row = page.split('name="row" value="')[1].split('"')[0]
    sent = crew.roles["reviewer"].post(f"/reviews/{review}/decide", data={"row": row, "label": value}, follow_redirects=False)
    assert (value, sent.status_code) == (label, 303), sent.text
