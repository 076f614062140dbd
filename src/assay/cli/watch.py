"""assay watch: a deployed model, watched in a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from assay.cli import watch_audits, watch_gate, watch_models, watch_signed

if TYPE_CHECKING:
    from assay.cli.watch_events import Part
    from assay.watch.alerts import Alert
    from assay.watch.watch import Watch

HELP = """Watch a deployed model, with a budget for false alarms.

A watch is a folder. Start with assay watch init FOLDER TRUSTED, where TRUSTED holds what the model was asked and said in a period that is \
known to be good; then give it what comes: assay watch ingest FOLDER EVENTS.
"""

FOLDER = typer.Argument(help="The folder of the watch.")
BY = typer.Option(..., help="Who.")


class FailOn(StrEnum):
    notice = "notice"
    warning = "warning"
    critical = "critical"
    never = "never"


def add(app: typer.Typer) -> None:
    group = typer.Typer(name="watch", help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    group.command("init", help="Make a watch from a trusted period.")(init)
    group.command("ingest", help="Take events; tell and send what has changed. Exit 1 if an alert reaches --fail-on.")(ingest)
    group.command("status", help="Where it stands: the budget, the strongest evidence, what is open.")(status)
    group.command("alerts", help="List alerts.")(alerts)
    group.command("ack", help="Acknowledge, close or open again an alert.")(ack)
    group.command("silence", help="Send nothing about some causes for a while; they are still recorded.")(silence)
    group.command("incident", help="Write the record of an alert and those near it: time line, evidence, checklist.")(incident)
    group.command("metrics", help="Print Prometheus metrics, rules for alerts, or a Grafana dashboard.")(metrics)
    watch_models.add(group)
    watch_signed.add(group)
    watch_gate.add(group)
    watch_audits.add(group)
    app.add_typer(group)


def init(
    folder: Path = FOLDER,
    trusted: Path = typer.Argument(help="Events of the trusted period, with labels where they are known: .parquet, .csv or .jsonl."),
    feature: str | None = typer.Option(
        None, help="Columns that the model sees, comma-separated: watched for drift.", rich_help_panel="Columns"
    ),
    slices: str | None = typer.Option(None, "--slice", help="Columns that divide the traffic.", rich_help_panel="Columns"),
    cycle: str | None = typer.Option(
        None, help="Columns that repeat by the day or week, one value a step of time: watched for departures.", rich_help_panel="Columns"
    ),
    fields: Path | None = typer.Option(
        None, help='JSON with the names of other columns: {"prediction": "said", "label": "truth", ...}', rich_help_panel="Columns"
    ),
    alarms_per_year: float = typer.Option(1.0, min=1e-6, help="False alarms a year, at most, on average; needs a time column."),
    run_length: float | None = typer.Option(
        None, min=1, help="The same in predictions to a false alarm. Default without times: 1,000,000."
    ),
    block: int = typer.Option(1, min=1, help="Take means of so many neighbours for one value, where neighbours are alike."),
    tail: float | None = typer.Option(
        None, min=1, help="Of cycles: take departures s times as far as the trusted period can tell to be s**TAIL times as rare."
    ),
    pairs: bool = typer.Option(True, help="Watch pairs of values too."),
    find: bool = typer.Option(True, help="Let features divide the traffic too."),
    triggers: bool = typer.Option(True, help="Search for unknown triggers in text and features."),
    report: Path | None = typer.Option(None, help="A scan's report.json, or its folder: its artefacts are looked for in every input."),
    private: bool = typer.Option(False, "--private", help="Keep the digest of texts, and not the texts."),
) -> None:
    """Learn, check, write."""
    from assay.cli.scan import listed
    from assay.dataset.errors import DataError
    from assay.watch.baseline import learn
    from assay.watch.events import read_batch
    from assay.watch.fields import Fields
    from assay.watch.items import Usual
    from assay.watch.table_files import events_table
    from assay.watch.triggers import Known
    from assay.watch.watch import Watch

    named = {} if fields is None else _named(fields)
    columns = {"features": list(listed(feature)), "slices": list(listed(slices)), "cycles": list(listed(cycle))}
    chosen = Fields.from_json({**columns, "private": private, **named})
    events = events_table(trusted)
    try:
        baseline = learn(
            events, chosen, run_length=run_length, alarms_a_year=alarms_per_year, block=block, pairs=pairs, find=find, tail=tail
        )
    except DataError as error:
        raise error.at(trusted, error.row) from error
    known = None
    if report is not None:
        path = report / "report.json" if report.is_dir() else report
        known = Known.of_report(json.loads(path.read_text(encoding="utf-8")))
    usual = Usual.of(read_batch(events, chosen), chosen) if triggers else None
    with Watch.create(folder, baseline, usual=usual, known=known) as watch:
        typer.echo(f"{folder}: watches {len(baseline.bound):,} streams in {len(baseline.slices):,} slices.")
        typer.echo(f"Budget: {watch.status().promise}.")
        if not baseline.measures.labelled:
            typer.echo("The trusted period holds no labels, so errors are not watched.")
        if known is not None:
            typer.echo(f"Known artefacts that are looked for: {len(known.ids)}.")
        typer.echo(f"Baseline {baseline.digest}. Next: assay watch ingest {folder} EVENTS")


def _named(path: Path) -> dict[str, Any]:
    """The names of columns that a file holds."""
    from assay.dataset.errors import DataError
    from assay.watch.fields import Fields

    remedy = 'write an object: {"prediction": "said", "label": "truth"}'
    try:
        named = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no JSON ({error})", path=path, remedy=remedy) from error
    if not isinstance(named, dict):
        raise DataError("holds no object", path=path, remedy=remedy)
    try:
        Fields.from_json(named)
    except DataError as error:
        raise error.at(path, None) from error
    return named


def ingest(
    folder: Path = FOLDER,
    events: Path = typer.Argument(
        help="Events: .parquet, .csv or .jsonl; - for JSON lines from standard input, until it ends; with --follow a growing .jsonl, or a "
        "folder into which files are put."
    ),
    send: list[str] = typer.Option(
        [], help="Where alerts go: file:PATH, https://..., slack:https://..., mailto:a@b.org, otlp:https://HOST:4318; several times."
    ),
    allow_private: bool = typer.Option(False, "--allow-private", help="Let webhooks reach private addresses."),
    batch: int = typer.Option(2000, min=1, help="Events that are acknowledged together."),
    follow: float | None = typer.Option(
        None, "--follow", min=0, help="Follow the file or folder, and look again so many seconds later; 0: take what is new, and stop."
    ),
    fail_on: FailOn = typer.Option(FailOn.warning, help="What makes the exit code 1."),
    trust: list[str] = typer.Option([], "--trust", help="Only with a baseline that this public key has signed.", rich_help_panel="Trust"),
    alias: str | None = typer.Option(
        None, "--roll-back", help="Go back by yourself where an alert calls for it: the alias of what serves.", rich_help_panel="Rollback"
    ),
    tell: list[str] = watch_models.TELL,
    firings: int = watch_models.FIRINGS,
    rest: float = watch_models.REST,
    limit: int = watch_models.LIMIT,
    key: Path | None = watch_models.KEY,
) -> int:
    """Take them, batch by batch."""
    from assay.watch.absent import said_of
    from assay.watch.alerts import LEVELS
    from assay.watch.rollback import Rule
    from assay.watch.sinks import sink
    from assay.watch.watch import Watch

    sinks = {name: sink(name, allow_private, model=folder.absolute().name) for name in send}
    fired: list[Alert] = []
    rule = Rule(firings=firings, rest=rest, limit=limit)
    if trust:
        watch_signed.check_trusted(folder, trust)
    with Watch.open(folder) as watch:
        before = watch.status(0).predictions
        _report(watch.deliver(sinks))
        for part in _source(watch, folder, events, batch, follow):
            new = part.into(watch)
            for alert in new:
                typer.echo(f"{alert.severity}: {alert.title}")
            fired += new
            _report(watch.deliver(sinks))
            if alias is not None:
                watch_models.after_alerts(folder, alias, watch.alerts, rule, tell, key)
        now = watch.status(0)
        typer.echo(f"{now.predictions - before:,} predictions taken, {len(fired)} alerts.")
        if now.missing:
            typer.echo(said_of(now.missing))
    reached = fail_on is not FailOn.never and any(LEVELS.index(a.severity) >= LEVELS.index(fail_on.value) for a in fired)
    return 1 if reached else 0


def status(folder: Path = FOLDER, as_json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """Print it."""
    from dataclasses import asdict

    from assay.watch.absent import said_of

    with _open(folder) as watch:
        found = watch.status()
    if as_json:
        typer.echo(json.dumps(_plain(asdict(found)), allow_nan=False))
        return
    typer.echo(f"Budget: {found.promise}.")
    typer.echo(f"{found.predictions:,} predictions, {found.labels:,} labels, {found.pending:,} predictions wait for theirs.")
    if found.given_up or found.orphans:
        typer.echo(f"{found.given_up:,} predictions were given up, {found.orphans:,} labels are of no known prediction.")
    if found.missing:
        typer.echo(said_of(found.missing))
    if found.errors is not None and found.predictions:
        typer.echo(f"Recent rate of errors, if confidence still means what it meant: {found.errors[0]:.3f} to {found.errors[1]:.3f}.")
    typer.echo("Strongest evidence (1 is an alarm):")
    for name, share, recent, usual, bound in found.strongest:
        typer.echo(f"  {share:8.2g}  {name}: {recent:.3g}, usual {usual:.3g}, bound {bound:.3g}")
    for alert in found.alerts:
        typer.echo(_line(alert))


def alerts(
    folder: Path = FOLDER,
    everything: bool = typer.Option(False, "--all", help="Closed ones too."),
    as_json: bool = typer.Option(False, "--json", help="As JSON, one a line."),
) -> None:
    """List, the oldest first."""
    with _open(folder) as watch:
        found = [a for a in watch.alerts if everything or a.state != "closed"]
    for alert in found:
        typer.echo(json.dumps(alert.to_json(), sort_keys=True) if as_json else _line(alert))
    if not found and not as_json:
        typer.echo("No alert.")


def ack(
    folder: Path = FOLDER,
    number: int = typer.Argument(help="The number of the alert."),
    by: str = BY,
    note: str = typer.Option("", help="What was found."),
    close: bool = typer.Option(False, "--close", help="It is over: the next firing is a new alert."),
    reopen: bool = typer.Option(False, "--open", help="Open it again."),
) -> None:
    """Answer."""
    with _open(folder, read_only=False) as watch:
        alert = watch.answer(number, "closed" if close else "open" if reopen else "acknowledged", by, note)
    typer.echo(_line(alert))


def silence(
    folder: Path = FOLDER,
    pattern: str = typer.Argument(help="Causes, as assay watch alerts --json prints their key; * stands for anything: 'inputs/*'."),
    predictions: int = typer.Option(..., "--for", min=1, help="For how many predictions."),
    by: str = BY,
    reason: str = typer.Option(..., help="Why."),
) -> None:
    """Silence."""
    with _open(folder, read_only=False) as watch:
        made = watch.silence(pattern, predictions, by, reason)
    typer.echo(f"Nothing about {made.pattern!r} is sent until prediction {made.until:,}.")


def incident(
    folder: Path = FOLDER,
    number: int = typer.Argument(help="The number of the alert."),
    out: Path | None = typer.Option(None, help="Write JSON here (NAME.json), and Markdown beside it. Default: print the Markdown."),
    step: int | None = typer.Option(None, min=1, help="First note that this step of the checklist was done; with --by."),
    by: str | None = typer.Option(None, help="Who did it."),
    note: str = typer.Option("", help="What came of it."),
    undo: bool = typer.Option(False, "--undo", help="The step is to be done again."),
) -> None:
    """Write the record."""
    from assay.dataset.atomic import whole
    from assay.watch.incident import page, record, work

    if step is not None and by is None:
        raise typer.BadParameter("say who did it", param_hint="--by")
    if out is not None and out.suffix != ".json":
        raise typer.BadParameter(
            f"{out} is no .json: give {out.with_suffix('.json').name}, and Markdown is put beside it", param_hint="--out"
        )
    with _open(folder) as watch:
        data = record(watch, number)
        if step is not None and by is not None:
            work(folder, number, step, by, note, not undo)
            data = record(watch, number)
    if out is None:
        typer.echo(page(data), nl=False)
        return
    with whole(out, out.with_suffix(".md")) as (first, second):
        first.write_text(json.dumps(_plain(data), indent=2, allow_nan=False), encoding="utf-8")
        second.write_text(page(data), encoding="utf-8")
    typer.echo(f"{out} and {out.with_suffix('.md')}")


class What(StrEnum):
    metrics = "metrics"
    rules = "rules"
    dashboard = "dashboard"


def metrics(
    folder: Path = FOLDER,
    show: What = typer.Option(What.metrics, help="metrics, rules (Prometheus) or dashboard (Grafana)."),
    push: str | None = typer.Option(None, help="Send the metrics to an OpenTelemetry collector instead: otlp:https://HOST:4318."),
    allow_private: bool = typer.Option(False, "--allow-private", help="The collector may have a private address."),
) -> None:
    """Print, or send."""
    import time

    from assay.watch.metrics import RULES, dashboard, prometheus
    from assay.watch.otlp import metrics_body
    from assay.watch.sinks import collector, post
    from assay.watch.watch import FILE

    if show is not What.metrics:
        typer.echo(RULES if show is What.rules else dashboard(), nl=False)
        return
    with _open(folder) as watch:
        found = watch.status()
    name = folder.absolute().name
    if push is None:
        typer.echo(prometheus(found, name), nl=False)
        return
    body = metrics_body(found, name, time.time(), (folder / FILE).stat().st_mtime)
    post(collector(push, "metrics"), body, None, allow_private)
    typer.echo(f"Sent to {push}.")


def _open(folder: Path, *, read_only: bool = True) -> Watch:
    from assay.watch.watch import Watch

    return Watch.open(folder, read_only=read_only)


def _line(alert: Alert) -> str:
    state = alert.state + (f" by {alert.by}" if alert.by else "") + (", silenced" if alert.silenced else "")
    return f"{alert.id:>4}  {alert.severity:<8} {state:<12} {alert.count:>4}×  from prediction {alert.clock:,}: {alert.title}"


def _report(failed: dict[str, str]) -> None:
    for name, why in failed.items():
        print(f"assay: {name.split('://')[0]}: not sent, and tried again next time: {why}", file=sys.stderr)


def _plain(value: Any) -> Any:
    """JSON knows no NaN: null."""
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _source(watch: Watch, folder: Path, events: Path, size: int, follow: float | None) -> Iterator[Part]:
    """Batches; of a file all are judged before the first is taken."""
    import time

    from assay.cli.watch_events import Part, lines, parts
    from assay.watch.tail import Tail

    if follow is None:
        yield from lines(size) if str(events) == "-" else parts(watch, events, size)
        return
    tail = Tail(folder, events, size)
    while True:
        for piece in tail.pieces():
            yield Part(piece.events, piece.told, piece.name)
        if not follow:
            return
        time.sleep(follow)
