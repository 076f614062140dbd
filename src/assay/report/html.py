"""report.html"""

from __future__ import annotations

from assay.dataset.data import Dataset
from assay.finding import Conclusion, Finding


def html(data: Dataset, conclusion: Conclusion) -> str:
    """Not there yet."""
    raise NotImplementedError


def summary(conclusion: Conclusion, findings: tuple[Finding, ...]) -> str:
    """Not there yet."""
    raise NotImplementedError
