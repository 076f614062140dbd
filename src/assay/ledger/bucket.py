"""A log in an object store that speaks S3: every promise of `Storage` by conditional requests.

    put_new   PUT with If-None-Match: *          swap   PUT with If-Match: the ETag that was read
    lock      a lease in the object .lease, taken by the same conditional PUT

An object store has no lock that ends with the process that held it. A lease whose holder has not renewed it for LEASE seconds, by the
clock of the one who waits, is taken over; the holder, if it wakes up again, is refused at its next write. So two machines may
disagree about who writes, and nothing is lost by it: whoever is late is refused by the condition of his request (and `Log.append`
acknowledges nothing that it finds overtaken).

What it assumes: a store that is consistent after a write and honours both conditions on PUT (S3 since 2024; MinIO, R2 and others). One
that does not is refused when a log is made in it.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import ssl
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.dataset.errors import DataError
from assay.dataset.remote import Place
from assay.ledger.errors import Refused
from assay.ledger.s3_sign import Account, encoded, query_string, signed
from assay.ledger.storage import differs, lost

LEASE = 120.0  # seconds without a sign of life after which another may write: above the longest fold between two writes
POLL = 0.5  # seconds between two looks at a lease that somebody else holds
AT_ONCE = 8  # requests under way together: an answer takes some tens of milliseconds, whatever its size
TRIES = 4  # of a request that the network lost or the store was too busy for
TIMEOUT = 60.0  # seconds for an answer
HELD = ".lease"

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    etag: str
    body: bytes


class Bucket:
    """A log below "s3://bucket/prefix?endpoint=https://host&region=us-east-1".

    Who asks comes from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. Raises DataError where they are missing or
    the store does not answer. `clock` counts seconds, `sleep` waits.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        place = Place.of(url)
        self._bucket, self._prefix = place.bucket, f"{place.prefix}/" if place.prefix else ""
        self._endpoint = place.endpoint
        self._account = _account(place.region)
        self._clock, self._sleep = clock, sleep
        self._mutex = threading.RLock()
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._me = secrets.token_hex(16)
        self._depth, self._renewed, self._lease = 0, 0.0, ""

    def get(self, path: str) -> bytes | None:
        answer = self._ask("GET", path)
        return None if answer.status == 404 else self._good(answer, path).body

    def put_new(self, items: Mapping[str, bytes]) -> None:
        self._renew()
        list(self._pool.map(self._put, items, items.values()))
        self._renew()

    def _put(self, path: str, data: bytes) -> None:
        answer = self._ask("PUT", path, data, {"if-none-match": "*"})
        if answer.status != 412:
            self._good(answer, path)
        elif self.get(path) != data:
            raise differs(path)

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        self._renew()
        if self._swap(path, old, new) is None:
            raise lost(path)

    def _swap(self, path: str, old: bytes | None, new: bytes) -> str | None:
        """The new ETag; None where something else than `old` is there."""
        there = self._ask("GET", path)
        if there.status == 404 and old is None:
            condition = {"if-none-match": "*"}
        elif there.status == 200 and there.body == old:
            condition = {"if-match": there.etag}
        else:
            return None
        return self._placed(path, new, condition)

    def _placed(self, path: str, data: bytes, condition: Headers) -> str | None:
        """The ETag of `data`, put there on a condition; None where the condition does not hold."""
        answer = self._ask("PUT", path, data, condition)
        if answer.status not in (404, 412):
            return self._good(answer, path).etag
        now = self._ask("GET", path)  # an answer that the network lost, and the request was sent again
        return now.etag if now.status == 200 and now.body == data else None

    def remove(self, paths: Iterable[str]) -> None:
        for path, answer in [(path, self._pool.submit(self._ask, "DELETE", path)) for path in paths]:
            if answer.result().status != 404:
                self._good(answer.result(), path)

    def list(self, prefix: str) -> list[str]:
        found: list[str] = []
        more: dict[str, str] = {}
        while True:
            query = {"list-type": "2", "prefix": self._prefix + prefix} | more
            answer = self._good(self._request("GET", f"/{self._bucket}", query), prefix)
            tree = ElementTree.fromstring(answer.body)
            space = tree.tag.partition("}")[0] + "}" if tree.tag.startswith("{") else ""
            keys = [element.text or "" for element in tree.iter(f"{space}Key")]
            found += [key.removeprefix(self._prefix) for key in keys]
            token = tree.findtext(f"{space}NextContinuationToken")
            if not token:
                return sorted(path for path in found if path != HELD)
            more = {"continuation-token": token}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """A lease, renewed with every write. See above for what it does not promise."""
        with self._mutex:
            if not self._depth:
                self._take()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    self._ask("PUT", HELD, b"", {"if-match": self._lease})  # free; if it was taken over, this is refused, and right so

    def _take(self) -> None:
        """Waits until the lease is free, or was not renewed for LEASE seconds."""
        seen, since = "", self._clock()
        while True:
            there = self._ask("GET", HELD)
            if there.status == 404:
                condition = {"if-none-match": "*"}
            else:
                condition = {"if-match": self._good(there, HELD).etag}
                if there.etag != seen:
                    seen, since = there.etag, self._clock()
            if there.status == 404 or not there.body or self._clock() - since > LEASE:
                lease = self._placed(HELD, self._mark(), condition)
                if lease is not None:
                    self._lease, self._renewed = lease, self._clock()
                    return
            self._sleep(POLL)

    def _mark(self) -> bytes:
        return json.dumps({"holder": self._me, "mark": secrets.token_hex(8)}).encode()

    def _renew(self) -> None:
        """Raises Refused where somebody else has taken the lease over."""
        if self._depth and self._clock() - self._renewed > LEASE / 4:
            lease = self._placed(HELD, self._mark(), {"if-match": self._lease})
            if lease is None:
                raise Refused("another writer took over, since nothing was heard of this one", remedy="run the command again")
            self._lease, self._renewed = lease, self._clock()

    def _ask(self, method: str, path: str, body: bytes = b"", headers: Headers | None = None) -> Answer:
        return self._request(method, f"/{self._bucket}/{self._prefix}{path}", {}, body, headers)

    def _request(self, method: str, path: str, query: Headers, body: bytes = b"", headers: Headers | None = None) -> Answer:
        """Sent again where the network lost it, where the store is busy (503, 429) or two requests met (409)."""
        host = self._endpoint.netloc
        target = encoded(path) + (f"?{query_string(query)}" if query else "")
        for attempt in range(TRIES):
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            every = signed(method, host, path, query, headers or {}, body, self._account, moment)
            every.pop("host")
            connection = self._connection()
            try:
                connection.request(method, target, body or None, every | ({"content-length": "0"} if method == "PUT" and not body else {}))
                answer = connection.getresponse()
                found = Answer(answer.status, answer.headers.get("ETag", ""), answer.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if attempt == TRIES - 1:
                    raise DataError(f"the object store at {host} does not answer ({error})", remedy="check the endpoint") from error
            else:
                if found.status not in (409, 429, 500, 503) or attempt == TRIES - 1:
                    return found
            self._sleep(POLL * 2**attempt)
        raise AssertionError

    def _connection(self) -> http.client.HTTPConnection:
        """One for each thread, kept open."""
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is None:
            host, port = str(self._endpoint.hostname), self._endpoint.port
            if self._endpoint.scheme == "https":
                kept = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
            else:
                kept = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
            self._local.connection = kept
        return kept

    def _good(self, answer: Answer, path: str) -> Answer:
        if answer.status not in (200, 204):
            said = answer.body[:200].decode(errors="replace")
            raise DataError(f"the object store answers {answer.status} for {path!r}: {said}", remedy="check bucket, region and credentials")
        return answer

    def check(self) -> None:
        """Raises DataError unless the store honours both conditions: a store that passes them over would let histories fork."""
        with self.lock():
            for condition in ({"if-none-match": "*"}, {"if-match": '"0123456789abcdef0123456789abcdef"'}):
                answer = self._ask("PUT", HELD, self._mark(), condition)
                if answer.status != 412:
                    raise DataError(
                        f"this object store does not refuse a conditional PUT ({next(iter(condition))}: {answer.status})",
                        remedy="use one that does, such as S3 or MinIO",
                    )


def _account(region: str) -> Account:
    def given(name: str) -> Any:
        return os.environ.get(name, "")

    access, secret = given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        raise DataError("who may write to the bucket is not said", remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return Account(access, secret, region, given("AWS_SESSION_TOKEN"))
