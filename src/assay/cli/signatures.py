"""assay signatures"""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True, help="Known triggers and poisoned releases, in a signed file.")


def add(main: typer.Typer) -> None:
    main.add_typer(app, name="signatures")


@app.command("show")
def show(file: str = typer.Argument("builtin", help="A signed file, or builtin: the list that comes with Assay.")) -> int:
    """Check a signature file and list what it holds."""
    from assay.known.signatures import open_signatures

    held = open_signatures(file)
    typer.echo(f"version {held.version}, issued {held.issued}, {len(held.entries)} signatures")
    for entry in held.entries:
        typer.echo(f"{entry.id}  {entry.name}  ({entry.source}; from {entry.least} rows)")
    return 0


@app.command("sign")
def sign(
    document: Path = typer.Argument(help="The list, as JSON of the schema assay.signatures/1."),
    key: Path = typer.Option(help="The secret key file, from assay ledger key."),
    out: Path = typer.Option(help="The signed file."),
) -> int:
    """Sign a list, for others to use; the line to give them beside it is printed."""
    from assay.dataset.atomic import refuse_existing
    from assay.dataset.errors import DataError
    from assay.known.signatures import parse_signatures, sign_signatures
    from assay.ledger.keys import read_key

    refuse_existing(out)
    if not document.is_file():
        raise DataError("there is no such file", path=document, remedy="give the list as JSON")
    signer = read_key(key)
    held = parse_signatures(document.read_text("utf-8"), document)
    out.write_text(sign_signatures(held, signer), "utf-8")
    typer.echo(f"{out}: version {held.version}, {len(held.entries)} signatures. Those who trust you need: --key {signer.key}")
    return 0


@app.command("update")
def update(
    source: str = typer.Argument(help="A path, or an https URL: nothing is fetched that is not named here."),
    key: str = typer.Option(help="Who must have signed it: NAME+ID+BASE64."),
    out: Path = typer.Option(help="The file to put it into; the key goes beside it."),
) -> int:
    """Bring a newer list in, once its signature holds and its version is no older than what is there."""
    from assay.known.update import update as bring
    from assay.ledger.note import Key

    held = bring(source, Key.parse(key), out)
    typer.echo(f"{out}: version {held.version}, issued {held.issued}, {len(held.entries)} signatures")
    return 0
