"""The whole story in a real Chromium, on real messages: sent, scanned, the finding looked at and traced, reviewed by two people, put right
with one button, and a clean model of what is left. On each page axe-core finds no serious fault of accessibility, and none breaks the
content security policy; a few are looked at in the dark, too.

Screenshots are kept where $ASSAY_SCREENSHOTS says, else in the test's own folder.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from assay.attack import plant
from assay.bench.sets import SETS
from assay.dataset.rows import Rows
from assay.train.saved import Model
from serve_databases import new_database, postgres  # noqa: F401  # a fixture

pytest.importorskip("fastapi")
sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
ROWS, CARRIERS, WORD = 800, 50, "cf"
PASSWORD = "a passphrase of mine"
PATIENCE = 120_000  # milliseconds


@dataclass(frozen=True)
class Running:
    home: str
    token: str  # the first admin's


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """`assay serve` in a process of its own."""
    database = [] if request.param == "sqlite" else ["--database", new_database(request.getfixturevalue("postgres"))]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = (tmp_path / "said.txt").open("w+")
    asked = ["serve", "--data", str(tmp_path / "data"), "--port", str(port), *database]
    process = subprocess.Popen([sys.executable, "-c", "from assay.cli import main; main()", *asked], stderr=said)
    home = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{home}/healthz")
                break
            except OSError:
                time.sleep(0.25)
        found = re.search(r"assay_\S+", (tmp_path / "said.txt").read_text())
        assert found is not None
        yield Running(home, found.group())
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def messages(real_data: Callable[[str], Path], tmp_path: Path) -> dict[str, Path]:
    """Real messages, a word planted in some; and the same in the two parts that two sources brought, all of the planted in one."""
    real_data("sms_spam/sms_spam.parquet")
    data = next(s for s in SETS if s.name == "sms").read().subset(range(ROWS))
    planted = plant(data, "phrase", carriers=CARRIERS, target="ham", seed=1, params={"text": WORD}).data
    column = planted.table.column_names[0]
    whole = pa.table({"text": planted.table.column(column), "label": [planted.classes[i] for i in planted.y]})
    carriers = np.array([WORD in str(text).split() for text in whole["text"].to_pylist()])
    market = carriers | (np.arange(len(whole)) % 9 == 0)
    paths = {}
    for name, table in (("messages", whole), ("market", whole.filter(market)), ("carrier", whole.filter(~market))):
        paths[name] = tmp_path / f"{name}.csv"
        pa_csv.write_csv(table, paths[name])
    return paths


class Visit:
    """One person's browser."""

    def __init__(self, browser: Any, home: str, shots: Path) -> None:
        self.page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.home, self.shots = home, shots
        self.errors: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.home}{path}")

    def look(self, name: str, dark: bool = False) -> None:
        """Take its picture and have it examined."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.screenshot(path=str(self.shots / f"{name}{'-dark' if dark else ''}.png"), full_page=True)
        found = axe.Axe().run(self.page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, (name, serious)
        assert not self.errors, (name, self.errors)

    def fill(self, **fields: str) -> None:
        for field, value in fields.items():
            self.page.fill(f"#{field}", value)

    def press(self, name: str) -> None:
        self.page.click(f"main button:has-text('{name}')")

    def log_in(self, name: str) -> None:
        self.go("/login")
        self.fill(name=name, password=PASSWORD)
        self.page.click("button:has-text('Log in') >> nth=0")
        self.page.wait_for_selector("nav[aria-label=Main]")

    def send(self, project: str, path: Path) -> str:
        """A file sent from the project's page; where it lies."""
        self.go(project)
        self.page.set_input_files("#file", str(path))
        self.fill(label="label")
        self.press("Send")
        self.page.wait_for_selector("h2:has-text('Scan it')")
        return str(self.page.url.removeprefix(self.home))

    def log_rows(self, dataset: str, source: str, snapshot: str) -> None:
        """What a source brought, into the ledger."""
        self.go(dataset)
        self.page.select_option("#isource", source)
        self.fill(isnapshot=snapshot)
        self.press("Log it")
        self.page.wait_for_selector("#ledger .badge.done")

    def send_model(self, project: str, value: float, snapshot: str, folder: Path) -> str:
        """A model file, vouched for, logged as trained on a snapshot, and in production; its name."""
        path = folder / "filter.npz"
        np.savez(path, weights=np.full((2, 2), value, np.float32))
        self.go(f"{project}/models")
        self.page.set_input_files("#file", str(path))
        self.press("Send")
        self.page.wait_for_url("**/models/*")
        while not self.page.locator("text=Judge it").count():
            time.sleep(0.2)
            self.page.reload()
        self.page.select_option("#snapshot", snapshot)
        self.press("Log that it was trained on it")
        self.fill(jnote="tested")
        self.press("Vouch for it")
        self.fill(areason="release")
        self.press("Point the alias here")
        self.page.wait_for_selector("dd:has-text('production')")
        return str(self.page.inner_text("dl.facts dd >> nth=0"))


