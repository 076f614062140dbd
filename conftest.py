"""Which modules' examples are collected: those of modules that import PyTorch only where it is installed, as their tests are."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
IMPORTS = re.compile(r"^\s*(import|from) torch\b", re.MULTILINE)

collect_ignore = (
    []
    if find_spec("torch")
    else [str(p.relative_to(HERE)) for p in (HERE / "src").rglob("*.py") if IMPORTS.search(p.read_text(encoding="utf-8"))]
)
