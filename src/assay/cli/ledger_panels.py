"""Under which headings assay ledger --help lists its commands."""

from __future__ import annotations

LOG = "The log"
SOURCES = "Sources"
VERSIONS = "Data sets and models"
TRACE = "From a finding to its source"
OTHERS = "Giving and receiving"
