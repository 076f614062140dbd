"""Time stamps (RFC 3161): that a head of the log existed at a time that somebody else vouches for.

    LEDGER/stamps/SIZE.tsr      the answer of a time stamping authority to the text of the checkpoint at SIZE entries

What is stamped is the text of the checkpoint: origin, size and root. Anyone who has the log makes it again from the tiles, so a stamp
needs nothing beside it, and a log that is rewritten no longer fits its stamps, whoever holds its key. The clock of events is the
keeper's own; a stamp bounds it from above: what is in the first SIZE entries was there by then.

Needs the package rfc3161-client (extra `ledger`) and the authority's root certificate, from elsewhere.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from assay.dataset.errors import DAMAGE, DataError
from assay.ledger import proofs
from assay.ledger.checkpoint import Checkpoint
from assay.ledger.errors import Tampered
from assay.ledger.log import Log
from assay.ledger.storage import replace

FOLDER, SUFFIX = "stamps", ".tsr"
QUERY, TIMEOUT = "application/timestamp-query", 30.0  # RFC 3161 section 3.4; seconds for an answer
LARGEST = 1 << 20  # bytes of an answer: a few certificates


@dataclass(frozen=True)
class Stamp:
    """The first `size` entries of the log were there at `time` (UTC, as events have it), says the authority."""

    size: int
    time: str


def stamp(log: Log, folder: Path, url: str, roots: Sequence[bytes]) -> Stamp:
    """Have the published head stamped by the authority at `url`, check the answer, and keep it in `folder`.

    `roots`: PEM of the root certificates that are trusted. Raises DataError where no answer comes, Tampered where it does not hold.
    """
    tsp = _package()
    head = log.checkpoint()
    text = head.text().encode()
    request = (
        tsp.TimestampRequestBuilder().data(text).hash_algorithm(tsp.HashAlgorithm.SHA256).nonce(nonce=True).cert_request(cert_request=True)
    )
    asked = request.build()
    answer = _post(url, asked.as_bytes())
    found = _check(answer, text, head.size, roots, tsp.VerifierBuilder.from_request(asked))
    folder.mkdir(exist_ok=True)
    replace(folder / f"{head.size}{SUFFIX}", answer, folder / f".{head.size}{SUFFIX}")
    return found


def check(log: Log, folder: Path, roots: Sequence[bytes]) -> list[Stamp]:
    """Every stamp in `folder`, by size. Raises Tampered where one does not hold for this log."""
    tsp = _package()
    tree = log.tiles()
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not path.stem.isdecimal() or int(path.stem) > tree.size:
            raise Tampered(f"is a stamp of {path.stem} entries; the log has {tree.size:,}: it was rolled back", path=path)
        size = int(path.stem)
        head = Checkpoint(log.key.name, size, proofs.root(size, tree.node))
        found.append(_check(path.read_bytes(), head.text().encode(), size, roots, tsp.VerifierBuilder()))
    return sorted(found, key=lambda one: one.size)


def _check(answer: bytes, text: bytes, size: int, roots: Sequence[bytes], builder: Any) -> Stamp:
    from cryptography.x509 import load_pem_x509_certificates

    tsp = _package()
    for pem in roots:
        try:
            certificates = load_pem_x509_certificates(pem)
        except ValueError as error:
            raise DataError(f"no certificates in PEM ({error})", remedy="give the authority's root certificate") from error
        for certificate in certificates:
            builder = builder.add_root_certificate(certificate)
    try:
        decoded = tsp.decode_timestamp_response(answer)
        builder.build().verify_message(decoded, text)
    except (tsp.VerificationError, *DAMAGE) as error:
        raise Tampered(f"the time stamp of {size:,} entries does not hold: {error}") from error
    return Stamp(size, decoded.tst_info.gen_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _package() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise DataError("time stamps need the package rfc3161-client", remedy="pip install 'assay[ledger]'") from error
    return rfc3161_client


def _post(url: str, body: bytes) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url!r} is no http or https address", remedy="give the address of a time stamping authority")
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": QUERY}), timeout=TIMEOUT) as answer:
            return bytes(answer.read(LARGEST))
    except (urllib.error.URLError, OSError) as error:
        raise DataError(
            f"the time stamping authority does not answer ({error})", path=url, remedy="check the address, or try later"
        ) from error
