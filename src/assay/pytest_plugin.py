"""pytest plugin: a test that fails where training data is poisoned.

    from assay.pytest_plugin import assert_clean

    def test_training_data():
        assert_clean("data/reviews.csv")

The same function is there as the fixture `assert_clean`. Importing this module costs nothing: the scan is loaded when called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from assay.report.report import Report

MOST = 5  # findings named in a failure


def assert_clean(dataset: Any, *, fail_on: Literal["confirmed", "suspected"] = "suspected", **scan: Any) -> Report:
    """Scan `dataset` and fail with AssertionError if a finding reaches `fail_on`, or a planned check did not complete.

    `scan`: what `assay.scan` takes (label, depth, seed, ...). Gives the report back. DataError where the data is wrong.
    """
    __tracebackhide__ = True
    from assay.api import scan as run
    from assay.report import words
    from assay.report.withheld import description

    report = run(dataset, **scan)
    code = report.exit_code(fail_on)
    if code == 0:
        return report
    samples = bool(report.conclusion.settings.get("samples", True))
    lines = [words.headline(report.conclusion)]
    for finding in [f for f in report.findings if f.status != "shortcut"][:MOST]:
        drawn = f", drawn to {finding.target!r}" if finding.target is not None else ""
        rows = words.count(len(finding.positions), "row")
        lines.append(f"  {finding.id} {finding.status}: {rows} share {description(finding, samples)}{drawn}")
    for check in words.incomplete(report.checks, str(report.conclusion.settings.get("depth", "fast"))):
        lines.append(f"  {check.name} {words.STATES[check.state]}: {check.reason}")
    raise AssertionError("\n".join(lines))


@pytest.fixture(name="assert_clean", scope="session")
def _assert_clean() -> Callable[..., Report]:
    """`assert_clean(dataset, fail_on="suspected", **scan)`: see `assay.pytest_plugin.assert_clean`."""
    return assert_clean
