"""OpenSSF Model Signing (OMS v1.0): the files of a snapshot, signed in the bundle that `model_signing verify key` reads.

    Sigstore bundle v0.3 > DSSE envelope > in-toto Statement v1, predicate "https://model_signing/signature/v1.0"
      subject     the data set's name, SHA-256 over the digests of all files in the order of their paths
      predicate   serialization: how files were found; resources: {name, algorithm, digest} of each
                  assay: the ledger, the snapshot and its root (verifiers of v1.0 pass over what they do not know)

An ECDSA key on P-256 is made for it, since OMS knows no Ed25519 keys. It signs files, some 200 bytes each; a row's proof is that of the
snapshot.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.dataset.errors import DAMAGE, DataError
from assay.dataset.removal import sha256_of
from assay.ledger.errors import Tampered
from assay.ledger.statement import PAYLOAD, STATEMENT, pae

PREDICATE = "https://model_signing/signature/v1.0"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# What the specification leaves out of every manifest (section 6.2), where it lies at the top.
IGNORED = (".git", ".gitattributes", ".github", ".gitignore")
SINGLE = "."  # the name of the one file where the data set is a file


def new_key(path: Path) -> str:
    """Write a secret key to `path`, PEM, readable by its owner alone; the public key, PEM. DataError where something is there."""
    from cryptography.hazmat.primitives import serialization as to
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise DataError("is there already, and a key is never overwritten", path=path, remedy="give another file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption()))
    return key.public_key().public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo).decode()


def sign(data: Path, key: Path, said: Mapping[str, Any]) -> str:
    """The bundle, JSON, of the files at `data`. `key`: a P-256 secret key in PEM; `said`: of the ledger and the snapshot."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = _loaded(key, secret=True)
    resources = _resources(data, IGNORED)
    predicate = {
        "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": list(IGNORED)},
        "resources": resources,
        "assay": dict(said),
    }
    subject = [{"name": data.absolute().name, "digest": {"sha256": _root(resources)}}]
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate}
    payload = json.dumps(statement, ensure_ascii=False, allow_nan=False).encode()
    signature = secret.sign(pae(payload), ec.ECDSA(hashes.SHA256()))
    envelope = {
        "payload": b64encode(payload).decode(),
        "payloadType": PAYLOAD,
        "signatures": [{"sig": b64encode(signature).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": sha256(_pem(secret.public_key())).hexdigest()}, "tlogEntries": []}
    return json.dumps({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}) + "\n"


def check(bundle: str, data: Path, key: Path) -> dict[str, Any]:
    """The statement. Raises Tampered unless the public key `key` (PEM) signed it, and exactly these files are at `data`.

    Reads what `model_signing sign key` writes, method "files" with SHA-256.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    public = _loaded(key, secret=False)
    try:
        said = json.loads(bundle)
        envelope = said["dsseEnvelope"]
        payload, signature = b64decode(envelope["payload"]), b64decode(envelope["signatures"][0]["sig"])
        if envelope["payloadType"] != PAYLOAD:
            raise ValueError(f"the payload is {envelope['payloadType']!r}")
        public.verify(signature, pae(payload), ec.ECDSA(hashes.SHA256()))
        statement: dict[str, Any] = json.loads(payload)
        how, resources = statement["predicate"]["serialization"], statement["predicate"]["resources"]
        (subject,) = statement["subject"]
        if statement["predicateType"] != PREDICATE or how["method"] != "files" or how["hash_type"] != "sha256":
            raise ValueError("it is of a kind that is not read here: " + str(how))
        signed = {one["name"]: one["digest"] for one in resources}
        if _root(resources) != subject["digest"]["sha256"]:
            raise ValueError("the digest of the whole is not that of its files")
        ignored = tuple(how.get("ignore_paths", ()))
    except InvalidSignature as error:
        raise Tampered("the bundle is not signed by this key, or was altered since") from error
    except DAMAGE as error:
        raise Tampered(f"no OMS bundle that holds: {error}") from error
    there = {one["name"]: one["digest"] for one in _resources(data, ignored)}
    for what, names in (
        ("altered", [name for name in sorted(there.keys() & signed.keys()) if there[name] != signed[name]]),
        ("missing", sorted(signed.keys() - there.keys())),
        ("added", sorted(there.keys() - signed.keys())),
    ):
        if names:
            raise Tampered(f"{len(names)} files are {what} since they were signed: {', '.join(names[:3])}", path=data)
    return statement


def _resources(data: Path, ignored: tuple[str, ...]) -> list[dict[str, str]]:
    if data.is_file():
        return [{"name": SINGLE, "algorithm": "sha256", "digest": sha256_of(data)}]
    if not data.is_dir():
        raise DataError("there is no such data set", path=data, remedy="give the file or the folder")
    found = []
    for root, folders, names in os.walk(data):
        folders.sort()
        for name in names:
            file = Path(root, name)
            inside = file.relative_to(data)
            if any(inside.is_relative_to(Path(one)) for one in ignored):
                continue
            if file.is_symlink():
                raise DataError("is a link, and links are not signed", path=file, remedy="put the file itself there")
            found.append({"name": inside.as_posix(), "algorithm": "sha256", "digest": sha256_of(file)})
    return sorted(found, key=lambda one: one["name"])


def _root(resources: list[dict[str, str]]) -> str:
    return sha256(b"".join(bytes.fromhex(one["digest"]) for one in resources)).hexdigest()


def _loaded(path: Path, *, secret: bool) -> Any:
    from cryptography.hazmat.primitives import serialization as of
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        data = path.read_bytes()
        key = of.load_pem_private_key(data, None) if secret else of.load_pem_public_key(data)
    except DAMAGE as error:
        raise DataError(
            f"no {'secret' if secret else 'public'} key in PEM ({error})", path=path, remedy="assay ledger key --oms"
        ) from error
    curve = getattr(key, "curve", None)
    if not isinstance(curve, ec.SECP256R1):
        raise DataError("is no ECDSA key on P-256", path=path, remedy="make one: assay ledger key NAME --oms")
    return key


def _pem(public: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization as to

    pem: bytes = public.public_bytes(to.Encoding.PEM, to.PublicFormat.SubjectPublicKeyInfo)
    return pem
