"""assay ledger: the log, its keys and its sources. What it says of data sets is in ledger_data.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.cli import ledger_data, ledger_receive
from assay.cli.ledger_panels import LOG, SOURCES
from assay.cli.scan import listed

if TYPE_CHECKING:
    from assay.ledger.ledger import Ledger
    from assay.ledger.note import Key

HELP = """Prove where every row came from.

A ledger is a folder that holds what happened to a data set, row by row, in a log that nobody can rewrite. Start with \
assay ledger init.
"""

FOLDER = typer.Argument(help="The folder of the ledger.")
KEY = typer.Option(None, "--key", help="The ledger's secret key. Default: LEDGER.key beside the folder.")
TRUST = typer.Option(None, "--trust", help="The ledger's public key, got from elsewhere. Default: the one in the folder.")


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="ledger", help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    group.command("init", rich_help_panel=LOG, help="Make a ledger and its key.")(init)
    group.command("key", rich_help_panel=LOG, help="Make a key for an approver, and print the public part.")(key)
    source = typer.Typer(name="source", help="Register and list sources.", no_args_is_help=True)
    source.command("add", help="Register a source. It may bring nothing before it is approved.")(source_add)
    source.command("list", help="List the sources and whether they may bring rows.")(source_list)
    group.add_typer(source, rich_help_panel=SOURCES)
    group.command("approve", rich_help_panel=SOURCES, help="Approve a source with an approver's key.")(approve)
    group.command("revoke", rich_help_panel=SOURCES, help="Revoke a source with an approver's key: it may bring nothing more.")(revoke)
    group.command("add", rich_help_panel=SOURCES, help="Log the rows of a data set as brought by an approved source.")(add_rows)
    ledger_data.add(group)
    ledger_receive.add(group)
    group.command(
        "verify",
        rich_help_panel=LOG,
        help="Check every entry, tile and signature of a ledger, and every rule. Exit 1 if one does not hold.",
    )(verify)
    group.command(
        "witness", rich_help_panel=LOG, help="Cosign the checkpoint with a witness's key, if it continues what that witness signed before."
    )(witness)
    group.command("compare", rich_help_panel=LOG, help="Are two checkpoints, got by two readers, of one history? Exit 1 if the log lied.")(
        compare
    )
    group.command("proof", rich_help_panel=LOG, help="Write the inclusion proof of one event, to be checked offline.")(proof)
    group.command("log", rich_help_panel=LOG, help="List events.")(log)
    app.add_typer(group)


def key_file(folder: Path, given: Path | None) -> Path:
    """The file of the ledger's secret key."""
    return given or folder.with_name(folder.name + ".key")


def writer(folder: Path, given: Path | None) -> Ledger:
    """The ledger, open for writing."""
    from assay.ledger.ledger import Ledger

    return Ledger.open(folder, key_file=key_file(folder, given))


def trusted(text: str | None) -> Key | None:
    """A public key given as its line, or as a file that holds it."""
    from assay.ledger.note import Key

    return None if text is None else Key.parse(_line(text))


def _line(text: str) -> str:
    """What is in the file `text`; where that names no file, `text` itself. A key is longer than file names may be, or has a +."""
    return Path(text).read_text(encoding="utf-8") if len(text) < 256 and Path(text).is_file() else text


def init(
    folder: Path = FOLDER,
    origin: str | None = typer.Option(None, help="The ledger's name, for ever: like example.com/data. Default: the folder's name."),
    key: Path | None = KEY,
    approver: list[str] = typer.Option([], help="Public key of an approver, as assay ledger key printed it; several times."),
    threshold: int = typer.Option(1, min=1, help="How many approvers must agree to a source."),
) -> None:
    """Make it, and say what to keep."""
    from assay.ledger.keys import read_key, write_key
    from assay.ledger.ledger import Ledger, memo_of
    from assay.ledger.note import Signer

    secret = key_file(folder, key)
    approvers = [found for text in approver if (found := trusted(text)) is not None]
    if not secret.exists():
        write_key(secret, Signer.generate(origin or folder.absolute().name))
    signer = read_key(secret)
    Ledger.create(folder, signer, memo_of(secret), approvers, threshold)
    typer.echo(f"{folder}: a new ledger. Give its public key to all who will check it:\n\n    {signer.key}\n")
    typer.echo(f"{secret} is its secret key, and {secret}.last what it has signed: keep both, and not with copies of the ledger.")
    if not approvers:
        typer.echo("No approvers were named, so the ledger's own key approves sources; with --approver others must.")


