"""The whole story in a real Chromium: log in, send real messages with a planted word, scan, look at the finding and its rows, by keys too;
no page has a serious fault of accessibility (axe-core), and none breaks the content security policy.

Screenshots are kept where $ASSAY_SCREENSHOTS says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from assay.attack import plant
from assay.bench.sets import SETS

pytest.importorskip("fastapi")
sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PORT = 8397
HERE = f"http://127.0.0.1:{PORT}"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """`assay serve` in a process of its own; gives the first admin's token."""
    command = "from assay.cli import main; main()"
    said = (tmp_path / "said.txt").open("w+")
    process = subprocess.Popen([sys.executable, "-c", command, "serve", "--data", str(tmp_path / "data"), "--port", str(PORT)], stderr=said)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{HERE}/healthz")
                break
            except OSError:
                time.sleep(0.5)
        found = re.search(r"assay_\S+", (tmp_path / "said.txt").read_text())
        assert found is not None
        yield found.group()
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def messages(real_data: Path, tmp_path: Path) -> Path:
    """2,000 real messages, a word planted in 60 of them."""
    data = next(s for s in SETS if s.name == "sms").read().subset(range(2_000))
    planted = plant(data, "phrase", carriers=60, target="ham", seed=1, params={"text": "cf"}).data
    column = planted.table.column_names[0]
    path = tmp_path / "messages.csv"
    pa_csv.write_csv(pa.table({"text": planted.table.column(column), "label": [planted.classes[i] for i in planted.y]}), path)
    return path


class Visit:
    """A page in the browser, and what is wrong with each that was looked at."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)

    def look(self, name: str) -> None:
        """Take its picture and have it examined."""
        folder = os.environ.get("ASSAY_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
        found = axe.Axe().run(self.page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
        assert not serious, (name, serious)
        assert not self.errors, (name, self.errors)


def test_upload_scan_finding_and_rows(service: str, messages: Path) -> None:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        visit = Visit(browser.new_page())
        page = visit.page
        page.set_default_timeout(120_000)
        page.goto(HERE)
        visit.look("login")
        page.fill("#token", service)
        page.click("text=Log in with the token")
        page.fill("#pname", "Spam filter")
        page.click("text=Create")
        page.set_input_files("#file", str(messages))
        page.click("button:has-text('Send')")
        page.wait_for_selector("h2:has-text('Scan it')")
        visit.look("dataset")
        page.click("button:has-text('Scan')")
        page.wait_for_selector("text=What this scan would have caught", timeout=300_000)
        visit.look("scan")
        assert page.inner_text(".verdict h1").lower() == "poisoned"
        page.click("article.finding a")
        assert "cf" in page.inner_text("h1")
        assert {m.strip() for m in page.locator("mark").all_inner_texts()} == {"cf"}
        visit.look("finding")
        page.keyboard.press("n")
        page.wait_for_url("**offset=24")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/rows/*")
        visit.look("row")
        assert "quarantine" in page.inner_text("main")
        page.go_back()
        page.click("text=scan")
        page.click("text=Look at them")
        visit.look("rows")
        page.goto(f"{HERE}/users")
        visit.look("users")
        page.emulate_media(color_scheme="dark")
        page.goto(HERE)
        visit.look("overview-dark")
        page.click("text=Log out")
        page.goto(HERE)
        assert "/login" in page.url
        browser.close()
