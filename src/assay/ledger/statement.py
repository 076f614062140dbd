"""Signed statements: in-toto Statement v1 in a DSSE envelope (in-toto attestation framework v1; secure-systems-lab/dsse v1.0.2).

    {"payload": base64, "payloadType": "application/vnd.in-toto+json", "signatures": [{"keyid": "...", "sig": base64}]}

What is signed is PAE(type, payload) = "DSSEv1" SP length SP type SP length SP payload, which no signed note begins with. Each
statement is logged as an event with the SHA-256 of its payload.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from assay.ledger.errors import Tampered
from assay.ledger.ledger import Ledger
from assay.ledger.note import Key, Signer, base64
from assay.ledger.storage import replace

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD = "application/vnd.in-toto+json"
TRACE, PURGE, SNAPSHOT = "urn:assay:trace/1", "urn:assay:purge/1", "urn:assay:snapshot/1"


def pae(payload: bytes, kind: str = PAYLOAD) -> bytes:
    """What a DSSE signature covers.

    >>> pae(b"hello world", "http://example.com/HelloWorld")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def sign(subjects: Mapping[str, str], predicate_type: str, predicate: Mapping[str, Any], signer: Signer) -> str:
    """The envelope, JSON. `subjects`: SHA-256 (hex) by name."""
    subject = [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()]
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": predicate_type, "predicate": predicate}
    payload = json.dumps(statement, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    signature = {"keyid": str(signer.key), "sig": b64encode(signer.sign(pae(payload))).decode()}
    return json.dumps({"payload": b64encode(payload).decode(), "payloadType": PAYLOAD, "signatures": [signature]}, indent=1) + "\n"


def check(envelope: str, key: Key) -> dict[str, Any]:
    """The statement. Raises Tampered unless `key` signed it; other signatures are passed over."""
    payload, signatures = _open(envelope)
    for signature in signatures:
        try:
            key.check(pae(payload), signature)
        except Tampered:
            continue
        statement: dict[str, Any] = json.loads(payload)
        return statement
    raise Tampered(f"the statement is not signed by {key}, or was altered since")


def also_signed(envelope: str, signer: Signer) -> str:
    """The envelope with the signature of `signer` behind the others, once."""
    said = json.loads(envelope)
    signature = {"keyid": str(signer.key), "sig": b64encode(signer.sign(pae(payload_of(envelope)))).decode()}
    if signature not in said["signatures"]:
        said["signatures"].append(signature)
    return json.dumps(said, indent=1) + "\n"


def _open(envelope: str) -> tuple[bytes, list[bytes]]:
    try:
        said = json.loads(envelope)
        if said["payloadType"] != PAYLOAD:
            raise ValueError(f"the payload is {said['payloadType']!r}")
        return base64(said["payload"]), [base64(signature["sig"]) for signature in said["signatures"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Tampered(f"not a DSSE envelope of an in-toto statement: {error}") from error


def payload_of(envelope: str) -> bytes:
    """What is signed in an envelope, unchecked."""
    return _open(envelope)[0]


def log(ledger: Ledger, subjects: Mapping[str, str], predicate_type: str, predicate: Mapping[str, Any]) -> tuple[int, str]:
    """Sign a statement with the ledger's key, keep it in LEDGER/statements and log it; (number of the event, path in the folder)."""
    with ledger.writing():
        assert ledger.signer is not None
        envelope = sign(subjects, predicate_type, predicate, ledger.signer)
        payload = sha256(payload_of(envelope)).hexdigest()
        path = ledger.folder / "statements" / f"{payload}.json"
        path.parent.mkdir(exist_ok=True)
        replace(path, envelope.encode(), path.with_name(f".{payload}"))
        event = ledger.record([("statement.signed", {"predicate": predicate_type, "payload": payload})])
        return event, f"statements/{payload}.json"
