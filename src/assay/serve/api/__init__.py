"""HTTP routes, a file a noun. A route names its door, calls one function, and holds no SQL."""

from __future__ import annotations

from assay.serve.api import account, datasets, health, projects, scans

ROUTERS = (health.router, account.router, projects.router, datasets.router, scans.router)