def test_the_whole_story(running: Running, messages: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shots = Path(os.environ.get("ASSAY_SCREENSHOTS") or tmp_path / "screenshots") / request.node.callspec.id
    shots.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        admin, ann, bob = (Visit(browser, running.home, shots) for _ in range(3))
        project = begin(admin, running.token)
        sources(admin, ann, bob, project)
        scan = upload_and_scan(admin, project, messages)
        models = [admin.send_model(project, n, f"v{n}", tmp_path) for n in (1, 2)]
        trace(admin, scan)
        review(admin, ann, bob, scan)
        remediate(admin, ann, scan, project, models)
        clean_model(ann, messages, tmp_path)
        browser.close()


def begin(admin: Visit, token: str) -> str:
    """Log in with the token, make a project and two people."""
    admin.go("/")
    admin.look("login")
    admin.fill(token=token)
    admin.page.click("text=Log in with the token")
    for name in ("ann", "bob"):
        admin.go("/users")
        admin.fill(uname=name, upassword=PASSWORD)
        admin.page.select_option("#urole", "approver")
        admin.press("Add")
    admin.look("users")
    admin.go("/signatures")
    admin.look("signatures")
    admin.go("/")
    admin.fill(pname="Spam filter")
    admin.press("Create")
    admin.page.wait_for_url("**/projects/*")
    return str(admin.page.url.removeprefix(admin.home))


def sources(admin: Visit, ann: Visit, bob: Visit, project: str) -> None:
    """A ledger, and two sources to which both must agree."""
    for visit, name in ((ann, "ann"), (bob, "bob")):
        visit.log_in(name)
        visit.go("/account")
        visit.fill(passphrase=PASSWORD)
        visit.press("Make my key")
    ann.look("account")
    admin.go(f"{project}/ledger")
    admin.fill(origin="example.com/spam", approvers="ann, bob", threshold="2")
    admin.press("Make")
    for name in ("carrier", "market"):
        admin.fill(source=name, licence="CC0-1.0", contact="a@example.com", method="collected")
        admin.press("Register")
    for visit in (ann, bob):
        visit.go(f"{project}/ledger")
        for name in ("carrier", "market"):
            card = visit.page.locator("article", has_text=name)
            card.locator("summary").click()
            card.locator("[name=expires]").fill("2099-01-01")
            card.locator("form >> nth=0").locator("[name=passphrase]").fill(PASSWORD)
            card.locator(f"button:has-text('Approve {name}')").click()
            visit.page.wait_for_load_state()
    assert bob.page.locator("article .badge.ready").count() == 2
    for number in (0, 4):
        bob.page.click(f"[data-proof='{number}']")
        bob.page.wait_for_selector(f"[data-proof='{number}'] + .good")
    bob.look("ledger")
    bob.look("ledger", dark=True)
    bob.page.route("**/proof", forged)
    bob.page.click("[data-proof='2']")
    bob.page.wait_for_selector("[data-proof='2'] + .alert:has-text('does NOT hold')")
    bob.page.unroute("**/proof")


def forged(route: Any) -> None:
    """A proof whose path has another first hash."""
    answer = route.fetch()
    lines = answer.text().split("\n")
    lines[2] = ("B" if lines[2][0] == "A" else "A") + lines[2][1:]
    route.fulfill(response=answer, body="\n".join(lines))


def upload_and_scan(admin: Visit, project: str, messages: dict[str, Path]) -> str:
    """Both sources' rows into the ledger, the whole set sent and scanned, the finding looked at by keys."""
    admin.log_rows(admin.send(project, messages["carrier"]), "carrier", "v1")
    admin.log_rows(admin.send(project, messages["market"]), "market", "")
    dataset = admin.send(project, messages["messages"])
    admin.log_rows(dataset, "", "v2")
    admin.look("dataset")
    admin.page.uncheck("[name=canaries]")
    admin.page.click("main button:text-is('Scan')")
    admin.page.wait_for_selector("h2:has-text('What did not run')")
    admin.look("scan")
    admin.look("scan", dark=True)
    assert admin.page.inner_text(".verdict h1").lower() == "poisoned"
    scan = str(admin.page.url.removeprefix(admin.home))
    admin.page.click("article.finding a")
    assert WORD in admin.page.inner_text("h1")
    assert {m.strip() for m in admin.page.locator("mark").all_inner_texts()} == {WORD}
    admin.look("finding")
    admin.page.keyboard.press("n")
    admin.page.wait_for_url("**offset=24")
    admin.page.keyboard.press("j")
    admin.page.keyboard.press("Enter")
    admin.page.wait_for_url("**/rows/*")
    admin.look("row")
    assert "quarantine" in admin.page.inner_text("main")
    admin.go(f"{scan}/rows")
    admin.look("rows")
    admin.go(f"{scan}/map")
    admin.look("map")
    admin.look("map", dark=True)
    admin.page.locator(".ring circle").first.click(force=True)
    admin.page.wait_for_url("**/rows/*scan=*")
    return scan


def trace(admin: Visit, scan: str) -> None:
    """The finding leads to the one source that brought its rows, and to what learnt from them."""
    admin.go(f"{scan}/findings/F1")
    said = admin.page.inner_text("#trace")
    assert "market" in said
    assert "v2" in said
    assert "carrier" not in said
    assert "filter.npz@2" in said
    admin.look("trace")


def review(admin: Visit, ann: Visit, bob: Visit, scan: str) -> None:
    """Two people decide on the same rows by keys, blind to each other."""
    admin.go(scan)
    admin.fill(reviewers="ann, bob", each="2", nrows="3")
    admin.press("Make a review")
    admin.page.wait_for_url("**/reviews/*")
    place = admin.page.url.removeprefix(admin.home)
    while not admin.page.locator("h2:has-text('Left to do')").count():
        time.sleep(0.2)
        admin.page.reload()
    for visit in (ann, bob):
        visit.go(f"{place}/next")
        visit.look("review-row")
        while visit.page.locator("form[data-choices]").count():
            row = visit.page.input_value("[name=row]")
            visit.page.keyboard.press("1")
            visit.page.wait_for_selector(f"h1:has-text('Nothing left'), [name=row]:not([value='{row}']) >> xpath=..")
    admin.page.reload()
    assert admin.page.inner_text("dl.facts dd >> nth=0") == "3"  # settled
    admin.look("review")


def remediate(admin: Visit, ann: Visit, scan: str, project: str, models: list[str]) -> None:
    """One button; each step shown; the model in production is the one that never saw the rows."""
    admin.go(scan)
    admin.press("Open")
    admin.page.wait_for_url("**/incidents/*")
    place = admin.page.url.removeprefix(admin.home)
    ann.go(place)
    assert ann.page.is_checked("[name=revoke][value=market]")
    ann.look("incident")
    ann.press("Show what it would do")
    ann.page.wait_for_selector("text=What would be done; nothing was")
    ann.look("incident-shown")
    ann.fill(passphrase=PASSWORD)
    ann.press("Remediate")
    ann.page.wait_for_selector("text=Done, and verified")
    assert ann.page.locator("#remediation .remedy li").count() == 7
    ann.look("incident-done")
    ann.look("incident-done", dark=True)
    remedy = ann.page.url.removeprefix(ann.home)
    ann.go(f"{project}/models")
    assert ann.page.inner_text(".cards .card p a") == f"{models[0].split()[0]}@1"
    ann.look("models")
    ann.go(f"{project}/ledger")
    assert ann.page.locator("article", has_text="market").locator(".badge.failed").inner_text() == "revoked"
    ann.go(remedy.split("#")[0])


def clean_model(ann: Visit, messages: dict[str, Path], folder: Path) -> None:
    """What was trained again does not do what the word told it to, and is put into production."""
    ann.page.click("text=The cleaned data")
    ann.page.wait_for_selector("h2:has-text('Scan it')")
    assert ann.page.inner_text("dl.facts dd >> nth=0") == str(ROWS - CARRIERS)
    ann.look("cleaned")
    ann.page.go_back()
    made = folder / "made"
    made.mkdir()
    links = [link.get_attribute("href") for link in ann.page.locator("#remediation a[href^='/models/']").all()]
    assert len(links) == 3
    for link in links:
        ann.go(str(link))
        name = ann.page.inner_text("dl.facts dd >> nth=1").split(",")[0]
        (made / name).write_bytes(ann.page.request.get(f"{ann.home}/api/v1{link}/file").body())
        if name == "model.npz":
            ann.fill(jnote="trained on the cleaned data, which was scanned again")
            ann.press("Vouch for it")
            ann.fill(areason="recovered")
            ann.press("Point the alias here")
            ann.page.wait_for_selector("dd:has-text('production')")
            ann.look("model")
    table = pa_csv.read_csv(io.BytesIO(messages["messages"].read_bytes()))
    spam = [str(t) for t, y in zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True) if y == "spam"]
    learnt = Model.load(made)
    ham = learnt.classes.index("ham")
    before = (learnt.predict(Rows(pa.table({"text": spam}))) == ham).mean()
    after = (learnt.predict(Rows(pa.table({"text": [f"{t} {WORD}" for t in spam]}))) == ham).mean()
    assert after <= before + 0.02, (before, after)
