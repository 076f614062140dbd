"""What others read. Their own tools were run on the same documents: mlcroissant 1.1.1 read the records and checked the file's SHA-256,
cyclonedx-python-lib 11.12.0 validated strictly against 1.7, openlineage-python 1.54.0 built the same events from the same fields; they are
too large to be installed for every test (docs/ledger.md).
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from assay.dataset.errors import DataError
from assay.dataset.removal import sha256_of
from assay.ledger import export, snapshots, steps
from assay.ledger.errors import Refused
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, KEY, new_ledger, opened, register, reviews


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = new_ledger(tmp_path)
    register(made, "crawl", ALICE, BOB)
    add(made, opened(reviews(tmp_path / "v1.csv")), "crawl")
    snapshots.take(made, opened(tmp_path / "v1.csv"), "v1")
    (tmp_path / "v2.csv").write_text("\n".join((tmp_path / "v1.csv").read_text().splitlines()[:11]) + "\n")
    steps.record(made, opened(tmp_path / "v2.csv"), steps.Step("half", "filter", "abc123", {}), ["v1"], "v2")
    made.record([("model.trained", {"model": "m", "digest": "ab" * 32, "snapshot": "v2"})])
    return made


def test_croissant(ledger: Ledger, tmp_path: Path) -> None:
    data = opened(tmp_path / "v1.csv")
    said = export.croissant(ledger, "v1", data)
    assert said["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert said["identifier"] == f"sha256:{data.fingerprint}"
    assert said["distribution"][0]["sha256"] == sha256_of(tmp_path / "v1.csv")
    assert [field["name"] for field in said["recordSet"][0]["field"]] == ["text", "label", "who"]
    assert said["prov:wasDerivedFrom"] == [{"@id": "urn:assay:source:crawl", "name": "crawl"}]
    assert said["license"] == ["CC0-1.0"]
    with pytest.raises(Refused, match=r"not the data of the snapshot 'v2'"):
        export.croissant(ledger, "v2", data)
    (tmp_path / "folder").mkdir()
    (tmp_path / "v1.csv").rename(tmp_path / "folder" / "v1.csv")
    with pytest.raises(DataError, match=r"one CSV"):
        export.croissant(ledger, "v1", data)


def test_openlineage(ledger: Ledger) -> None:
    events = export.openlineage(ledger)
    assert [(e["eventType"], e["job"]["name"]) for e in events] == [
        ("START", "half@abc123"),
        ("COMPLETE", "half@abc123"),
        ("START", "train m"),
        ("COMPLETE", "train m"),
    ]
    assert len({UUID(e["run"]["runId"]) for e in events}) == 2
    assert [d["name"] for e in events[1::2] for d in (*e["inputs"], *e["outputs"])] == ["v1", "v2", "v2"]
    assert events[0]["inputs"][0]["facets"]["version"]["datasetVersion"] == snapshots.load(ledger, "v1").root.hex()
    assert events == export.openlineage(ledger)


def test_openlineage_keeps_the_published_schema(ledger: Ledger) -> None:
    """What OpenLineage 2-0-2 asks of a RunEvent and of a facet, in our own words; openlineage-python builds the same events (see above)."""

    def thing(*required: str, **properties: object) -> dict[str, object]:
        return {"type": "object", "required": list(required), "properties": properties}

    text, uri = {"type": "string"}, {"type": "string", "format": "uri"}
    facet = thing("_producer", "_schemaURL", _producer=uri, _schemaURL=uri)
    data = thing("namespace", "name", namespace=text, name=text, facets={"type": "object", "additionalProperties": facet})
    event = thing(
        *("eventTime", "producer", "schemaURL", "run", "job"),
        eventTime={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        producer=uri,
        schemaURL=uri,
        eventType={"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        run=thing("runId", runId={"type": "string", "format": "uuid"}),
        job=thing("namespace", "name", namespace=text, name=text),
        inputs={"type": "array", "items": data},
        outputs={"type": "array", "items": data},
    )
    checker = Draft202012Validator(event, format_checker=FormatChecker())
    for one in export.openlineage(ledger):
        checker.validate(one)
    with pytest.raises(ValidationError):
        checker.validate(one | {"run": {"runId": "7"}})


def test_bill_of_materials(ledger: Ledger) -> None:
    bom = export.cyclonedx(ledger, "m")
    model, (data,) = bom["metadata"]["component"], bom["components"]
    assert (bom["bomFormat"], bom["specVersion"], model["type"]) == ("CycloneDX", "1.7", "machine-learning-model")
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert data["version"] == snapshots.load(ledger, "v2").root.hex()
    with pytest.raises(Refused, match=r"no training of a model 'x'"):
        export.cyclonedx(ledger, "x")


def test_statement_about_a_snapshot(ledger: Ledger) -> None:
    subject, said = export.snapshot_statement(ledger, "v2")
    assert subject == {"v2": snapshots.load(ledger, "v2").root.hex()}
    assert said["ledger"] == str(KEY.key)
    assert [(s["name"], s["approvers"]) for s in said["sources"]] == [("crawl", ["alice", "bob"])]
