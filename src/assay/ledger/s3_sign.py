"""Signing requests to an object store: AWS Signature Version 4, in the Authorization header (docs.aws.amazon.com, "Authenticating
Requests: Using the Authorization Header"). Pure: no clock, no network."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"  # what `quote` must leave as it is, beside letters and digits


@dataclass(frozen=True)
class Account:
    """Who asks, and in which region. `token`: of temporary credentials; "" for none."""

    access: str
    secret: str = field(repr=False)
    region: str = "us-east-1"
    token: str = field(default="", repr=False)


def encoded(path: str) -> str:
    """A path as it stands in a request and in its signature.

    >>> encoded("/logs/a b/tile")
    '/logs/a%20b/tile'
    """
    return quote(path, safe="/" + UNRESERVED)


def query_string(query: Mapping[str, str]) -> str:
    """Sorted, as the signature needs it."""
    return "&".join(f"{quote(name, safe=UNRESERVED)}={quote(value, safe=UNRESERVED)}" for name, value in sorted(query.items()))


def signed(
    method: str, host: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, account: Account, time: str
) -> dict[str, str]:
    """All headers of the request. `path` is not yet encoded; `time` like "20130524T000000Z"."""
    digest = sha256(body).hexdigest()
    every = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    every |= {"host": host, "x-amz-content-sha256": digest, "x-amz-date": time}
    if account.token:
        every["x-amz-security-token"] = account.token
    names = ";".join(sorted(every))
    lines = "".join(f"{name}:{every[name]}\n" for name in sorted(every))
    request = "\n".join([method, encoded(path), query_string(query), lines, names, digest])
    scope = f"{time[:8]}/{account.region}/s3/aws4_request"
    text = "\n".join([ALGORITHM, time, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{account.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), sha256).hexdigest()
    every["authorization"] = f"{ALGORITHM} Credential={account.access}/{scope},SignedHeaders={names},Signature={signature}"
    return every
