"""The service's pages: rendered here, from the functions that the API calls too. No page needs a script to be read; scripts of ours (and no
others) add uploads with progress, live progress of scans and keys."""

from __future__ import annotations

from assay.serve.pages import account, datasets, entry, findings, incidents, ledgers, models, projects, reviews, scans, signatures, watching

ROUTERS = (
    entry.router,
    account.router,
    projects.router,
    datasets.router,
    scans.router,
    findings.router,
    reviews.router,
    ledgers.router,
    models.router,
    watching.router,
    incidents.router,
    signatures.router,
)
