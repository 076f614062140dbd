"""assay identify"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from assay.dataset.data import Dataset
    from assay.ledger.identify import Match

HELP = """Tell which known-good data set a download is, and which rows were altered, added or are missing.

--known names files that assay identify --write or assay ledger pack wrote, or folders of them; --trust whose word counts. Exit 0 if \
it is one of them to the bit, else 1.
"""
SHOWN = 10  # rows printed of a list; --out has them all


def add(app: typer.Typer) -> None:
    app.command("identify", help=HELP, short_help="Compare a download with known-good fingerprints.")(identify)


def identify(
    path: Path = typer.Argument(help="The data set."),
    known: list[Path] = typer.Option([], help="A file of a known data set, or a folder of them; several times."),
    trust: list[str] = typer.Option(
        [], help="Public key of somebody who vouches for known data sets, or a file that holds it; several times."
    ),
    out: Path | None = typer.Option(None, help="Write all differences as JSON."),
    write: Path | None = typer.Option(
        None, help="Vouch for this data set: write it as a known one, ending in .good.", rich_help_panel="Vouch"
    ),
    name: str = typer.Option("", help="With --write: its name.", rich_help_panel="Vouch"),
    version: str = typer.Option("", help="With --write: its version.", rich_help_panel="Vouch"),
    origin: str = typer.Option("", "--from", help="With --write: where it is published.", rich_help_panel="Vouch"),
    as_: Path | None = typer.Option(None, "--as", help="With --write: your secret key.", rich_help_panel="Vouch"),
    content: str | None = typer.Option(None, help="Columns that a model sees, comma-separated.", rich_help_panel="Columns"),
    label: str | None = typer.Option(None, help="Label columns, comma-separated.", rich_help_panel="Columns"),
    id: str | None = typer.Option(None, help="Column that names a row.", rich_help_panel="Columns"),
) -> int:
    """Compare, or vouch; 1 where it is none of the known ones."""
    import json

    from assay.cli.ledger_common import trusted
    from assay.cli.scan import listed
    from assay.dataset.atomic import whole
    from assay.dataset.data import Columns
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.ledger import identify as known_good
    from assay.ledger.keys import read_key

    if write is not None:
        if as_ is None or not name:
            raise DataError("to vouch for a data set needs a name and a key", remedy="give --name NAME and --as KEYFILE")
        signer = read_key(as_)
        data = read(path, columns=Columns(listed(content), listed(label), id))
        with whole(write) as (file,):
            known_good.write(data, file, name, version, origin, signer)
        typer.echo(f"{write}: {name} {version}, {data.records:,} records, fingerprint {data.fingerprint}. Checked with {signer.key}")
        return 0
    keys = [key for text in trust if (key := trusted(text)) is not None]
    if not known or not keys:
        raise DataError("nothing is known to compare with", remedy="give --known FILE and --trust KEY")
    every = [known_good.read(file, keys) for file in known_good.files(known)]
    data = read(path, columns=Columns(listed(content), listed(label), id))
    found = known_good.closest(data, every)
    if found is None:
        typer.echo(f"{path} shares no row with any of {len(every)} known data sets.")
        return 1
    if out is not None:
        with whole(out) as (file,):
            file.write_text(json.dumps(_document(data, found), indent=1) + "\n", encoding="utf-8")
    return _say(path, data, found)


def _document(data: Dataset, found: Match) -> dict[str, object]:
    return {
        "schema": "assay.identified/1",
        "fingerprint": data.fingerprint,
        "known": {"name": found.good.name, "fingerprint": found.good.fingerprint, "by": found.good.by},
        "shared": found.shared,
        "altered": [{"record": new, "was": old} for new, old in found.altered],
        "added": list(found.added),
        "missing": list(found.missing),
        "other_order": found.other_order,
    }


def _say(path: Path, data: Dataset, found: Match) -> int:
    good = found.good
    if found.same:
        typer.echo(f"{path} is {good.name}, to the bit; {good.by} vouches for it.")
        return 0
    typer.echo(f"{path} is NOT {good.name}, which is closest: {found.shared:,} of its {len(good.digests):,} rows are here.")
    names = dict(zip(data.row.tolist(), data.key, strict=True))
    parts = (
        ("altered", [names.get(new, str(new)) for new, _ in found.altered]),
        ("added", [names.get(new, str(new)) for new in found.added]),
        ("missing", [good.keys[old] if good.keys else f"record {old}" for old in found.missing]),
    )
    for what, rows in parts:
        if rows:
            typer.echo(f"  {len(rows):,} {what}: {', '.join(rows[:SHOWN])}{', ...' if len(rows) > SHOWN else ''}")
    if found.other_order:
        typer.echo("  rows that both have stand in another order")
    return 1
