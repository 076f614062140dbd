"""HTTP routes, a file a noun. A route names its door, calls one function, and holds no SQL."""

from __future__ import annotations

from assay.serve.api import (
    account,
    aliases,
    datasets,
    health,
    ledgers,
    models,
    monitors,
    projects,
    remediations,
    reviews,
    scans,
    signatures,
)

ROUTERS = tuple(
    noun.router
    for noun in (health, account, projects, datasets, scans, reviews, ledgers, models, aliases, monitors, remediations, signatures)
)
