"""A real PostgreSQL server for tests, started for them and gone with them; None where none is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """Where initdb and pg_ctl lie."""
    tool = shutil.which("pg_config")
    if tool is None:
        return None
    folder = Path(subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=True).stdout.strip())
    return folder if (folder / "initdb").exists() else None


def _as_other(command: list[str]) -> list[str]:
    """initdb refuses root: somebody else runs it then."""
    return ["runuser", "-u", "nobody", "--", *command] if os.geteuid() == 0 else command


@contextmanager
def server() -> Iterator[str]:
    """The URL of an empty data base, but for the data base's name."""
    tools = binaries()
    assert tools is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = Path(tempfile.mkdtemp(prefix="assay-pg-", dir="/tmp"))
    home.chmod(0o777)
    data = home / "data"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off -c max_connections=60"
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        run = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", "env": environment}
        made = [str(tools / "initdb"), "-D", str(data), "-U", "assay", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(_as_other(made), **run)  # type: ignore[call-overload]
        start = [str(tools / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(home / "log"), "-w", "start"]
        subprocess.run(_as_other(start), **run)  # type: ignore[call-overload]
        try:
            yield f"postgresql://assay@127.0.0.1:{port}"
        finally:
            subprocess.run(_as_other([str(tools / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]), **run)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(home, ignore_errors=True)
