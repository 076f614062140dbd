"""assay ledger: the log and its keys. Its other commands are in ledger_sources, ledger_data and ledger_receive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.cli import ledger_data, ledger_export, ledger_receive, ledger_sources
from assay.cli.ledger_common import FOLDER, KEY, TRUST, key_file, line, trusted, until, writer
from assay.cli.ledger_panels import LOG

if TYPE_CHECKING:
    from assay.ledger.log import Log
    from assay.ledger.stamps import Stamp

HELP = """Prove where every row came from.

A ledger is a folder that holds what happened to a data set, row by row, in a log that nobody can rewrite. Start with \
assay ledger init.
"""


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="ledger", help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    group.command("init", rich_help_panel=LOG, help="Make a ledger and its key.")(init)
    group.command("key", rich_help_panel=LOG, help="Make a key for an approver or a witness, and print the public part.")(key)
    ledger_sources.add(group)
    ledger_data.add(group)
    ledger_receive.add(group)
    ledger_export.add(group)
    group.command(
        "verify",
        rich_help_panel=LOG,
        help="Check every entry, tile and signature of a ledger, and every rule. Exit 1 if one does not hold.",
    )(verify)
    group.command(
        "witness", rich_help_panel=LOG, help="Cosign the checkpoint with a witness's key, if it continues what that witness signed before."
    )(witness)
    group.command("witness-serve", rich_help_panel=LOG, help="Be a witness for logs, over HTTP (C2SP tlog-witness).")(witness_serve)
    group.command("rotate", rich_help_panel=LOG, help="Hand the log over to a new key, with the consent of the approvers.")(rotate)
    group.command("stamp", rich_help_panel=LOG, help="Have the head of the log stamped with the time by an authority (RFC 3161).")(stamp)
    group.command("compare", rich_help_panel=LOG, help="Are two checkpoints, got by two readers, of one history? Exit 1 if the log lied.")(
        compare
    )
    group.command("proof", rich_help_panel=LOG, help="Write the inclusion proof of one event, to be checked offline.")(proof)
    group.command("log", rich_help_panel=LOG, help="List events.")(log)
    app.add_typer(group)


def init(
    folder: Path = FOLDER,
    origin: str | None = typer.Option(None, help="The ledger's name, for ever: like example.com/data. Default: the folder's name."),
    key: Path | None = KEY,
    approver: list[str] = typer.Option(
        [], help="Public key of an approver, as assay ledger key printed it; several times. KEY@2027-06-30: until then."
    ),
    threshold: int = typer.Option(1, min=1, help="How many approvers must agree to a source."),
    store: str = typer.Option("", help="Where the log lies, if not in the folder: postgresql://user@host/database, s3://bucket/prefix."),
) -> None:
    """Make it, and say what to keep."""
    from assay.ledger.approval import policy_of
    from assay.ledger.keys import read_key, write_key
    from assay.ledger.ledger import Ledger, memo_of
    from assay.ledger.note import Signer

    secret = key_file(folder, key)
    if not secret.exists():
        write_key(secret, Signer.generate(origin or folder.absolute().name))
    signer = read_key(secret)
    named = policy_of(signer.key.name, [until(text) for text in approver], threshold) if approver else None
    keys, ends = (named.approvers, named.ends) if named else ((), ())
    Ledger.create(folder, signer, memo_of(secret), keys, threshold, ends=ends, store=store)
    typer.echo(f"{folder}: a new ledger. Give its public key to all who will check it:\n\n    {signer.key}\n")
    typer.echo(f"{secret} is its secret key, and {secret}.last what it has signed: keep both, and not with copies of the ledger.")
    if named is None:
        typer.echo("No approvers were named, so the ledger's own key approves sources; with --approver others must.")


def key(
    name: str = typer.Argument(help="Whose it is: alice, example.com/alice."),
    out: Path | None = typer.Option(None, help="Where the secret key goes. Default: NAME.key here."),
    post_quantum: bool = typer.Option(False, "--post-quantum", help="An ML-DSA-44 key, for witnesses; approvers and ledgers use Ed25519."),
    oms: bool = typer.Option(False, "--oms", help="An ECDSA key in PEM, for assay ledger export --format oms."),
) -> None:
    """Make a key."""
    from assay.dataset.atomic import refuse_existing
    from assay.ledger import oms as model_signing
    from assay.ledger.keys import write_key
    from assay.ledger.note import Signer
    from assay.ledger.witness import Cosigner

    target = out or Path(f"{name.replace('/', '-')}.key")
    if oms:
        beside = target.with_name(f"{target.name}.pub")
        refuse_existing(beside)
        beside.write_text(model_signing.new_key(target), encoding="utf-8")
        typer.echo(f"{target} and {target.name}.pub, with which others verify.")
        return
    if post_quantum:
        cosigner = Cosigner.generate(name)
        write_key(target, cosigner)
        typer.echo(str(cosigner.witness))
        return
    signer = Signer.generate(name)
    write_key(target, signer)
    typer.echo(str(signer.key))


def verify(
    folder: Path = FOLDER,
    trust: str | None = TRUST,
    seen: Path | None = typer.Option(None, help="File that remembers the head you saw last: the ledger must continue it."),
    witness: list[str] = typer.Option([], help="Public key of a witness, or a file that holds it; several times."),
    quorum: int | None = typer.Option(None, help="How many of the witnesses must have signed. Default: all.", min=0),
    tsa_root: list[Path] = typer.Option([], help="Root certificates (PEM) of time stamping authorities: check the ledger's stamps."),
) -> int:
    """Check everything; 1 where something does not hold."""
    from assay.cli.progress import progress_bar
    from assay.ledger import stamps
    from assay.ledger.audit import audit
    from assay.ledger.beside import check_beside, check_openings
    from assay.ledger.errors import Tampered
    from assay.ledger.ledger import Ledger
    from assay.ledger.log import Memo
    from assay.ledger.witness import Witness, require

    try:
        ledger = Ledger.open(folder, trust=trusted(trust))
        memo = None if seen is None else Memo(seen)
        with progress_bar() as progress:
            found = audit(
                ledger.log, None if memo is None else memo.read(ledger.key, *ledger.former), lambda done, of: progress(done, of, "verify")
            )
            ledger.index.clear()
            ledger.refresh(lambda done, of: progress(done, of, "rules"))
            beside = check_beside(ledger)
            opened = check_openings(ledger, lambda done, of: progress(done, of, "openings"))
        witnesses = [Witness.parse(line(text)) for text in witness]
        require(ledger.log.note().decode(), witnesses, len(witnesses) if quorum is None else quorum)
        stamped = stamps.check(ledger.log, folder / stamps.FOLDER, [path.read_bytes() for path in tsa_root]) if tsa_root else []
    except Tampered as error:
        typer.echo(f"NOT as it was signed: {error}")
        return 1
    if memo is not None:
        memo.write(ledger.log.note().decode())
    typer.echo(f"{found.head.size:,} events, {found.bundles:,} bundles and {found.tiles:,} tiles are what {ledger.key} signed.")
    typer.echo(f"{beside.snapshots} snapshots and {beside.statements} statements are signed, and as the log says.")
    if beside.without_list:
        typer.echo(f"Without their lists of rows, which are not here: {', '.join(beside.without_list)}.")
    if opened.checked:
        typer.echo(f"{opened.checked:,} openings of rows are what the log has committed to.")
    if opened.without:
        typer.echo(f"{opened.without:,} rows that stand have no opening in {ledger.private}, and cannot be traced from this copy.")
    for one in stamped:
        typer.echo(f"The first {one.size:,} events were there at {one.time}, by time stamp.")
    _dated_ahead(ledger.log, stamped)
    if found.acknowledged:
        typer.echo(f"{found.acknowledged:,} more are acknowledged, and not yet in the tree: the next command with the key brings them in.")
    if trust is None:
        typer.echo("The key was taken from the folder itself; to be sure whose it is, give --trust KEY.")
    broken = ledger.index.violations()
    for event, problem in broken:
        typer.echo(f"Event {event} breaks a rule: {problem.split('. Remedy: ')[0]}")
    return 1 if broken else 0


def _dated_ahead(log: Log, stamped: list[Stamp]) -> None:
    """Tell from which event on dates lie after the time at which the events were there already, by a stamp or by the clock here."""
    from assay.ledger.dates import ahead
    from assay.ledger.events import now

    told: set[int] = set()
    for known, size, by in [*((one.time, one.size, "time stamp") for one in stamped), (now(), None, "the clock here")]:
        found = ahead(log, known, size)
        if found is not None and found.first not in told:
            told.add(found.first)
            typer.echo(
                f"Events {found.first:,} to {found.last:,} are dated ahead: event {found.first:,} says {found.time}, and was there at "
                f"{known} by {by}. What follows is not dated before it."
            )


def witness(
    folder: Path = FOLDER,
    as_: Path | None = typer.Option(None, "--as", help="The witness's secret key: assay ledger key makes one."),
    memory: Path | None = typer.Option(None, help="With --as: the witness's own file, which remembers what it has signed."),
    url: str | None = typer.Option(None, help="Ask a witness over HTTP (C2SP tlog-witness) at this address."),
    key: str | None = typer.Option(None, "--witness", help="With --url: the witness's public key, or a file that holds it."),
    trust: str | None = TRUST,
) -> None:
    """Check, remember, sign, and put the signature into the checkpoint; or have another do so."""
    import time

    from assay.dataset.errors import DataError
    from assay.ledger import witness as witnesses
    from assay.ledger import witness_http
    from assay.ledger.keys import read_cosigner
    from assay.ledger.ledger import Ledger
    from assay.ledger.paths import CHECKPOINT

    if (as_ is None or memory is None) and (url is None or key is None):
        raise DataError("nothing says who signs", remedy="give --as KEYFILE and --memory FILE, or --url ADDRESS and --witness KEY")
    log = Ledger.open(folder, trust=trusted(trust)).log
    with log.storage.lock():
        before = log.note()
        if url is not None and key is not None:
            who = witnesses.Witness.parse(line(key))
            signed = witness_http.ask(log, url, who)
        else:
            assert as_ is not None
            assert memory is not None
            signer = read_cosigner(as_)
            who = signer.witness
            signed = witnesses.witness(log, memory, signer, int(time.time()))
        log.storage.swap(CHECKPOINT, before, signed.encode())
    typer.echo(f"Signed. This witness's public key, for assay ledger verify --witness:\n\n    {who}\n")


def witness_serve(
    as_: Path = typer.Option(..., "--as", help="The witness's secret key: assay ledger key makes one."),
    watch: list[str] = typer.Option(..., "--log", help="Public key of a log to watch, or a file that holds it; several times."),
    state: Path = typer.Option(..., help="Folder that remembers what was signed. Never lose it, never copy it back."),
    host: str = typer.Option("127.0.0.1", help="Where to listen; put a proxy with TLS before it."),
    port: int = typer.Option(8338, min=0, max=65535),
) -> None:
    """Serve until it is stopped."""
    from assay.ledger import witness_http
    from assay.ledger.keys import read_cosigner

    signer = read_cosigner(as_)
    logs = [found for text in watch if (found := trusted(text)) is not None]
    server = witness_http.server(witness_http.Watcher(state, logs, signer), host, port)
    typer.echo(f"http://{host}:{server.server_address[1]} witnesses {', '.join(log.name for log in logs)} as {signer.witness}")
    try:
        server.serve_forever()
    finally:
        server.server_close()


def stamp(
    folder: Path = FOLDER,
    tsa: str = typer.Option(..., help="Address of a time stamping authority (RFC 3161)."),
    tsa_root: list[Path] = typer.Option(..., help="Its root certificate, PEM, got from elsewhere; several times."),
    trust: str | None = TRUST,
) -> None:
    """Ask, check, and keep the answer."""
    from assay.ledger import stamps
    from assay.ledger.ledger import Ledger

    log = Ledger.open(folder, trust=trusted(trust)).log
    made = stamps.stamp(log, folder / stamps.FOLDER, tsa, [path.read_bytes() for path in tsa_root])
    typer.echo(f"{made.size:,} events were there at {made.time}. Checked with assay ledger verify --tsa-root.")


def rotate(
    folder: Path = FOLDER,
    new: Path = typer.Option(..., help="The new secret key; it is made where there is none."),
    as_: list[Path] = typer.Option([], "--as", help="The secret key of an approver who consents; several times."),
    note: list[Path] = typer.Option([], help="A consent that was printed by --sign-only; several times."),
    sign_only: bool = typer.Option(False, "--sign-only", help="Print the signed consents, for the ledger's keeper to use."),
    new_public: str | None = typer.Option(None, help="With --sign-only: the new public key, where the secret one is not here."),
    key: Path | None = KEY,
) -> None:
    """Consent, hand over, or both."""
    from assay.ledger.approval import consent_to_key
    from assay.ledger.keys import read_key, write_key
    from assay.ledger.ledger import Ledger, memo_of
    from assay.ledger.note import Signer
    from assay.ledger.rotation import rotate as hand_over

    ledger = Ledger.open(folder) if sign_only else writer(folder, key)
    if new_public is None and not new.exists():
        write_key(new, Signer.generate(ledger.key.name))
    public = line(new_public).strip() if new_public is not None else str(read_key(new).key)
    consents = [consent_to_key(ledger.index.policy(), str(ledger.key), public, read_key(path)) for path in as_]
    if sign_only:
        typer.echo("".join(consents), nl=False)
        return
    event = hand_over(ledger, read_key(new), memo_of(new), [*(path.read_text(encoding="utf-8") for path in note), *consents])
    typer.echo(f"Event {event}: the ledger's key is now\n\n    {public}\n")
    typer.echo(
        f"Give --key {new} from now on, or put it in place of {key_file(folder, key)}, with its .last. Keep {folder / 'keys'} published."
    )


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
