"""A server that changes its answers: by client, by time, for a moment; all of it is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from assay.dataset.errors import DataError
from assay.ledger import remote
from assay.ledger.remote import changes, look, pin


class Server(ThreadingHTTPServer):
    """`pages`: what each path answers; a function of the client's name where it depends on that."""

    pages: dict[str, object]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        page = self.server.pages.get(self.path)
        if callable(page):
            page = page(self.headers["User-Agent"])
        if isinstance(page, str) and page.startswith("http"):
            self.send_response(302)
            self.send_header("Location", page)
            self.end_headers()
            return
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(str(page).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.pages = {f"/{name}": f"picture {name}" for name in "abcdef"}
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_every_change_is_found_and_named(server: Server, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{server.server_port}"
    urls = [f"{base}/{name}" for name in "abcdef"]
    file = tmp_path / "pins.jsonl"
    remote.write(file, pin(urls, "2026-11-21T00:00:00Z"))

    def check(time: str) -> dict[str, str]:
        pins = remote.read(file)
        now = look(pins, time)
        remote.write(file, now)
        return {change.url[-1]: change.kind for change in changes(pins, now)}

    assert check("2026-11-22T00:00:00Z") == {}
    server.pages["/a"] = "another picture"  # split view by time: the domain was bought
    server.pages["/b"] = lambda agent: "poison" if "CCBot" in agent else "picture b"  # split view by client
    server.pages["/c"] = "for an hour"  # front-running
    server.pages.pop("/d")
    server.pages["/e"] = f"http://localhost:{server.server_port}/moved"
    server.pages["/moved"] = "picture e"
    assert check("2026-11-23T00:00:00Z") == {"a": "altered", "b": "split view", "c": "altered", "d": "missing", "e": "moved"}
    server.pages["/c"] = "picture c"
    assert check("2026-11-24T00:00:00Z")["c"] == "changed and back"
    assert "f" not in check("2026-11-25T00:00:00Z")


def test_what_cannot_be_pinned(server: Server, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(DataError, match=r"1 URLs give no answer: .*/zzz"):
        pin([f"{base}/a", f"{base}/zzz"], "2026-11-21T00:00:00Z")
    with pytest.raises(DataError, match=r"no http or https URL"):
        pin(["file:///etc/passwd"], "2026-11-21T00:00:00Z")
    (tmp_path / "pins").write_text('{"url": 1}\n')
    with pytest.raises(DataError, match=r"row 0: not an observation"):
        remote.read(tmp_path / "pins")
