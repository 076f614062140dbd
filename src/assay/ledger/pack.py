"""An evidence pack: all that a receiver of a data set needs to check where it came from, in one file; and the check.

    pack.zip
      pack.json            schema "assay.pack/1": the ledger's key, the snapshot, the events by number
      events/N.json        an event as it is in the log         events/N.tlog-proof   its inclusion proof
      snapshot             the signed head of the snapshot  keys/N               how the log's key was handed over, if it was
      digests.txt          the digest of every record in order, hex (may be left out)
      attestations/N.json  signed scans of exactly this data (`attest`)
      verify.py            the one-file verifier

Held: that these events are in the signed log, that the sources' approvals are signed by the approvers and stood when the snapshot was
taken, that digests and data are the snapshot's. Not held: that the pack tells everything. It is a selection; whoever wants to be
sure that no revocation was left out reads the whole log.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from assay.dataset.data import Dataset
from assay.dataset.errors import DAMAGE, DataError
from assay.dataset.merkle import tree_hash
from assay.ledger import attest, export, snapshots, tlog_proof
from assay.ledger.approval import standing
from assay.ledger.attest import Attestation
from assay.ledger.beside import check_keys
from assay.ledger.checkpoint import open_checkpoint
from assay.ledger.errors import Refused, Tampered
from assay.ledger.events import Event, decode
from assay.ledger.fold import fold_events
from assay.ledger.index import Index
from assay.ledger.ledger import KEYS, Ledger
from assay.ledger.note import Key
from assay.ledger.succession import follow, notes_in

SCHEMA = "assay.pack/1"
MANIFEST, HEAD, DIGESTS, VERIFIER = "pack.json", "snapshot", "digests.txt", "verify.py"
ATTESTED = "attestations"
LARGEST = 1 << 30  # bytes that all members unpack to: the digests of 16 million records
STAMP = (2000, 1, 1, 0, 0, 0)  # of every member, so that the same evidence makes the same file


def pack(ledger: Ledger, name: str, out: Path, *, digests: bool = True, attestations: Sequence[Path] = ()) -> int:
    """Write the pack of a snapshot to `out`; how many events are in it. Raises Refused where an attestation is of other data."""
    loaded = snapshots.load(ledger, name)
    sources = {source.name for source in export.sources_of(ledger, name)}
    chosen = [n for n, event in _events(ledger) if _about(n, event, name, loaded.root.hex(), sources)]
    members = {HEAD: snapshots.note(ledger, name).encode(), VERIFIER: files("assay.ledger").joinpath("standalone.py").read_bytes()}
    for place, attested in enumerate(attestations):
        envelope = attested.read_text(encoding="utf-8", errors="replace")
        if attest.subject(envelope) != loaded.root.hex():
            raise Refused(f"is no attestation of a scan of the snapshot {name!r}", path=attested, remedy="scan that data, and attest it")
        members[f"{ATTESTED}/{place}.json"] = envelope.encode()
    for place, handed in enumerate(notes_in(ledger.folder / KEYS), 1):
        members[f"{KEYS}/{place}"] = handed.encode()
    if digests:
        members[DIGESTS] = "".join(digest.hex() + "\n" for digest in loaded.digests).encode()
    for number in chosen:
        members[f"events/{number}.json"] = ledger.log.entry(number)
        members[f"events/{number}{tlog_proof.SUFFIX}"] = ledger.log.prove(number).text().encode()
    manifest = {"schema": SCHEMA, "key": str(ledger.key), "snapshot": name, "sources": sorted(sources), "events": chosen}
    members[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(path, STAMP), data, zipfile.ZIP_DEFLATED)
    return len(chosen)


def _events(ledger: Ledger) -> list[tuple[int, Event]]:
    """Every event that is not about single rows."""
    decoded = ((n, decode(entry, n)) for n, entry in enumerate(ledger.log.entries()))
    return [(n, event) for n, event in decoded if not event.type.startswith(("row.", "label.", "review."))]


def _about(number: int, event: Event, name: str, root: str, sources: set[str]) -> bool:
    if event.type.startswith("source."):
        return event.body["source"] in sources
    if event.type == "scan.verdict":
        return bool(event.body["fingerprint"] == root)
    if event.type == "snapshot":
        return bool(event.body["name"] == name)
    return event.type in ("ledger.created", "approvers.changed", "key.rotated")


@dataclass(frozen=True)
class Receipt:
    """What a pack shows."""

    ledger: str
    snapshot: str
    size: int
    root: str
    time: str  # when the snapshot was logged
    sources: tuple[tuple[str, str], ...]  # (name, "approved until ..." or why it was not, when the snapshot was taken)
    verdicts: tuple[tuple[str, int], ...]  # of scans of exactly this data: (verdict, findings)
    violations: tuple[str, ...]  # rules that the events break
    digests: tuple[bytes, ...] | None
    attestations: tuple[Attestation, ...] = ()  # scans of exactly this data, signed by a scanner who is trusted
    strange: int = 0  # attestations by others, which count for nothing


def receive(path: Path, key: Key, scanners: Sequence[Key] = ()) -> Receipt:
    """Check a pack against the ledger's public key, and its attestations against those of `scanners` and the ledger's.

    Raises Tampered where something in it does not hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        manifest = json.loads(members[MANIFEST])
        handed = sorted((int(path.partition("/")[2]), data) for path, data in members.items() if path.startswith(f"{KEYS}/"))
        key, former = follow(key, [data.decode() for _, data in handed])
        numbers, name, sources = manifest["events"], manifest["snapshot"], manifest["sources"]
        if manifest["schema"] != SCHEMA:
            raise ValueError(f"the schema is {manifest['schema']!r}")
        events = [_event(members, number, key) for number in sorted(numbers)]
    except DAMAGE as error:
        raise DataError(f"not an evidence pack ({error})", path=path, remedy="ask for it again") from error
    index = Index(Path(":memory:"))
    fold_events([(n, event, entry) for n, event, entry in events], index)
    check_keys(index, (*former, key))
    logged = index.db.execute("select event, size, root from snapshots where name = ?", (name,)).fetchone()
    if logged is None:
        raise Tampered(f"the event of the snapshot {name!r} is not in the pack", path=path)
    event, size, root = logged
    head = open_checkpoint(members.get(HEAD, b""), [key], snapshots.origin(key.name, name))
    if (head.size, head.root.hex()) != (size, root):
        raise Tampered("the signed head of the snapshot is not the one that was logged", path=path)
    time = next(said.time for n, said, _ in events if n == event)
    digests = _digests(members[DIGESTS], head.root, path) if DIGESTS in members else None
    attested, strange = _attested(members, [key, *scanners], root)
    scans = index.db.execute("select verdict, findings from scans where fingerprint = ? order by event", (root,)).fetchall()
    return Receipt(
        str(key),
        name,
        size,
        root,
        time,
        tuple((source, _state(index, source, time)) for source in sources),
        tuple(scans),
        tuple(problem for _, problem in index.violations()),
        digests,
        attested,
        strange,
    )


