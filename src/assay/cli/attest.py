"""assay attest"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

HELP = """Sign what a scan concluded, so that whoever receives the data can check it.

The receiver checks the signature, that he holds the very data, and with --again that a scan of his own comes to the same.
"""


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="attest", help=HELP, no_args_is_help=True, short_help="Sign a scan, or check one that was signed.")
    group.command("sign", help="Sign the verdict, findings, checks and settings of a report. Needs the extra ledger.")(sign)
    group.command("check", help="Check a signed scan against the data. Exit 1 if it does not hold.")(check)
    app.add_typer(group)


def sign(
    report: Path = typer.Argument(help="The folder that assay scan wrote."),
    as_: Path = typer.Option(..., "--as", help="The scanner's secret key: assay ledger key makes one."),
    out: Path = typer.Option(..., help="Where the attestation goes: a DSSE envelope, JSON."),
) -> None:
    """Sign, and say with which key it is checked."""
    from assay.dataset.atomic import whole
    from assay.dataset.removal import sha256_of
    from assay.ledger import attest
    from assay.ledger.keys import read_key
    from assay.report.folder import JSON, read_json

    document = read_json(report)
    signer = read_key(as_)
    digest = sha256_of(report / JSON)
    with whole(out) as (file,):
        file.write_text(attest.sign(document, digest, Path(document["dataset"]["path"]).name, signer), encoding="utf-8")
    typer.echo(f"{out}: {document['verdict']}, {len(document['findings'])} findings. Checked with {signer.key}")


def check(
    path: Path = typer.Argument(help="The attestation."),
    data: Path = typer.Argument(help="The data set."),
    trust: str = typer.Option(..., help="The scanner's public key, or a file that holds it."),
    again: bool = typer.Option(False, "--again", help="Scan the data with the attested settings, and compare."),
) -> int:
    """Check; 1 where something does not hold."""
    from assay.cli.ledger_common import trusted
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.ledger import attest
    from assay.ledger.errors import Tampered
    from assay.report.act import columns_of

    key = trusted(trust)
    assert key is not None
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy="assay attest sign writes it")
    try:
        said = attest.check(path.read_text(encoding="utf-8", errors="replace"), key)
    except Tampered as error:
        typer.echo(f"does NOT hold: {error}")
        return 1
    found = read(data, columns=columns_of(said.predicate["data"]["columns"]), task=said.predicate["data"]["task"])
    if found.fingerprint != said.fingerprint:
        typer.echo(f"{data} is NOT the data that was scanned: {found.fingerprint[:16]}…, attested {said.fingerprint[:16]}…")
        return 1
    typer.echo(f"{key.name} scanned exactly this data: {said.verdict}, {len(said.predicate['findings'])} findings.")
    return _again(data, said.predicate) if again else 0


def _again(data: Path, said: dict[str, Any]) -> int:
    from assay.api import named, scan
    from assay.cli.progress import progress_bar
    from assay.ledger import attest
    from assay.report.act import columns_of

    columns, settings = columns_of(said["data"]["columns"]), said["settings"]
    with progress_bar() as progress:
        report = scan(
            data,
            **named(columns),
            task=said["data"]["task"],
            progress=progress,
            **{name: settings[name] for name in ("alpha", "depth", "seed", "canaries", "samples")},
        )
    other = {name: version for name, version in report.document["versions"].items() if said["versions"].get(name) != version}
    differs = attest.differences(said, attest.predicate(report.document, ""))
    for line in differs:
        typer.echo(f"Scanned again: {line}.")
    if not differs:
        typer.echo("Scanned again: the same verdict, the same findings, the same checks.")
    elif other:
        typer.echo(f"Other versions are at work here ({', '.join(f'{name} {version}' for name, version in sorted(other.items()))}).")
    return 1 if differs else 0
