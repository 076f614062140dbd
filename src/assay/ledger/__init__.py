"""Provenance that cannot be rewritten: a transparency log of every row's origin, approvals of sources, snapshots, trace
and purge.

Formats are the published ones, so that others' tools can read and check a ledger: RFC 6962 hashing, C2SP signed-note,
tlog-checkpoint, tlog-tiles and tlog-proof (c2sp.org).
"""
