"""assay ledger: data that is a list of URLs."""

from __future__ import annotations

from pathlib import Path

import typer

from assay.dataset.errors import DataError


def add(group: typer.Typer) -> None:
    group.command("pin-remote", help="Fetch a list of URLs and write down what was there, for a reviewer.")(pin_remote)
    group.command("verify-remote", help="Does every URL still give what was reviewed, to every client? Exit 1 if not.")(verify_remote)


def pin_remote(
    urls: Path = typer.Argument(help="A text file with a URL a line."),
    out: Path = typer.Option(..., help="Where the pins go: JSON lines."),
) -> None:
    """Fetch and write."""
    from hashlib import sha256

    from assay.dataset.atomic import whole
    from assay.ledger import remote
    from assay.ledger.events import now

    with whole(out) as (file,):
        seen = remote.pin([line.strip() for line in urls.read_text(encoding="utf-8").splitlines() if line.strip()], now())
        remote.write(file, seen)
    typer.echo(f"{out}: {len(seen):,} URLs, SHA-256 of the list {sha256(out.read_bytes()).hexdigest()}")


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
