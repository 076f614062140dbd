"""What the ledger knows, in the formats of others: Croissant 1.1, OpenLineage 2-0-2, CycloneDX 1.7 (plain JSON, not signed), in-toto.

Each names the snapshot's root, by which a reader comes back to what is signed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pyarrow as pa

from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.removal import sha256_of
from assay.ledger import snapshots
from assay.ledger.approval import Source
from assay.ledger.errors import Refused
from assay.ledger.ledger import Ledger
from assay.ledger.lineage import ancestors
from assay.version import __version__

PRODUCER = f"urn:assay:{__version__}"
OPENLINEAGE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
VERSION_FACET = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
CROISSANT = "http://mlcommons.org/croissant/1.1"
MIME = {".csv": "text/csv", ".tsv": "text/tab-separated-values", ".jsonl": "application/jsonlines", ".parquet": "application/x-parquet"}

# The context that the specification gives (Croissant 1.1, "JSON-LD context"), as far as its words are used here.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "sc": "https://schema.org/",
    "source": "cr:source",
}


def sources_of(ledger: Ledger, name: str) -> list[Source]:
    """Every source that brought a row of the snapshot, or a row that one was made of."""
    rows = ancestors(ledger.index, snapshots.rows_of(ledger, name))
    found = ledger.index.select("select distinct name from rows join names on rows.source = names.id where row in (?)", rows)
    return [ledger.index.source(source) for source in sorted({source for (source,) in found})]


def snapshot_statement(ledger: Ledger, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """(subject, predicate) of the in-toto statement about a snapshot: what it is, and what its sources were approved for."""
    event, size, root, _ = snapshots.logged(ledger, name)
    said = [
        {
            "name": source.name,
            "licence": source.licence,
            "contact": source.contact,
            "method": source.method,
            "registration": source.registration,
            "approvers": sorted({approver for _, approver in source.approvals}),
            "revoked": source.revoked,
        }
        for source in sources_of(ledger, name)
    ]
    predicate = {"schema": "assay.snapshot/1", "ledger": str(ledger.key), "event": event, "size": size, "root": root, "sources": said}
    return {name: root}, predicate


def same_snapshot(ledger: Ledger, name: str, data: Dataset) -> dict[str, Any]:
    """What the log says of the snapshot that `data` is. Raises Refused where it is another."""
    event, size, root, _ = snapshots.logged(ledger, name)
    if data.fingerprint != root:
        raise Refused(
            f"this is not the data of the snapshot {name!r}", path=data.path, remedy=f"assay ledger diff LEDGER {name} {data.path}"
        )
    return {"ledger": str(ledger.key), "snapshot": name, "event": event, "size": size, "root": root}


def croissant(ledger: Ledger, name: str, data: Dataset) -> dict[str, Any]:
    """Croissant 1.1 of a snapshot whose data is one table file. Raises DataError for other data, or if it is not that snapshot."""
    path = Path(data.path)
    if not path.is_file() or path.suffix not in MIME:
        raise DataError(
            "Croissant is written for one CSV, TSV, JSON lines or Parquet file", path=path, remedy="export the table as such a file"
        )
    said = same_snapshot(ledger, name, data)
    event, root = int(said["event"]), str(said["root"])
    sources = sources_of(ledger, name)
    file = {"@type": "cr:FileObject", "@id": path.name, "name": path.name, "contentUrl": path.name, "encodingFormat": MIME[path.suffix]}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"records/{column.name}",
            "name": column.name,
            "dataType": _data_type(column.type),
            "source": {"fileObject": {"@id": path.name}, "extract": {"column": column.name}},
        }
        for column in data.table.schema
    ]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT,
        "name": f"{ledger.key.name}-{name}".replace("/", "-"),
        "description": f"Snapshot {name} of the ledger {ledger.key.name}, event {event}: {data.records} records.",
        "version": name,
        "identifier": f"sha256:{root}",
        "url": f"urn:assay:{ledger.key.name}",
        "datePublished": _time(ledger, event),
        "license": sorted({source.licence for source in sources}),
        "creator": [{"@type": "sc:Organization", "name": ledger.key.name}],
        "prov:wasDerivedFrom": [{"@id": source.url or f"urn:assay:source:{source.name}", "name": source.name} for source in sources],
        "distribution": [file | {"sha256": sha256_of(path)}],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "records", "name": "records", "field": fields}],
    }


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "sc:Float"
    return "sc:Date" if pa.types.is_temporal(kind) else "sc:Text"


def _time(ledger: Ledger, event: int) -> str:
    return str(json.loads(ledger.log.entry(event))["time"])


def openlineage(ledger: Ledger) -> list[dict[str, Any]]:
    """A START and a COMPLETE event for every step and every training, oldest first."""
    steps = "select event, name, inputs, output, code from steps"
    runs = [(event, name, json.loads(inputs), [output], code) for event, name, inputs, output, code in ledger.index.db.execute(steps)]
    trainings = ledger.index.db.execute("select event, model, snapshot from models").fetchall()
    runs += [(event, f"train {model}", [snapshot], [], "") for event, model, snapshot in trainings]
    events = []
    for event, name, inputs, outputs, code in sorted(runs):
        body = {
            "eventTime": _time(ledger, event),
            "producer": PRODUCER,
            "schemaURL": OPENLINEAGE,
            "run": {"runId": str(uuid5(NAMESPACE_URL, f"{ledger.key.name}/{event}"))},
            "job": {"namespace": ledger.key.name, "name": f"{name}@{code}" if code else name},
            "inputs": [_dataset(ledger, one) for one in inputs],
            "outputs": [_dataset(ledger, one) for one in outputs],
        }
        events += [body | {"eventType": kind} for kind in ("START", "COMPLETE")]
    return events


def _dataset(ledger: Ledger, name: str) -> dict[str, Any]:
    _, _, root, _ = snapshots.logged(ledger, name)
    facet = {"_producer": PRODUCER, "_schemaURL": VERSION_FACET, "datasetVersion": root}
    return {"namespace": ledger.key.name, "name": name, "facets": {"version": facet}}


def cyclonedx(ledger: Ledger, model: str) -> dict[str, Any]:
    """A machine-learning bill of materials: the model, the snapshot it was trained on, and that snapshot's sources."""
    found = ledger.index.db.execute("select event, digest, snapshot from models where model = ? order by event desc", (model,)).fetchone()
    if found is None:
        raise Refused(f"no training of a model {model!r} was logged", remedy="assay ledger trained")
    event, digest, name = found
    _, size, root, _ = snapshots.logged(ledger, name)
    reference = f"snapshot:{name}"
    governance = {"owners": [{"organization": {"name": s.name, "contact": [{"name": s.contact}]}} for s in sources_of(ledger, name)]}
    data = {
        "type": "data",
        "bom-ref": reference,
        "name": name,
        "version": root,
        "data": [
            {"type": "dataset", "name": name, "description": f"{size} records of the ledger {ledger.key.name}", "governance": governance}
        ],
    }
    trained = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{model}",
        "name": model,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "modelCard": {"modelParameters": {"datasets": [{"ref": reference}]}},
        "properties": [{"name": "assay:ledger", "value": str(ledger.key)}, {"name": "assay:event", "value": str(event)}],
    }
    serial = uuid5(NAMESPACE_URL, f"{ledger.key.name}/{event}/bom")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"timestamp": _time(ledger, event), "component": trained},
        "components": [data],
        "dependencies": [{"ref": f"model:{model}", "dependsOn": [reference]}, {"ref": reference}],
    }
