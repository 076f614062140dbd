"""Go's golang.org/x/mod/sumdb/note and tlog, written by others, open our checkpoint, read our tiles and accept our proofs, and
make the same ones.

Live where Go and its package are at hand (Debian: apt-get install golang-go golang-golang-x-mod-dev). Everywhere,
golden/ledger_go.json holds what Go answered for a fixed log.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from assay.dataset.merkle import leaf_hash, tree_hash
from assay.ledger.log import Log
from assay.ledger.note import Signer
from assay.ledger.storage import Folder

GOLDEN = Path(__file__).parent / "golden"
GOPATH = "/usr/share/gocode"  # where Debian puts packages
SIZE = 66_000  # two levels of full tiles, and a partial one at each of three
ASKED = [0, 1, 255, 256, 257, 4095, 32_768, 65_535, 65_536, 65_791, 65_792, 65_999]


def fixed_log(folder: Path) -> Log:
    log = Log.create(Folder(folder), Signer.of("example.com/ledger", bytes(range(32))))
    for start, stop in [(0, 1), (1, 300), (300, 65_536), (65_536, SIZE)]:
        log.append([b"event %d" % i for i in range(start, stop)])
        log.publish()
    return log


def questions(log: Log) -> dict[str, list[dict[str, object]]]:
    def text(hashes: list[bytes] | tuple[bytes, ...]) -> list[str]:
        return [b64encode(h).decode() for h in hashes]

    entries = [b"event %d" % i for i in range(SIZE)]
    records = [{"Index": i, "Leaf": b64encode(leaf_hash(entries[i])).decode(), "Path": text(log.prove(i).path)} for i in ASKED]
    trees = [
        {"Old": n, "Root": b64encode(tree_hash(entries[:n])).decode(), "Path": text(log.prove_consistency(n))} for n in [*ASKED[1:], SIZE]
    ]
    return {"Records": records, "Trees": trees}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return fixed_log(tmp_path_factory.mktemp("go") / "ledger")


def test_what_go_answered(log: Log) -> None:
    asked = questions(log)
    answers = json.loads((GOLDEN / "ledger_go.json").read_text())
    assert answers["Text"].encode() == log.note().partition(b"\n\n")[0] + b"\n"
    assert [record["Path"] for record in asked["Records"]] == answers["Records"]
    assert [tree["Path"] for tree in asked["Trees"]] == answers["Trees"]


def test_go_itself(log: Log, tmp_path: Path) -> None:
    if shutil.which("go") is None or not Path(GOPATH, "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("Go and golang.org/x/mod are not installed (apt-get install golang-go golang-golang-x-mod-dev)")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": GOPATH, "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-p=1"}
    oracle = tmp_path / "oracle"
    subprocess.run(["go", "build", "-o", oracle, str(GOLDEN / "ledger_oracle" / "main.go")], env=environment, check=True)
    assert isinstance(log.storage, Folder)
    asked = questions(log)
    command = [str(oracle), str(log.storage.root), str(log.key)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["Records"] == [record["Path"] for record in asked["Records"]]
    assert answers["Trees"] == [tree["Path"] for tree in asked["Trees"]]
    if os.environ.get("ASSAY_WRITE_GOLDEN"):
        (GOLDEN / "ledger_go.json").write_text(json.dumps(answers, indent=1) + "\n")

    wrong = json.loads(json.dumps(asked))
    leaf = bytearray(b64decode(wrong["Records"][3]["Leaf"]))
    leaf[0] ^= 1
    wrong["Records"][3]["Leaf"] = b64encode(leaf).decode()
    refused = subprocess.run(command, input=json.dumps(wrong), capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "record 256" in refused.stderr
