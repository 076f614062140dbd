"""Which modules' examples are collected: those that import PyTorch at their head only where it is installed, as their tests are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent

collect_ignore = (
    []
    if find_spec("torch")
    else [
        str(p.relative_to(HERE))
        for p in (HERE / "src").rglob("*.py")
        if any(head in p.read_text(encoding="utf-8") for head in ("\nimport torch", "\nfrom torch"))
    ]
)
