"""What a ledger refuses, and what it finds altered."""

from __future__ import annotations

from assay.dataset.errors import DataError


class Refused(DataError):
    """The request is well formed, but the rules of this ledger forbid it: an unapproved source, a key that is not
    named, a history that does not continue the one already signed."""


class Tampered(DataError):
    """Bytes that do not match the hash or the signature that covers them."""
