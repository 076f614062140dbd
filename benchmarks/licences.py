"""Whether the text of an installed package may be read for a benchmark; nothing of it is kept."""

from __future__ import annotations

from typing import Any

PERMISSIVE = ("MIT", "BSD", "Apache", "PSF", "Python Software Foundation")


def permissive(metadata: Any) -> bool:
    said = [metadata.get("License-Expression") or "", metadata.get("License") or "", *metadata.get_all("Classifier", [])]
    said = [line[:60] for line in said if line]
    return any(name in line for line in said for name in PERMISSIVE) and not any("GPL" in line for line in said)
