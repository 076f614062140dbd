"""Time stamps by an authority that is not ours: `openssl ts` answers, and `openssl ts -verify` reads what we keep."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from assay.cli import run
from assay.dataset.errors import DataError
from assay.ledger import stamps
from assay.ledger.errors import Tampered
from assay.ledger.keys import write_key
from assay.ledger.log import Log
from assay.ledger.storage import Folder
from ledger_examples import KEY, new_ledger

pytest.importorskip("rfc3161_client")
if shutil.which("openssl") is None:
    pytest.skip("openssl is not installed here", allow_module_level=True)

CONFIG = """[tsa]
serial = {home}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def certificate(
    home: Path, name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    key, subject, today = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        datetime.now(UTC),
    )
    signer, secret = issuer or (subject, key)
    made = x509.CertificateBuilder(signer, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=2))
    made = made.add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    if issuer is not None:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    (home / f"{name}.pem").write_bytes(made.sign(secret, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / f"{name}.key").write_bytes(pem)
    return subject, key


class Authority(HTTPServer):
    """Answers with `openssl ts -reply`; `replay`: with the answer to somebody else, whatever is asked."""

    def __init__(self, home: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.home, self.replay = home, b""
        certificate(home, "tsa", certificate(home, "root", None))
        certificate(home, "stranger", None)
        (home / "serial").write_text("01")
        (home / "tsa.cnf").write_text(CONFIG.format(home=home))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def root(self) -> bytes:
        return (self.home / "root.pem").read_bytes()


class Answers(BaseHTTPRequestHandler):
    server: Authority

    def do_POST(self) -> None:
        home = self.server.home
        (home / "q").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        asked = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "q", "-inkey", "tsa.key"]
        subprocess.run([*asked, "-signer", "tsa.pem", "-out", "r"], cwd=home, check=True, capture_output=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.replay or (home / "r").read_bytes())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    (tmp_path / "tsa").mkdir()
    made = Authority(tmp_path / "tsa")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_stamped_and_checked(authority: Authority, tmp_path: Path) -> None:
    log = Log.create(Folder(tmp_path / "l"), KEY)
    where = tmp_path / "l" / stamps.FOLDER
    for count in (300, 20):
        log.append([b"%d" % i for i in range(count)])
        log.publish()
        made = stamps.stamp(log, where, authority.url, [authority.root])
        assert abs(datetime.fromisoformat(made.time) - datetime.now(UTC)) < timedelta(minutes=1)
    assert [one.size for one in stamps.check(log, where, [authority.root])] == [300, 320]
    (tmp_path / "text").write_text(log.checkpoint().text())
    verify = ["openssl", "ts", "-verify", "-data", "text", "-in", where / "320.tsr", "-CAfile", "tsa/root.pem"]
    assert subprocess.run(verify, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    with pytest.raises(Tampered, match=r"does not hold"):
        stamps.check(log, where, [(authority.home / "stranger.pem").read_bytes()])
    (tmp_path / "x").mkdir()
    for place in range(1, 60, 3):  # the last 64 bytes are of the signature
        answer = bytearray((where / "320.tsr").read_bytes())
        answer[-place] ^= 1
        (tmp_path / "x" / "320.tsr").write_bytes(answer)
        with pytest.raises(Tampered, match=r"does not hold"):
            stamps.check(log, tmp_path / "x", [authority.root])


def test_a_rewritten_log_does_not_fit(authority: Authority, tmp_path: Path) -> None:
    first, second = (Log.create(Folder(tmp_path / name), KEY) for name in ("a", "b"))
    for log, text in ((first, b"x"), (second, b"y")):
        log.append([text] * 9)
        log.publish()
    stamps.stamp(first, tmp_path / "stamps", authority.url, [authority.root])
    with pytest.raises(Tampered, match=r"does not hold"):
        stamps.check(second, tmp_path / "stamps", [authority.root])
    (tmp_path / "stamps" / "9.tsr").rename(tmp_path / "stamps" / "10.tsr")
    with pytest.raises(Tampered, match=r"rolled back"):
        stamps.check(first, tmp_path / "stamps", [authority.root])
    authority.replay = (authority.home / "r").read_bytes()
    with pytest.raises(Tampered, match=r"[Nn]once"):
        stamps.stamp(first, tmp_path / "c", authority.url, [authority.root])
    with pytest.raises(DataError, match=r"does not answer"):
        stamps.stamp(first, tmp_path / "c", "http://127.0.0.1:1", [authority.root])


def test_the_command(authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = new_ledger(tmp_path)
    write_key(tmp_path / "ledger.key", KEY)
    where, root = str(ledger.folder), ["--tsa-root", str(authority.home / "root.pem")]
    assert run(["ledger", "stamp", where, "--tsa", authority.url, *root]) == 0
    assert run(["ledger", "verify", where, *root]) == 0
    assert "The first 1 events were there at" in capsys.readouterr().out
    assert run(["ledger", "verify", where, "--tsa-root", str(authority.home / "stranger.pem")]) == 1
