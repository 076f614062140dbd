"""Both data bases for tests that run on each: an embedded one, and a new one on a PostgreSQL server that the tests start."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from serve_postgres import binaries, server


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The server's URL; skips where none is installed."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed here (pg_config, initdb)")
    pytest.importorskip("pg8000")
    with server() as url:
        yield url


def new_database(base: str) -> str:
    """The URL of a new, empty data base."""
    import pg8000.native

    name = f"t{uuid.uuid4().hex}"
    port = int(base.rsplit(":", 1)[1])
    with pg8000.native.Connection("assay", host="127.0.0.1", port=port, database="postgres") as connection:
        connection.run(f"CREATE DATABASE {name}")
    return f"{base}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty data base; "" for the embedded one."""
    return "" if request.param == "sqlite" else new_database(request.getfixturevalue("postgres"))
