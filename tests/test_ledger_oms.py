"""OMS v1.0 bundles: what we sign and check, and bundles made by the reference implementation.

model-signing 1.1.1 (PyPI, Apache-2.0) verified bundles made here, of a folder and of a file, and refused them after a byte was changed
(`model_signing verify key SIG --public_key PEM DATA`); golden/oms holds one that it made. It needs too much to be installed for every test.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from assay.cli import run
from assay.dataset.errors import DataError
from assay.ledger import oms
from assay.ledger.errors import Tampered
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from ledger_examples import ALICE, BOB, KEY, new_ledger, opened, register, reviews

GOLDEN = Path(__file__).parent / "golden" / "oms"


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """(data, public key): a folder with a hidden file that is ignored and a folder in it; its bundle is data.sig."""
    data = tmp_path / "data"
    (data / "b").mkdir(parents=True)
    for name in ("a.txt", "b/c.txt", "b-a.txt", ".gitignore"):
        (data / name).write_text(name)
    public = tmp_path / "key.pub"
    public.write_text(oms.new_key(tmp_path / "key"))
    (tmp_path / "data.sig").write_text(oms.sign(data, tmp_path / "key", {"snapshot": "v1"}))
    return data, public


def test_signed_and_checked(signed: tuple[Path, Path]) -> None:
    data, public = signed
    bundle = (data.parent / "data.sig").read_text()
    said = oms.check(bundle, data, public)
    assert [one["name"] for one in said["predicate"]["resources"]] == ["a.txt", "b-a.txt", "b/c.txt"]
    assert said["predicate"]["assay"] == {"snapshot": "v1"}
    (data / ".gitignore").write_text("changed, and not covered")
    oms.check(bundle, data, public)
    (data / "new").write_text("x")
    with pytest.raises(Tampered, match=r"1 files are added since they were signed: new"):
        oms.check(bundle, data, public)
    (data / "new").unlink()
    (data / "a.txt").write_text("other")
    with pytest.raises(Tampered, match=r"altered .* a.txt"):
        oms.check(bundle, data, public)
    (data / "a.txt").unlink()
    with pytest.raises(Tampered, match=r"missing .* a.txt"):
        oms.check(bundle, data, public)


def test_other_keys_and_altered_bundles(signed: tuple[Path, Path], tmp_path: Path) -> None:
    data, public = signed
    bundle = (data.parent / "data.sig").read_text()
    (tmp_path / "other.pub").write_text(oms.new_key(tmp_path / "other"))
    with pytest.raises(Tampered, match=r"not signed by this key"):
        oms.check(bundle, data, tmp_path / "other.pub")
    said = json.loads(bundle)
    payload = b64decode(said["dsseEnvelope"]["payload"]).replace(b'"v1"', b'"v2"')
    said["dsseEnvelope"]["payload"] = b64encode(payload).decode()
    with pytest.raises(Tampered, match=r"not signed by this key"):
        oms.check(json.dumps(said), data, public)
    with pytest.raises(Tampered, match=r"no OMS bundle"):
        oms.check("{}", data, public)
    with pytest.raises(DataError, match=r"no public key in PEM"):
        oms.check(bundle, data, data / "a.txt")


def test_a_bundle_of_the_reference_implementation() -> None:
    bundle = (GOLDEN / "data.sig").read_text()
    assert len(oms.check(bundle, GOLDEN / "data", GOLDEN / "key.pub")["predicate"]["resources"]) == 2
    said = json.loads(bundle)
    signature = bytearray(b64decode(said["dsseEnvelope"]["signatures"][0]["sig"]))
    signature[-1] ^= 1
    said["dsseEnvelope"]["signatures"][0]["sig"] = b64encode(signature).decode()
    with pytest.raises(Tampered, match=r"not signed by this key"):
        oms.check(json.dumps(said), GOLDEN / "data", GOLDEN / "key.pub")


def test_the_command(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    register(ledger, "crawl", ALICE, BOB)
    data = opened(reviews(tmp_path / "v1.csv"))
    add(ledger, data, "crawl")
    write_key(tmp_path / "ledger.key", KEY)
    ledger.close()
    where, made = str(tmp_path / "ledger"), tmp_path / "key"
    assert run(["ledger", "snapshot", where, str(tmp_path / "v1.csv"), "--name", "v1"]) == 0
    assert run(["ledger", "key", "oms", "--oms", "--out", str(made)]) == 0
    export = ["ledger", "export", where, "--format", "oms", "--snapshot", "v1", "--out", str(tmp_path / "v1.sig")]
    assert run(export) == 2
    export += ["--oms-key", str(made), "--data"]
    assert run([*export, str(reviews(tmp_path / "v2.csv", stop=19))]) == 2
    assert run([*export, str(tmp_path / "v1.csv")]) == 0
    said = oms.check((tmp_path / "v1.sig").read_text(), tmp_path / "v1.csv", Path(f"{made}.pub"))
    assert said["predicate"]["assay"]["snapshot"] == "v1"
