"""A scan, attested: what was scanned, how, and what came of it, signed so that a receiver can check it, and scan again.

An in-toto statement in a DSSE envelope (see `statement`): the subject is the data set with its fingerprint, the predicate
"assay.attested/1" says verdict, findings, checks and settings. It holds no content: of a finding its kind, how many rows it has, and
hashes of its row numbers and of its artefact. A scan is repeatable: the same data, settings and version give the same predicate, bit
for bit, so a receiver need not believe the signature, but can find out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from assay.dataset.errors import DAMAGE
from assay.ledger import statement
from assay.ledger.errors import Tampered
from assay.ledger.events import canonical
from assay.ledger.note import Key, Signer

SCHEMA = "assay.attested/1"
SCAN = "urn:assay:scan/1"
SAID = ("verdict", "findings", "checks")  # what a scan concluded, and so what a second one must repeat


@dataclass(frozen=True)
class Attestation:
    """What a signed scan says."""

    fingerprint: str  # of the data set, hex
    predicate: dict[str, Any]
    by: str  # name of the key that signed it

    @property
    def verdict(self) -> str:
        return str(self.predicate["verdict"])


def predicate(report: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """What is said of a scan. `report`: its report.json as JSON types; `digest`: SHA-256 (hex) of that file."""
    data = report["dataset"]
    return {
        "schema": SCHEMA,
        "report": digest,
        "verdict": report["verdict"],
        "findings": [
            {
                "id": finding["id"],
                "kind": finding["kind"],
                "status": finding["status"],
                "rows": finding["row_count"],
                "rows_sha256": _hash(finding["rows"]),
                "artefact_sha256": _hash(finding["artefact"]),
            }
            for finding in report["findings"]
        ],
        "checks": [{"name": check["name"], "state": check["state"]} for check in report["checks"]],
        "data": {name: data[name] for name in ("format", "modality", "task", "columns", "rows", "readable")},
        "settings": report["settings"],
        "versions": report["versions"],
    }


def _hash(value: object) -> str:
    return sha256(canonical(value)).hexdigest()


def sign(report: Mapping[str, Any], digest: str, name: str, signer: Signer) -> str:
    """The envelope, JSON; `name` is what the data set is called in it."""
    return statement.sign({name: report["dataset"]["fingerprint"]}, SCAN, predicate(report, digest), signer)


def check(envelope: str, key: Key) -> Attestation:
    """Raises Tampered unless `key` signed an attestation of a scan."""
    said = statement.check(envelope, key)
    try:
        (subject,) = said["subject"]
        found = Attestation(subject["digest"]["sha256"], said["predicate"], key.name)
        if said["predicateType"] != SCAN or found.predicate["schema"] != SCHEMA:
            raise ValueError(f"it is a {said['predicateType']}")
        _ = [found.predicate[name] for name in (*SAID, "settings", "data", "versions")]
    except (KeyError, ValueError, TypeError) as error:
        raise Tampered(f"this is signed, but it is no attestation of a scan ({error})") from error
    return found


def signed_by(envelope: str, key: Key) -> bool:
    """Whether `key` signed the envelope."""
    try:
        statement.check(envelope, key)
    except Tampered:
        return False
    return True


def subject(envelope: str) -> str:
    """The fingerprint of the data that an attestation speaks of, unchecked; "" where it is none."""
    try:
        said = json.loads(statement.payload_of(envelope))
        (one,) = said["subject"]
        return str(one["digest"]["sha256"]) if said["predicateType"] == SCAN else ""
    except Tampered:
        return ""
    except DAMAGE:
        return ""


def differences(attested: Mapping[str, Any], again: Mapping[str, Any]) -> list[str]:
    """In what a second scan differs from what was attested; empty where it does not. Both are predicates.

    >>> differences({"verdict": "clean", "findings": [], "checks": []}, {"verdict": "suspect", "findings": [], "checks": []})
    ["the verdict is 'suspect', attested was 'clean'"]
    """
    found = []
    if again["verdict"] != attested["verdict"]:
        found.append(f"the verdict is {again['verdict']!r}, attested was {attested['verdict']!r}")
    for name, what in (("findings", "finding"), ("checks", "check")):
        old, new = ({one.get("id", one.get("name")): one for one in said[name]} for said in (attested, again))
        for one in sorted(old.keys() | new.keys()):
            if one not in new:
                found.append(f"the {what} {one} was attested, and is not found again")
            elif one not in old:
                found.append(f"the {what} {one} is found, and was not attested")
            elif old[one] != new[one]:
                changed = ", ".join(sorted(key for key in old[one].keys() | new[one].keys() if old[one].get(key) != new[one].get(key)))
                found.append(f"the {what} {one} differs in: {changed}")
    return found
