"""assay ledger: sources, who approves them, and the rows they bring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.cli.ledger_common import FOLDER, KEY, until, writer
from assay.cli.ledger_panels import SOURCES
from assay.cli.scan import listed

if TYPE_CHECKING:
    from assay.ledger.index import Index

FINGERPRINT = typer.Argument(help="The fingerprint, or how it begins.")


def add(group: typer.Typer) -> None:
    source = typer.Typer(name="source", help="Register and list sources.", no_args_is_help=True)
    source.command("add", help="Register a source. It may bring nothing before it is approved.")(source_add)
    source.command("list", help="List the sources and whether they may bring rows.")(source_list)
    group.add_typer(source, rich_help_panel=SOURCES)
    group.command("approve", rich_help_panel=SOURCES, help="Approve a source with an approver's key.")(approve)
    group.command("approvers", rich_help_panel=SOURCES, help="Name other approvers, if enough of the present ones agree.")(approvers)
    group.command("revoke", rich_help_panel=SOURCES, help="Revoke a source with an approver's key: it may bring nothing more.")(revoke)
    held = typer.Typer(name="quarantine", help="What may not come in yet: list, admit, reject.", no_args_is_help=True)
    held.command("list", help="List what is held, and why.")(quarantine_list)
    held.command("admit", help="Add what is held, if the rules allow it by now.")(quarantine_admit)
    held.command("reject", help="Delete what is held, and log why.")(quarantine_reject)
    group.add_typer(held, rich_help_panel=SOURCES)
    group.command("add", rich_help_panel=SOURCES, help="Log the rows of a data set as brought by an approved source.")(add_rows)


def source_add(
    folder: Path = FOLDER,
    name: str = typer.Argument(help="The name of the source."),
    licence: str = typer.Option(..., help="Licence of what it brings, as SPDX writes it where it can."),
    contact: str = typer.Option(..., help="Who answers for it."),
    method: str = typer.Option(..., help="How it collects."),
    url: str = typer.Option("", help="Where it is."),
    key: Path | None = KEY,
) -> None:
    """Register."""
    number = writer(folder, key).register(name, licence=licence, contact=contact, method=method, url=url)
    typer.echo(f"Registered {name!r} as event {number}. Next: assay ledger approve {folder} {name!r} --as KEY --expires DATE")


def source_list(folder: Path = FOLDER) -> None:
    """List."""
    from assay.ledger.ledger import Ledger

    index = Ledger.open(folder).index
    for name in index.source_names():
        found = index.source(name)
        typer.echo(f"{name}: {index.brought(name).rows:,} rows; {_state(index, name)}; licence {found.licence}; {found.contact}")


def _state(index: Index, name: str) -> str:
    """Until when a source is approved, or what is wanting."""
    from assay.ledger.approval import standing
    from assay.ledger.errors import Refused

    try:
        return f"approved until {standing(index.policy(), index.source(name), _now()).expires}"
    except Refused as error:
        return str(error).split(". Remedy")[0].replace(f"the source {name!r} ", "")


def _now() -> str:
    from assay.ledger.events import now

    return now()


def approve(
    folder: Path = FOLDER,
    name: str = typer.Argument(help="The source."),
    as_: Path | None = typer.Option(None, "--as", help="The approver's secret key."),
    expires: str | None = typer.Option(None, help="When the approval ends: 2027-01-31."),
    rows: int | None = typer.Option(None, help="How many rows it may ever bring. Default: no limit.", min=0),
    daily: int | None = typer.Option(None, help="How many on one day (UTC). Default: no limit.", min=0),
    each: int | None = typer.Option(None, help="How many any one contributor may bring through it. Default: no limit.", min=0),
    labels: str | None = typer.Option(None, help="The labels its rows may carry, comma-separated. Default: any."),
    pin: Path | None = typer.Option(None, help="The data set that was reviewed: nothing else may be brought."),
    sign_only: bool = typer.Option(False, "--sign-only", help="Print the signed approval, for the ledger's keeper to log."),
    note: Path | None = typer.Option(None, help="Log an approval that was printed by --sign-only."),
    key: Path | None = KEY,
) -> None:
    """Sign, log, or both."""
    from assay.dataset.errors import DataError
    from assay.dataset.read import read
    from assay.ledger import approval
    from assay.ledger.events import moment
    from assay.ledger.keys import read_key
    from assay.ledger.ledger import Ledger

    if note is not None:
        text = note.read_text(encoding="utf-8")
    elif as_ is None or expires is None:
        raise DataError("an approval needs a key and an end", remedy="give --as KEYFILE and --expires DATE, or --note FILE")
    else:
        index = Ledger.open(folder).index
        allowed = listed(labels) if labels is not None else None
        scope = approval.Scope(rows, daily, each, allowed, None if pin is None else read(pin).fingerprint, moment(expires))
        text = approval.approve(index.policy(), index.source(name), scope, read_key(as_))
    if sign_only:
        typer.echo(text, nl=False)
        return
    ledger = writer(folder, key)
    ledger.approve(name, text)
    policy = ledger.index.policy()
    agreed = {who for _, who in ledger.index.source(name).approvals}
    typer.echo(f"Approvals of {name!r}: {', '.join(sorted(agreed))}; {policy.threshold} of {len(policy.approvers)} are needed.")
    typer.echo(f"{name}: {_state(ledger.index, name)}")


def approvers(
    folder: Path = FOLDER,
    approver: list[str] = typer.Option([], help="Public key of each approver from now on; KEY@2027-06-30: until then."),
    threshold: int = typer.Option(1, min=1, help="How many of them must agree to a source."),
    as_: list[Path] = typer.Option([], "--as", help="The secret key of a present approver; several times."),
    note: list[Path] = typer.Option([], help="A consent that was printed by --sign-only; several times."),
    sign_only: bool = typer.Option(False, "--sign-only", help="Print the signed consent, for the ledger's keeper to log."),
    key: Path | None = KEY,
) -> None:
    """Sign, log, or both."""
    from assay.ledger import approval
    from assay.ledger.keys import read_key
    from assay.ledger.ledger import Ledger

    old = Ledger.open(folder).index.policy()
    new = approval.policy_of(old.origin, [until(text) for text in approver], threshold)
    notes = [path.read_text(encoding="utf-8") for path in note] + [approval.change(old, new, read_key(path)) for path in as_]
    if sign_only:
        typer.echo("".join(notes), nl=False)
        return
    keys = new.lines()
    event = writer(folder, key).record([("approvers.changed", {"approvers": keys, "threshold": threshold, "notes": notes})])
    typer.echo(f"Event {event}: {threshold} of {', '.join(one.name for one in new.approvers)} must agree to a source from now on.")


def revoke(
    folder: Path = FOLDER,
    name: str = typer.Argument(help="The source."),
    as_: Path = typer.Option(..., "--as", help="An approver's secret key; one is enough."),
    reason: str = typer.Option(..., help="Why, for everyone who reads the log."),
    key: Path | None = KEY,
) -> None:
    """Revoke."""
    from assay.ledger import approval
    from assay.ledger.keys import read_key

    ledger = writer(folder, key)
    ledger.revoke(name, approval.revoke(ledger.index.policy(), ledger.index.source(name), reason, read_key(as_)))
    brought = ledger.index.brought(name).rows
    typer.echo(f"Revoked {name!r}. The {brought:,} rows it has brought stay: assay ledger impact {folder} --source {name!r}")


def add_rows(
    folder: Path = FOLDER,
    path: Path = typer.Argument(help="The data set."),
    source: str = typer.Option(..., help="The source that brought it."),
    by: str | None = typer.Option(None, help="The contributor of all its rows."),
    content: str | None = typer.Option(None, help="Columns that a model sees, comma-separated.", rich_help_panel="Columns"),
    label: str | None = typer.Option(None, help="Label columns, comma-separated.", rich_help_panel="Columns"),
    id: str | None = typer.Option(None, help="Column that names a row.", rich_help_panel="Columns"),
    contributor: str | None = typer.Option(None, help="Column that says who added a row.", rich_help_panel="Columns"),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check, and log nothing."),
    quarantine: bool = typer.Option(False, "--quarantine", help="Hold what may not come in, and log that; exit 1."),
    key: Path | None = KEY,
) -> int:
    """Add, and say how many rows; 1 where they were held."""
    from assay.dataset.data import Columns
    from assay.dataset.read import read
    from assay.ledger import ingest
    from assay.ledger.errors import Refused
    from assay.ledger.quarantine import hold

    ledger = writer(folder, key)
    data = read(path, columns=Columns(listed(content), listed(label), id, contributor))
    try:
        done = ingest.add(ledger, data, source, contributor=by, dry_run=dry_run)
    except Refused as error:
        if not quarantine or dry_run:
            raise
        event = hold(ledger, data, source, error, contributor=by)
        typer.echo(f"HELD, event {event}: {error}")
        typer.echo(f"Once that is settled: assay ledger quarantine admit {folder} {data.fingerprint[:16]}")
        return 1
    typer.echo(f"{path}: {len(done.rows):,} rows {'would be logged' if dry_run else 'logged'} as brought by {source!r}.")
    if done.known:
        typer.echo(f"{done.known:,} rows it had brought before were passed over.")
    if done.unreadable:
        typer.echo(f"{done.unreadable:,} records cannot be read, and were left out.")
    return 0


def quarantine_list(folder: Path = FOLDER) -> None:
    """List."""
    from assay.ledger.ledger import Ledger
    from assay.ledger.quarantine import held

    for one in held(Ledger.open(folder)):
        typer.echo(f"{one.fingerprint[:16]}: {one.records:,} records of {one.source!r}, event {one.event}: {one.reason}")


def quarantine_admit(folder: Path = FOLDER, fingerprint: str = FINGERPRINT, key: Path | None = KEY) -> None:
    """Admit."""
    from assay.ledger.quarantine import admit

    done = admit(writer(folder, key), fingerprint)
    typer.echo(f"{len(done.rows):,} rows logged; they are held no longer.")


def quarantine_reject(
    folder: Path = FOLDER,
    fingerprint: str = FINGERPRINT,
    reason: str = typer.Option(..., help="Why, for everyone who reads the log."),
    key: Path | None = KEY,
) -> None:
    """Reject."""
    from assay.ledger.quarantine import reject

    reject(writer(folder, key), fingerprint, reason)
    typer.echo("Rejected: the copy is deleted, and the log says why.")
