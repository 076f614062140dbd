"""assay ledger: what it says of data sets: snapshots, steps, models, and from a finding to its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from assay.cli.ledger_common import FOLDER, KEY, writer
from assay.cli.ledger_panels import TRACE, VERSIONS
from assay.cli.scan import Engine, listed

if TYPE_CHECKING:
    from assay.dataset.data import Dataset
    from assay.ledger.ledger import Ledger
    from assay.ledger.lineage import Impact
    from assay.ledger.trace import Share

DATA = typer.Argument(help="The data set.")
SOURCE = typer.Option(None, help="All rows of this source.")
CONTRIBUTOR = typer.Option(None, help="All rows of this contributor.")
REPORT = typer.Option(None, help="The rows behind a report of assay scan: the folder it wrote.")
FINDING = typer.Option(None, help="One finding of the report. Default: all quarantined rows.")
LABEL = typer.Option(None, help="Label columns, comma-separated.")
ID = typer.Option(None, help="Column that names a row.")

SHOWN = 10  # names printed of a list; --out has them all


def add(group: typer.Typer) -> None:
    group.command(
        "snapshot", rich_help_panel=VERSIONS, help="Log and sign a data set as a version. Refused if a row is not in the ledger."
    )(snapshot)
    group.command("checkout", rich_help_panel=VERSIONS, help="Write a snapshot out again, and check that it is that.")(checkout)
    group.command(
        "diff",
        rich_help_panel=VERSIONS,
        help="What changed between two snapshots, or between a snapshot and a data set. Exit 1 if anything.",
    )(diff)
    group.command("row", rich_help_panel=VERSIONS, help="Write the proof that a row is in a snapshot, to be checked offline.")(row)
    group.command("step", rich_help_panel=VERSIONS, help="Log what made a data set out of snapshots, and take it as a snapshot.")(step)
    group.command("label", rich_help_panel=VERSIONS, help="Log that a row was given another label, and by whom.")(label)
    group.command("trained", rich_help_panel=VERSIONS, help="Log that a model was trained on a snapshot.")(trained)
    group.command("alias", rich_help_panel=VERSIONS, help="Log that an alias, such as live, now points at a model.")(alias)
    group.command("scanned", rich_help_panel=TRACE, help="Log the verdict of a scan.")(scanned)
    group.command(
        "trace", rich_help_panel=TRACE, help="From a finding to who brought its rows, what else they brought, and where it went."
    )(trace)
    group.command("impact", rich_help_panel=TRACE, help="Which snapshots and models hold rows of a source, a contributor or a finding.")(
        impact
    )
    group.command("purge", rich_help_panel=TRACE, help="Remove rows for good: a copy without them, a new snapshot, and a signed record.")(
        purge
    )


def _reader(folder: Path) -> Ledger:
    from assay.ledger.ledger import Ledger

    return Ledger.open(folder)


def _read(path: Path, label: str | None = None, id: str | None = None) -> Dataset:
    from assay.dataset.data import Columns
    from assay.dataset.read import read

    return read(path, columns=Columns(label=listed(label), id=id))


def snapshot(
    folder: Path = FOLDER,
    path: Path = DATA,
    name: str = typer.Option(..., help="The version's name; it never changes."),
    parent: str | None = typer.Option(None, help="The version it follows."),
    keep: bool = typer.Option(False, "--keep", help="Keep its files in the ledger's private folder, to be checked out again."),
    key: Path | None = KEY,
    engine: Engine = typer.Option(Engine.local, help="Where shards are read, hashed and kept: this machine, or a Ray cluster."),
    address: str | None = typer.Option(None, help="Of a Ray cluster, such as auto. Without it one is started here."),
    workers: int | None = typer.Option(None, help="Processes to use. Default: this one, or all that the cluster has."),
) -> None:
    """Take it."""
    from assay.api import at_work
    from assay.ledger import content, snapshots

    with at_work(engine.value, address, workers):
        ledger, data = writer(folder, key), _read(path)
        taken = snapshots.take(ledger, data, name, parent)
        if keep:
            content.keep(ledger, data, name)
    typer.echo(f"{name}: {len(taken):,} records, root {taken.root.hex()}, event {taken.event}; signed in {folder / 'snapshots' / name}.")


def checkout(
    folder: Path = FOLDER,
    name: str = typer.Argument(help="The snapshot."),
    out: Path = typer.Option(..., help="Where it goes; nothing is overwritten."),
    source: Path | None = typer.Option(None, "--from", help="A data set that holds its rows in order. Default: what --keep kept."),
    label: str | None = LABEL,
    id: str | None = ID,
) -> None:
    """Write it, and check it."""
    from assay.ledger import content

    ledger = _reader(folder)
    found = content.checkout(ledger, name, out) if source is None else content.checkout_from(ledger, name, _read(source, label, id), out)
    typer.echo(f"{out}: the snapshot {name}, {found.records:,} records, root {found.fingerprint}.")


def diff(
    folder: Path = FOLDER,
    old: str = typer.Argument(help="A snapshot."),
    new: str = typer.Argument(help="Another snapshot, or the path of a data set."),
) -> int:
    """Compare; 1 where they differ."""
    from assay.ledger import snapshots

    ledger = _reader(folder)
    if new in snapshots.names(ledger):
        found = snapshots.difference(snapshots.load(ledger, old).digests, snapshots.load(ledger, new).digests)
    else:
        found = snapshots.check(ledger, old, _read(Path(new)))
    if not found.added and not found.missing:
        typer.echo(f"{new} has exactly the rows of {old}.")
        return 0
    typer.echo(f"{new}: {len(found.added):,} rows that {old} has not, {len(found.missing):,} of its rows missing.")
    for word, digests in (("missing", found.missing), ("added", found.added)):
        held = snapshots.rows_ever(ledger, digests)
        for digest in digests[:SHOWN]:
            rows = held.get(digest, [])
            opened = ledger.openings.of(rows[0]) if rows else None
            known = f"row {rows[0]} of the ledger, {opened[2]}" if opened else "not in the ledger"
            typer.echo(f"  {word} {digest.hex()[:16]}…: {known}")
    return 1


def row(
    folder: Path = FOLDER,
    name: str = typer.Argument(help="The snapshot."),
    record: int = typer.Argument(help="The number of the record in it, from 0.", min=0),
    out: Path | None = typer.Option(None, help="Where it goes. Default: SNAPSHOT-RECORD.tlog-proof here."),
) -> None:
    """Write the proof, and say how to check it."""
    from assay.dataset.atomic import whole
    from assay.ledger import snapshots
    from assay.ledger.tlog_proof import SUFFIX

    ledger = _reader(folder)
    loaded = snapshots.load(ledger, name)
    made = snapshots.prove(ledger, loaded, record)
    target = out or Path(f"{name}-{record}{SUFFIX}")
    with whole(target) as (file,):
        file.write_text(made.text(), encoding="utf-8")
    typer.echo(f"{target}. To check it anywhere: assay ledger verifier --out verify.py, then\n")
    typer.echo(f"python3 verify.py proof {target} --snapshot {name} --digest {loaded.digests[record].hex()} --key '{ledger.key}'")


def step(
    folder: Path = FOLDER,
    path: Path = DATA,
    name: str = typer.Option(..., help="What was done."),
    kind: str = typer.Option(..., help="filter, join, dedupe, augment, label or other."),
    input: list[str] = typer.Option(..., help="A snapshot that went in; several times."),
    output: str = typer.Option(..., help="The name of the snapshot that came out: the data set at PATH."),
    code: str = typer.Option(..., help="The commit of the code that ran."),
    param: list[str] = typer.Option([], help="A parameter, NAME=VALUE; several times."),
    by: str = typer.Option("", help="For --kind label: who gave the labels."),
    map: Path | None = typer.Option(None, help="Parquet or CSV with the columns output and input: record numbers, a line for each parent."),
    key: Path | None = KEY,
) -> None:
    """Log it."""
    from assay.dataset.errors import DataError
    from assay.ledger import steps

    bad = [text for text in param if "=" not in text]
    if bad:
        raise DataError(f"--param {bad[0]!r} is not NAME=VALUE")
    parents: dict[int, list[int]] = {}
    if map is not None:
        table = _read(map).table
        for made, parent in zip(table.column("output").to_pylist(), table.column("input").to_pylist(), strict=True):
            parents.setdefault(int(made), []).append(int(parent))
    what = steps.Step(name, kind, code, dict(text.split("=", 1) for text in param), by)
    taken = steps.record(writer(folder, key), _read(path), what, input, output, parents)
    typer.echo(f"{name}: {', '.join(input)} -> {output}, {len(taken):,} records.")


def label(
    folder: Path = FOLDER,
    row: int = typer.Argument(help="The row's number in the ledger."),
    value: str = typer.Argument(help="The new label."),
    by: str = typer.Option(..., help="Who gave it."),
    key: Path | None = KEY,
) -> None:
    """Log it."""
    ledger = writer(folder, key)
    was = ledger.index.label(row)
    before = {} if was is None else {"before": was}
    event = ledger.record([("label.set", {"row": row, "label": value, "annotator": by} | before)])
    typer.echo(f"Event {event}: row {row} is {value!r}, was {before.get('before')!r}, by {by}.")


def trained(
    folder: Path = FOLDER,
    model: Path = typer.Argument(help="The model's file."),
    snapshot: str = typer.Option(..., help="The snapshot it was trained on."),
    name: str | None = typer.Option(None, help="The model's name. Default: the file's."),
    key: Path | None = KEY,
) -> None:
    """Log it."""
    from assay.dataset.removal import sha256_of

    body = {"model": name or model.name, "digest": sha256_of(model), "snapshot": snapshot}
    event = writer(folder, key).record([("model.trained", body)])
    typer.echo(f"Event {event}: {body['model']} (SHA-256 {body['digest'][:16]}…) was trained on {snapshot}.")


def alias(
    folder: Path = FOLDER,
    name: str = typer.Argument(help="The alias."),
    model: str = typer.Argument(help="The model it points at from now on."),
    key: Path | None = KEY,
) -> None:
    """Log it."""
    from assay.ledger.lineage import aliases

    ledger = writer(folder, key)
    before = aliases(ledger.index).get(name)
    event = ledger.record([("alias.moved", {"alias": name, "model": model} | ({"before": before} if before else {}))])
    typer.echo(f"Event {event}: {name} -> {model}" + (f", was {before}." if before else "."))


def scanned(folder: Path = FOLDER, report: Path = typer.Argument(help="The folder that assay scan wrote."), key: Path | None = KEY) -> None:
    """Log it."""
    from assay.ledger.trace import read_report

    found = read_report(report)
    body: dict[str, Any] = {"fingerprint": found.fingerprint, "verdict": found.verdict, "report": found.sha256}
    event = writer(folder, key).record([("scan.verdict", body | {"findings": len(found.findings)})])
    typer.echo(f"Event {event}: {found.verdict}, {len(found.findings)} findings, of {found.fingerprint[:16]}….")


def trace(
    folder: Path = FOLDER,
    report: Path = typer.Argument(help="The folder that assay scan wrote."),
    finding: str | None = FINDING,
    out: Path | None = typer.Option(None, help="Write all of it, row numbers too, as JSON."),
    sign: bool = typer.Option(False, "--sign", help="Sign it as a statement, and log that."),
    key: Path | None = KEY,
) -> None:
    """Trace, and print it."""
    import json

    from assay.dataset.atomic import whole
    from assay.ledger import statement
    from assay.ledger.documents import trace_json
    from assay.ledger.purge import removed
    from assay.ledger.trace import read_report, trace

    ledger = writer(folder, key) if sign else _reader(folder)
    found = trace(ledger, read_report(report), finding)
    typer.echo(f"{found.finding}: {len(found.rows):,} rows of the ledger, among {found.scanned:,} that were scanned.")
    if len(found.removed):
        typer.echo(f"Since then {removed(ledger, found.rows)}.")
    if found.unknown:
        typer.echo(f"{found.unknown:,} rows of it were never in the ledger, or were erased: nobody answers for them.")
    for what, shares in (("Contributors", found.contributors), ("Sources", found.sources), ("Annotators", found.annotators)):
        if not shares:
            continue
        typer.echo(f"\n{what}:")
        for share in shares[:SHOWN]:
            typer.echo(f"  {_line(share)}")
    typer.echo(f"\n{len(found.others):,} more rows are from the contributors and sources marked *. What holds rows of this finding:")
    _show(found.impact)
    if out is not None:
        with whole(out) as (file,):
            file.write_text(json.dumps(trace_json(found), indent=1) + "\n", encoding="utf-8")
    if sign:
        event, path = statement.log(ledger, {"report.json": found.report}, statement.TRACE, trace_json(found))
        typer.echo(f"Signed as {folder / path}, event {event}.")


def _line(share: Share) -> str:
    mark = "*" if share.stands_out else " "
    return f"{mark} {share.name}: {share.rows:,} of {share.of:,} rows, p = {share.p_value:.2g} (adjusted {share.adjusted:.2g})"


def _show(found: Impact) -> None:
    if not found.snapshots:
        typer.echo("  none")
    for name, count in found.snapshots:
        typer.echo(f"  snapshot {name}: {count:,} rows")
    for model in found.models:
        live = f"; {', '.join(model.aliases)} points at it now" if model.aliases else ""
        typer.echo(f"  model {model.name}, trained on {model.snapshot}{live}")


def _chosen(ledger: Ledger, source: str | None, contributor: str | None, report: Path | None, finding: str | None, rest: bool) -> Any:
    import numpy as np

    from assay.dataset.errors import DataError
    from assay.ledger.lineage import brought_by
    from assay.ledger.trace import read_report
    from assay.ledger.trace import trace as traced

    if report is not None:
        found = traced(ledger, read_report(report), finding)
        return np.union1d(found.rows, found.others) if rest else found.rows
    if source is None and contributor is None:
        raise DataError("nothing says which rows are meant", remedy="give --source, --contributor or --report")
    return brought_by(ledger.index, source=source, contributor=contributor, removed=True)


def impact(
    folder: Path = FOLDER,
    source: str | None = SOURCE,
    contributor: str | None = CONTRIBUTOR,
    report: Path | None = REPORT,
    finding: str | None = FINDING,
) -> None:
    """Print it."""
    from assay.ledger import lineage
    from assay.ledger.purge import removed

    ledger = _reader(folder)
    found = lineage.impact(ledger, _chosen(ledger, source, contributor, report, finding, False))
    typer.echo(f"{len(found.rows):,} rows, and {len(found.derived):,} that steps made of them:")
    if gone := removed(ledger, found.rows):
        typer.echo(f"  {gone}; what learnt from them before has learnt from them still")
    _show(found)


def purge(
    folder: Path = FOLDER,
    path: Path = DATA,
    out: Path = typer.Option(..., help="Where the copy without the rows goes; nothing is overwritten."),
    name: str = typer.Option(..., "--snapshot", help="The name of the new snapshot."),
    reason: str = typer.Option(..., help="Why, for everyone who reads the log."),
    source: str | None = SOURCE,
    contributor: str | None = CONTRIBUTOR,
    report: Path | None = REPORT,
    finding: str | None = FINDING,
    rest: bool = typer.Option(False, "--rest", help="With --report: also everything else from those that stand out."),
    erase: bool = typer.Option(False, "--erase", help="Delete salts, digests and names of the rows too: they are forgotten."),
    model: Path | None = typer.Option(None, help="A model of assay train, in partitions: take the rows out of it, exactly."),
    model_out: Path | None = typer.Option(None, help="Where that model goes. Default: MODEL's name with -purged, beside it."),
    key: Path | None = KEY,
) -> None:
    """Purge, and say what has to be made again."""
    from assay.dataset.atomic import refuse_existing
    from assay.ledger import statement
    from assay.ledger.documents import purge_json
    from assay.ledger.purge import purge_data

    ledger = writer(folder, key)
    if model is not None:
        model_out = model_out or model.with_name(f"{model.name}-purged")
        refuse_existing(model_out)
    rows = _chosen(ledger, source, contributor, report, finding, rest)
    done = purge_data(ledger, _read(path), rows, reason, out, name, erase=erase)
    event, signed = statement.log(ledger, {name: done.snapshot.root.hex()}, statement.PURGE, purge_json(done, reason))
    typer.echo(
        f"{len(done.purge.rows):,} rows removed: events {done.purge.first} to {done.purge.last}. {out}: {len(done.snapshot):,} rows kept."
    )
    typer.echo(f"Left out is kept in {done.removal.kept_in}; delete it to be rid of it.")
    typer.echo(f"Signed as {folder / signed}, event {event}. To be made again or rolled back:")
    _show(done.purge.impact)
    if model is not None and model_out is not None:
        _forget(ledger, model, out, model_out, name)


def _forget(ledger: Ledger, model: Path, data: Path, out: Path, snapshot: str) -> None:
    """Take the rows out of the model too, and log what came of it as trained on the new snapshot."""
    from assay.cli.unlearn import said
    from assay.dataset.removal import sha256_of
    from assay.train.forget import forget, write

    done = forget(model, data)
    write(done, out)
    ledger.record([("model.trained", {"model": out.name, "digest": sha256_of(out / "model.npz"), "snapshot": snapshot})])
    typer.echo(f"{out}: {said(done)}; logged as trained on {snapshot}.")