def _attested(members: dict[str, bytes], keys: Sequence[Key], root: str) -> tuple[tuple[Attestation, ...], int]:
    """(attestations by one of `keys`, how many others there are). Raises Tampered where one is of other data."""
    found, strange = [], 0
    for path in sorted(path for path in members if path.startswith(f"{ATTESTED}/")):
        envelope = members[path].decode(errors="replace")
        if attest.subject(envelope) != root:
            raise Tampered(f"{path} is no attestation of a scan of this data")
        known = [key for key in keys if attest.signed_by(envelope, key)]
        found += [attest.check(envelope, known[0])] if known else []
        strange += not known
    return tuple(found), strange


def _event(members: dict[str, bytes], number: int, key: Key) -> tuple[int, Event, bytes]:
    entry = members[f"events/{number}.json"]
    proof = tlog_proof.parse(members[f"events/{number}{tlog_proof.SUFFIX}"])
    if proof.index != number:
        raise Tampered(f"the proof of event {number} is that of event {proof.index}")
    proof.check(entry, [key])
    return number, decode(entry, number), entry


def _digests(text: bytes, root: bytes, path: Path) -> tuple[bytes, ...]:
    try:
        digests = tuple(bytes.fromhex(line) for line in text.decode().splitlines())
    except ValueError as error:
        raise Tampered(f"{DIGESTS} is no list of digests", path=path) from error
    if tree_hash(digests) != root:
        raise Tampered(f"{DIGESTS} does not give the root of the snapshot", path=path)
    return digests


def _state(index: Index, source: str, time: str) -> str:
    try:
        return f"approved until {standing(index.policy(), index.source(source), time).expires}"
    except Refused as error:
        return str(error).split(". Remedy: ")[0]


def compare(receipt: Receipt, data: Dataset) -> dict[str, Any]:
    """How `data` differs from the snapshot: record numbers `altered` (where both have as many records), else counts.

    Empty where it is the same to the bit. Without digests in the pack only `differs` can be said.
    """
    if data.fingerprint == receipt.root:
        return {}
    if receipt.digests is None:
        return {"differs": True}
    found = snapshots.record_digests(data)
    if len(found) == len(receipt.digests):
        return {"altered": [i for i, (old, new) in enumerate(zip(receipt.digests, found, strict=True)) if old != new]}
    change = snapshots.difference(receipt.digests, found)
    known = set(change.added)
    return {"added": [i for i, digest in enumerate(found) if digest in known], "missing": len(change.missing)}
