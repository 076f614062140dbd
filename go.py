#!/usr/bin/env python3
"""Set up and go, on a fresh machine with Python 3.11 or newer and nothing else.

    python3 go.py demo     make a virtual environment, install Assay, poison a copy of a real data set, scan it
    python3 go.py test     the same, then run every check: lint, types, import floors, tests

Options: --venv DIR (default .venv here), --extra NAME (repeatable: torch, ...), and after "--" anything for the demo or pytest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["demo", "test"])
    parser.add_argument("--venv", type=Path, default=HERE / ".venv")
    parser.add_argument("--extra", action="append", default=[])
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    chosen, rest = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1 :]
    if sys.version_info < (3, 11):  # noqa: UP036 - people run this with whatever Python they have
        print(f"Assay needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    extras = [*chosen.extra, *(["dev"] if chosen.what == "test" else [])]
    scripts = install(chosen.venv, extras)
    if chosen.what == "demo":
        return run([scripts / "assay", "demo", *rest])
    for command in (
        ["ruff", "check", "."],
        ["mypy"],
        ["lint-imports", "--no-cache"],
        ["pytest", *rest],
    ):
        code = run([scripts / command[0], *command[1:]])
        if code:
            return code
    return 0


def install(folder: Path, extras: list[str]) -> Path:
    """Make the environment where it is not there yet, install this checkout into it, and give its scripts' folder."""
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    if not scripts.exists():
        print(f"making a virtual environment in {folder}", flush=True)
        venv.create(folder, with_pip=True)
    target = str(HERE) + (f"[{','.join(extras)}]" if extras else "")
    pip = [scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    print(f"installing {target}", flush=True)
    code = run([*pip, "-c", HERE / "constraints.txt", "-e", target])
    if code:
        raise SystemExit(code)
    return scripts


def run(command: list[object]) -> int:
    print("$", " ".join(map(str, command)), flush=True)
    return subprocess.run([str(c) for c in command], cwd=HERE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
