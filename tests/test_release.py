"""A release's manifest: what was signed passes, anything else is refused. (That wheels build alike is shown by tools/release.py itself.)"""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from assay.ledger.note import Signer, sign_note

TOOL = Path(__file__).parent.parent / "tools" / "release.py"


def checked(folder: Path, key: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, str(TOOL), "check", str(folder), "--key", key], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_only_what_was_signed_passes(tmp_path: Path) -> None:
    signer, stranger = Signer.generate("releases.example"), Signer.generate("releases.example")
    folder = tmp_path / "release"
    folder.mkdir()
    wheel = folder / "assay-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    manifest = folder / "MANIFEST.note"
    manifest.write_text(sign_note(f"assay release\n{'0' * 40}\n{sha256(b'a wheel').hexdigest()}  {wheel.name}\n", [signer]))
    assert checked(folder, str(signer.key)) == (0, f"1 files as signed, of commit {'0' * 40}\n")
    code, text = checked(folder, str(stranger.key))
    assert code == 2
    assert "not by a key that is trusted here" in text
    (folder / "more").write_text("x")
    code, text = checked(folder, str(signer.key))
    assert code == 2
    assert "not as the manifest lists them: more" in text
    (folder / "more").unlink()
    wheel.write_bytes(b"a wheeL")
    code, text = checked(folder, str(signer.key))
    assert code == 2
    assert "is not the file that was signed" in text
    wheel.write_bytes(b"a wheel")
    manifest.write_text(manifest.read_text().replace("assay release", "assay releasE"))
    code, text = checked(folder, str(signer.key))
    assert code == 2
    assert "altered" in text
