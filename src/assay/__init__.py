"""Assay finds poison in training data, proves it, and hands over the trigger.

>>> import assay
>>> report = assay.scan("reviews.csv")            # doctest: +SKIP
>>> report.verdict, report.findings[0].artefact   # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from assay.version import __version__

__all__ = ["Report", "__version__", "blame", "scan"]

if TYPE_CHECKING:
    from assay.api import Report, blame, scan


def __getattr__(name: str) -> Any:
    """Load the machinery on first use, so that ``import assay`` costs nothing."""
    if name in ("scan", "blame", "Report"):
        from assay import api

        return getattr(api, name)
    raise AttributeError(f"module 'assay' has no attribute {name!r}")