def key(
    name: str = typer.Argument(help="Whose it is: alice, example.com/alice."),
    out: Path | None = typer.Option(None, help="Where the secret key goes. Default: NAME.key here."),
    post_quantum: bool = typer.Option(False, "--post-quantum", help="An ML-DSA-44 key, for witnesses; approvers and ledgers use Ed25519."),
) -> None:
    """Make a key."""
    from assay.ledger.keys import write_key
    from assay.ledger.note import Signer
    from assay.ledger.witness import Cosigner

    target = out or Path(f"{name.replace('/', '-')}.key")
    if post_quantum:
        cosigner = Cosigner.generate(name)
        write_key(target, cosigner)
        typer.echo(str(cosigner.witness))
        return
    signer = Signer.generate(name)
    write_key(target, signer)
    typer.echo(str(signer.key))


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
    from assay.ledger.approval import standing
    from assay.ledger.errors import Refused
    from assay.ledger.ledger import Ledger

    index = Ledger.open(folder).index
    for name in index.source_names():
        found = index.source(name)
        try:
            scope = standing(index.policy(), found, _now())
            state = f"approved until {scope.expires}"
        except Refused as error:
            state = str(error).split(". Remedy")[0].replace(f"the source {name!r} ", "")
        typer.echo(f"{name}: {index.brought(name).rows:,} rows; {state}; licence {found.licence}; {found.contact}")


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
    key: Path | None = KEY,
) -> None:
    """Add, and say how many rows."""
    from assay.dataset.data import Columns
    from assay.dataset.read import read
    from assay.ledger import ingest

    ledger = writer(folder, key)
    data = read(path, columns=Columns(listed(content), listed(label), id, contributor))
    done = ingest.add(ledger, data, source, contributor=by, dry_run=dry_run)
    typer.echo(f"{path}: {len(done.rows):,} rows {'would be logged' if dry_run else 'logged'} as brought by {source!r}.")
    if done.known:
        typer.echo(f"{done.known:,} rows it had brought before were passed over.")
    if done.unreadable:
        typer.echo(f"{done.unreadable:,} records cannot be read, and were left out.")


def verify(
    folder: Path = FOLDER,
    trust: str | None = TRUST,
    seen: Path | None = typer.Option(None, help="File that remembers the head you saw last: the ledger must continue it."),
    witness: list[str] = typer.Option([], help="Public key of a witness, or a file that holds it; several times."),
    quorum: int | None = typer.Option(None, help="How many of the witnesses must have signed. Default: all.", min=0),
) -> int:
    """Check everything; 1 where something does not hold."""
    from assay.cli.progress import progress_bar
    from assay.ledger.audit import audit
    from assay.ledger.beside import check_beside
    from assay.ledger.errors import Tampered
    from assay.ledger.ledger import Ledger
    from assay.ledger.log import Memo
    from assay.ledger.witness import Witness, require

    try:
        ledger = Ledger.open(folder, trust=trusted(trust))
        memo = None if seen is None else Memo(seen)
        with progress_bar() as progress:
            found = audit(ledger.log, None if memo is None else memo.read(ledger.key), lambda done, of: progress(done, of, "verify"))
            ledger.index.clear()
            ledger.refresh(lambda done, of: progress(done, of, "rules"))
            beside = check_beside(ledger)
        witnesses = [Witness.parse(_line(text)) for text in witness]
        require(ledger.log.note().decode(), witnesses, len(witnesses) if quorum is None else quorum)
    except Tampered as error:
        typer.echo(f"NOT as it was signed: {error}")
        return 1
    if memo is not None:
        memo.write(ledger.log.note().decode())
    typer.echo(f"{found.head.size:,} events, {found.bundles:,} bundles and {found.tiles:,} tiles are what {ledger.key} signed.")
    typer.echo(f"{beside.snapshots} snapshots and {beside.statements} statements are signed, and as the log says.")
    if beside.without_list:
        typer.echo(f"Without their lists of rows, which are not here: {', '.join(beside.without_list)}.")
    if found.acknowledged:
        typer.echo(f"{found.acknowledged:,} more are acknowledged, and not yet in the tree: the next command with the key brings them in.")
    if trust is None:
        typer.echo("The key was taken from the folder itself; to be sure whose it is, give --trust KEY.")
    broken = ledger.index.violations()
    for event, problem in broken:
        typer.echo(f"Event {event} breaks a rule: {problem.split('. Remedy: ')[0]}")
    return 1 if broken else 0


