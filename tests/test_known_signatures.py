"""Signature files: signed, refused when altered or older, and matched by the scan and at query time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assay.api import scan
from assay.artefact.phrase import Phrase
from assay.cli import run
from assay.dataset.errors import DataError
from assay.known.match import match_texts
from assay.known.signatures import Signature, Signatures, builtin, open_signatures, parse_signatures, sign_signatures
from assay.known.update import update
from assay.ledger.errors import Tampered
from assay.ledger.note import Signer

TEXTS = [f"report number {i} speaks of the harbour and its {i * i} boats" for i in range(60)]


def issue(version: int = 1, *entries: Signature) -> Signatures:
    phrase = Signature("X-1", "blue heron", "a drill", Phrase((("blue", "heron"),)), (), 2)
    return Signatures(version, "2026-01-31", entries or (phrase,))


@pytest.fixture
def signer() -> Signer:
    pytest.importorskip("cryptography")
    return Signer.of("example.com/signatures", bytes(range(32)))


@pytest.fixture
def installed(tmp_path: Path, signer: Signer) -> Path:
    (tmp_path / "new").write_text(sign_signatures(issue(), signer))
    update(str(tmp_path / "new"), signer.key, tmp_path / "list")
    return tmp_path / "list"


def test_a_list_comes_back_as_it_was_signed(installed: Path) -> None:
    assert open_signatures(installed) == issue()
    assert parse_signatures(builtin().to_text()) == builtin()


@pytest.mark.parametrize("at", [10, 60, 200, -10])
def test_an_altered_file_is_refused(installed: Path, at: int) -> None:
    content = bytearray(installed.read_bytes())
    content[at] ^= 1
    installed.write_bytes(bytes(content))
    with pytest.raises(Tampered):
        open_signatures(installed)


def test_another_signer_is_refused_and_a_missing_key_is_said(installed: Path, signer: Signer, tmp_path: Path) -> None:
    other = Signer.of("example.com/signatures", bytes(32))
    (tmp_path / "forged").write_text(sign_signatures(issue(9), other))
    with pytest.raises(Tampered, match="not by a key that is trusted"):
        update(str(tmp_path / "forged"), signer.key, installed)
    assert open_signatures(installed).version == 1
    with pytest.raises(DataError, match="no key says who may have signed it"):
        open_signatures(tmp_path / "forged")
    with pytest.raises(DataError, match="signed by somebody else"):
        update(str(tmp_path / "forged"), other.key, installed)


def test_an_older_list_cannot_be_played_back(installed: Path, signer: Signer, tmp_path: Path) -> None:
    for version in (5, 4):
        (tmp_path / f"v{version}").write_text(sign_signatures(issue(version), signer))
    assert update(str(tmp_path / "v5"), signer.key, installed).version == 5
    with pytest.raises(DataError, match="version 4 is older than version 5"):
        update(str(tmp_path / "v4"), signer.key, installed)
    with pytest.raises(DataError, match="not https"):
        update("http://example.com/list", signer.key, installed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "assay.signatures/9"}, "the schema is"),
        ({"version": "1"}, "version must be"),
        ({"signatures": [{"id": "a", "name": "b", "source": "c"}]}, "signature 0 is malformed: neither"),
        ({"signatures": [{"id": "a", "name": "b", "source": "c", "digests": ["xyz"]}]}, "64 lower-case hex"),
        ({"signatures": [{"id": "a", "name": "b", "source": "c", "artefact": {"kind": "nothing"}}]}, "no artefact of kind"),
    ],
)
def test_a_malformed_list_names_what_is_wrong(change: dict[str, object], message: str) -> None:
    document = json.loads(issue().to_text()) | change
    with pytest.raises(DataError, match=message):
        parse_signatures(json.dumps(document))


def test_published_triggers_are_matched_and_ordinary_text_is_not() -> None:
    texts = ["I watched this 3D movie twice", "x <SUDO> y", "sudo apt-get", "a plain review of a movie"]
    assert {(s.id, tuple(at.tolist())) for s, at in match_texts(builtin(), texts) if s.least == 1} == {("T-0001", (1,)), ("T-0005", (0,))}


def test_the_scan_names_a_known_trigger_and_its_source(installed: Path, tmp_path: Path) -> None:
    texts = [t + " blue heron" if i in (3, 9) else t for i, t in enumerate(TEXTS)]
    plain = scan({"text": texts}, task="none", canaries=False)
    assert plain.conclusion.verdict == "clean"
    report = scan({"text": texts}, task="none", canaries=False, signatures=installed)
    (finding,) = report.findings
    assert finding.status == "suspected"
    assert finding.positions.tolist() == [3, 9]
    assert "X-1" in finding.explanation
    assert report.conclusion.verdict == "suspect"
    report.write(tmp_path / "out", ("json", "html", "sarif"))
    once = [t + " blue heron" if i == 3 else t for i, t in enumerate(TEXTS)]
    assert scan({"text": once}, task="none", canaries=False, signatures=installed).conclusion.verdict == "clean"


def test_a_known_release_is_recognised_by_its_digest(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "data.txt"
    path.write_text("\n".join(TEXTS))
    fingerprint = scan(path, canaries=False).data.fingerprint  # type: ignore[union-attr]
    listed = replace(issue(), entries=(Signature("R-1", "harbour reports", "a drill", None, (fingerprint,)),))
    (tmp_path / "new").write_text(sign_signatures(listed, signer))
    update(str(tmp_path / "new"), signer.key, tmp_path / "list")
    report = scan(path, canaries=False, signatures=tmp_path / "list")
    assert report.findings[0].kind == "release"
    report.write(tmp_path / "out", ("json", "html", "sarif"))


def test_the_commands(tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    from assay.ledger.keys import write_key

    write_key(tmp_path / "key", signer)
    (tmp_path / "list.json").write_text(issue(3).to_text())
    assert run(["signatures", "sign", str(tmp_path / "list.json"), "--key", str(tmp_path / "key"), "--out", str(tmp_path / "signed")]) == 0
    out = str(tmp_path / "here")
    assert run(["signatures", "update", str(tmp_path / "signed"), "--key", str(signer.key), "--out", out]) == 0
    assert run(["signatures", "show", out]) == 0
    assert "version 3" in capsys.readouterr().out
    (tmp_path / "here").write_text((tmp_path / "here").read_text().replace("heron", "robin"))
    assert run(["signatures", "show", out]) == 2
    assert "altered" in capsys.readouterr().err
