"""assay-hook FILE...: what pre-commit calls. Every file is scanned; the worst exit code is the hook's."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Scan every file named, reports in a folder that is thrown away; `assay scan FILE` keeps one."""
    from assay.cli import run

    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(a for a in sys.argv[1:] if not a.startswith("-")):
            out = Path(folder, str(number))
            worst = max(worst, run(["scan", name, "--no-canaries", "--format", "json", "--out", str(out)]))
    sys.exit(worst)