def witness(
    folder: Path = FOLDER,
    as_: Path = typer.Option(..., "--as", help="The witness's secret key: assay ledger key makes one."),
    memory: Path = typer.Option(..., help="The witness's own file, which remembers what it has signed."),
    trust: str | None = TRUST,
) -> None:
    """Check, remember, sign, and put the signature into the checkpoint."""
    import time

    from assay.ledger import witness as witnesses
    from assay.ledger.keys import read_cosigner
    from assay.ledger.ledger import Ledger
    from assay.ledger.paths import CHECKPOINT

    signer = read_cosigner(as_)
    log = Ledger.open(folder, trust=trusted(trust)).log
    with log.storage.lock():
        before = log.note()
        log.storage.swap(CHECKPOINT, before, witnesses.witness(log, memory, signer, int(time.time())).encode())
    typer.echo(f"Signed. This witness's public key, for assay ledger verify --witness:\n\n    {signer.witness}\n")


def compare(
    folder: Path = FOLDER,
    first: Path = typer.Argument(help="A checkpoint."),
    second: Path = typer.Argument(help="Another checkpoint."),
    trust: str | None = TRUST,
) -> int:
    """Compare; 1 where they are of two histories."""
    from assay.ledger.errors import Tampered
    from assay.ledger.ledger import Ledger
    from assay.ledger.witness import same_log

    ledger = Ledger.open(folder, trust=trusted(trust))
    try:
        same_log(first.read_text(encoding="utf-8"), second.read_text(encoding="utf-8"), ledger.key, ledger.log)
    except Tampered as error:
        typer.echo(str(error))
        return 1
    typer.echo("Both are of this history.")
    return 0


def proof(
    folder: Path = FOLDER,
    event: int = typer.Argument(help="The number of the event.", min=0),
    out: Path | None = typer.Option(None, help="Where it goes. Default: EVENT.tlog-proof here, and the event as EVENT.json."),
) -> None:
    """Write the proof and the event."""
    from assay.dataset.atomic import whole
    from assay.ledger.ledger import Ledger
    from assay.ledger.tlog_proof import SUFFIX

    log = Ledger.open(folder).log
    made = log.prove(event)
    target = out or Path(f"{event}{SUFFIX}")
    with whole(target, target.with_suffix(".json")) as (first, second):
        first.write_text(made.text(), encoding="utf-8")
        second.write_bytes(log.entry(event))
    typer.echo(f"{target} and {target.with_suffix('.json')}: to be checked with assay ledger verifier.")


def log(
    folder: Path = FOLDER,
    start: int = typer.Option(0, help="The first event.", min=0),
    count: int = typer.Option(20, help="How many; 0 for all that follow.", min=0),
    kind: str | None = typer.Option(None, "--type", help="Only events of this type."),
) -> None:
    """List, one line an event."""
    from assay.ledger.events import decode
    from assay.ledger.ledger import Ledger

    entries = Ledger.open(folder).log.entries(start)
    shown = 0
    for number, entry in enumerate(entries, start):
        event = decode(entry, number)
        if kind is not None and event.type != kind:
            continue
        if count and shown == count:
            typer.echo(f"There are more: --start {number}")
            return
        shown += 1
        said = ", ".join(f"{name} {_short(value)}" for name, value in event.body.items())
        typer.echo(f"{number:>8} {event.time} {event.type:<18} {said}")


def _short(value: object) -> str:
    text = str(value).split("\n")[0]
    return text if len(text) <= 40 else f"{text[:16]}…"
