"""Fixtures: the real data sets, where this machine has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """`real_data("sms_spam/sms_spam.parquet")`: its path; skipped where the data is not at hand, an error where it must be.

    The folder is $ASSAY_DATA, or ../shared/data beside the checkout. ASSAY_REQUIRE_DATA=1 turns a skip into a failure.
    """
    folder = Path(os.environ.get("ASSAY_DATA") or ROOT.parent / "shared" / "data")

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            message = f"the real data set {name} is not at hand (set ASSAY_DATA to the folder that holds it; see docs/data.md)"
            if os.environ.get("ASSAY_REQUIRE_DATA") == "1":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find
