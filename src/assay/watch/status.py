"""Where a watch stands, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from assay.watch.alerts import Alert


@dataclass(frozen=True)
class Status:
    """Where a watch stands."""

    promise: str  # the budget in words
    predictions: int
    labels: int
    pending: int  # predictions that wait for a label
    given_up: int  # predictions whose label did not come in time
    orphans: int  # labels of no known prediction
    errors: tuple[float, float] | None  # bounds of the recent rate of errors, from the confidence alone; see `estimate`
    strongest: tuple[tuple[str, float, float, float, float], ...]  # name, share of the threshold, recent mean, usual mean, bound
    alerts: tuple[Alert, ...]  # not closed
