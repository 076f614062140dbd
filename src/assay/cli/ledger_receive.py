"""assay ledger: what comes from others, and goes to them: lists of URLs, evidence packs."""

from __future__ import annotations

from pathlib import Path

import typer

from assay.cli.ledger_common import FOLDER, trusted
from assay.cli.ledger_panels import OTHERS, SOURCES
from assay.dataset.errors import DataError


def add(group: typer.Typer) -> None:
    group.command("pin-remote", rich_help_panel=SOURCES, help="Fetch a list of URLs and write down what was there, for a reviewer.")(
        pin_remote
    )
    group.command(
        "verify-remote", rich_help_panel=SOURCES, help="Does every URL still give what was reviewed, to every client? Exit 1 if not."
    )(verify_remote)
    group.command("pack", rich_help_panel=OTHERS, help="Write one file with which a receiver can check where a snapshot came from.")(pack)
    group.command(
        "receive", rich_help_panel=OTHERS, help="Check a pack, and the data that came with it. Exit 1 if anything does not hold."
    )(receive)


def pin_remote(
    urls: Path = typer.Argument(help="A text file with a URL a line."),
    out: Path = typer.Option(..., help="Where the pins go: JSON lines."),
) -> None:
    """Fetch and write."""
    from assay.dataset.atomic import whole
    from assay.dataset.removal import sha256_of
    from assay.ledger import remote
    from assay.ledger.events import now

    with whole(out) as (file,):
        seen = remote.pin([line.strip() for line in urls.read_text(encoding="utf-8").splitlines() if line.strip()], now())
        remote.write(file, seen)
    typer.echo(f"{out}: {len(seen):,} URLs, SHA-256 of the list {sha256_of(out)}")


def verify_remote(
    pins: Path = typer.Argument(help="The file that assay ledger pin-remote wrote; what is seen now is added to it."),
) -> int:
    """Fetch as several clients do, and compare; 1 where something differs."""
    from assay.ledger import remote
    from assay.ledger.events import now

    if not pins.is_file():
        raise DataError("there is no such file", path=pins, remedy="assay ledger pin-remote writes it")
    before = remote.read(pins)
    seen = remote.look(before, now())
    remote.write(pins, seen)
    found = remote.changes(before, seen)
    for change in found:
        typer.echo(f"{change.kind}: {change.url} ({change.detail})")
    urls = len({one.url for one in before})
    typer.echo(f"{urls - len(found):,} of {urls:,} URLs give what was reviewed, to each of {len(remote.AGENTS)} clients.")
    return 1 if found else 0


def pack(
    folder: Path = FOLDER,
    snapshot: str = typer.Option(..., help="The snapshot."),
    out: Path = typer.Option(..., help="Where the pack goes: a zip file."),
    digests: bool = typer.Option(True, help="Put the digests of the rows in, so that a receiver sees which rows differ."),
    attestation: list[Path] = typer.Option([], help="A signed scan of this data, by assay attest sign; several times."),
) -> None:
    """Write it."""
    from assay.dataset.atomic import whole
    from assay.ledger import pack as packs
    from assay.ledger.ledger import Ledger

    ledger = Ledger.open(folder)
    with whole(out) as (file,):
        count = packs.pack(ledger, snapshot, file, digests=digests, attestations=attestation)
    typer.echo(f"{out}: {count} events with their proofs. The receiver needs your public key, from elsewhere: {ledger.key}")


def receive(
    path: Path = typer.Argument(help="The pack."),
    data: Path = typer.Argument(help="The data set that came with it."),
    trust: str = typer.Option(..., help="The ledger's public key, or a file that holds it."),
    scanner: list[str] = typer.Option([], help="Public key of a scanner whose attestations count, or a file that holds it; several times."),
) -> int:
    """Check, and say what holds; 1 where something does not."""
    from assay.dataset.read import read
    from assay.ledger import pack as packs
    from assay.ledger.errors import Tampered

    key = trusted(trust)
    assert key is not None
    try:
        found = packs.receive(path, key, [known for text in scanner if (known := trusted(text)) is not None])
    except Tampered as error:
        typer.echo(f"does NOT hold: {error}")
        return 1
    typer.echo(f"Snapshot {found.snapshot} of {found.size:,} records, logged at {found.time}, signed by {found.ledger}.")
    for name, state in found.sources:
        typer.echo(f"  source {name}: {state}")
    for verdict, findings in found.verdicts:
        typer.echo(f"  scanned: {verdict}, {findings} findings")
    for one in found.attestations:
        typer.echo(f"  attested by {one.by}: {one.verdict}, {len(one.predicate['findings'])} findings")
    if found.strange:
        typer.echo(f"  {found.strange} attestations are by nobody who is trusted here (--scanner)")
    for problem in found.violations:
        typer.echo(f"  breaks a rule: {problem}")
    change = packs.compare(found, read(data))
    if not change:
        typer.echo(f"{data} is that data, to the bit.")
    else:
        typer.echo(f"{data} is NOT that data: {_said(change)}")
    unapproved = any(not state.startswith("approved") for _, state in found.sources)
    return 1 if change or found.violations or unapproved else 0


def _said(change: dict[str, object]) -> str:
    parts = []
    for what, value in change.items():
        if isinstance(value, list):
            shown = ", ".join(map(str, value[:10])) + (", ..." if len(value) > 10 else "")
            parts.append(f"{len(value):,} {what} (records {shown})")
        else:
            parts.append(what if value is True else f"{value:,} {what}")
    return "; ".join(parts)
