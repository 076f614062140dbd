"""From the address of a log to its storage: a folder, PostgreSQL, or an object store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from assay.dataset.errors import DataError
from assay.dataset.remote import SCHEME
from assay.ledger.bucket import Bucket
from assay.ledger.postgres import SCHEMES, Postgres
from assay.ledger.storage import Folder, Storage


def opened(store: str, folder: Path, origin: str, *, new: bool = False) -> Storage:
    """The storage at the address `store`; "" for `folder` itself. `new`: a log will be made there, so check that it can be.

    In a data base the log is named after its `origin`. Raises DataError where the address is none, or nobody answers there.
    """
    scheme = urlsplit(store).scheme
    if not store:
        return Folder(folder)
    if scheme in SCHEMES:
        return Postgres(store, origin)
    if scheme == SCHEME:
        bucket = Bucket(store)
        if new:
            bucket.check()
        return bucket
    raise DataError(f"{store!r} is no address of a store", remedy="write postgresql://user@host/database or s3://bucket/prefix")
