"""A small object store for tests, as S3 answers: conditional PUT, HEAD, GET of a range, DELETE, ListObjectsV2 in pages; and faults on
demand."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MOMENT = "Sat, 21 Nov 2026 07:00:00 GMT"
PAGE = 7  # keys in one answer: few, so that every test turns pages


class Store(ThreadingHTTPServer):
    """`busy`: so many PUTs are answered 503; `lossy`: so many are done, and the answer is lost; `careless`: no condition holds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.mutex = threading.Lock()
        self.busy = self.lossy = 0
        self.careless = False

    def url(self, prefix: str) -> str:
        return f"s3://logs/{prefix}?endpoint=http://127.0.0.1:{self.server_address[1]}"


def etag(data: bytes) -> str:
    return f'"{md5(data, usedforsecurity=False).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", tag: str = "", span: str = "") -> None:
        self.send_response(status)
        if tag:
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", MOMENT)
        if span:
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _object(self) -> None:
        data = self.server.objects.get(self._key())
        if data is None:
            self._answer(200 if "/" not in self._key().rstrip("/") else 404)  # a bucket is there, whatever its name
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["range"] or "")
        if asked is None:
            self._answer(200, data, etag(data))
            return
        start, stop = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        self._answer(206, data[start : stop + 1], etag(data), f"bytes {start}-{stop}/{len(data)}")

    def do_HEAD(self) -> None:
        with self.server.mutex:
            self._object()

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/")

    def do_GET(self) -> None:
        with self.server.mutex:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            if "list-type" in query:
                start = f"{self._key()}/{query.get('prefix', '')}"
                keys = sorted(key for key in self.server.objects if key.startswith(start) and key > query.get("continuation-token", ""))
                shown = "".join(
                    f"<Contents><Key>{escape(key.partition('/')[2])}</Key><Size>{len(self.server.objects[key])}</Size></Contents>"
                    for key in keys[:PAGE]
                )
                more = len(keys) > PAGE
                token = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if more else ""
                said = f"<KeyCount>{min(len(keys), PAGE)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
                space = "http://s3.amazonaws.com/doc/2006-03-01/"
                self._answer(200, f'<ListBucketResult xmlns="{space}">{said}{shown}{token}</ListBucketResult>'.encode())
                return
            self._object()

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["x-amz-content-sha256"] == sha256(data).hexdigest()
        assert self.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=someone/")
        with self.server.mutex:
            if self.server.busy:
                self.server.busy -= 1
                self._answer(503)
                return
            there = self.server.objects.get(self._key())
            wrong = (self.headers["if-none-match"] == "*" and there is not None) or (
                self.headers["if-match"] is not None and (there is None or self.headers["if-match"] != etag(there))
            )
            if wrong and not self.server.careless:
                self._answer(412)
                return
            self.server.objects[self._key()] = data
            if self.server.lossy:
                self.server.lossy -= 1
                self.close_connection = True
                return
            self._answer(200, b"", etag(data))

    def do_DELETE(self) -> None:
        with self.server.mutex:
            self.server.objects.pop(self._key(), None)
            self._answer(204)


@contextmanager
def object_store() -> Iterator[Store]:
    store = Store()
    thread = threading.Thread(target=store.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
