"""The steps of a remediation. Each looks at the world before it acts, so that a step that was interrupted can be taken again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from assay.api import named, scan
from assay.artefact.base import Unanswerable
from assay.dataset.atomic import move
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.removal import Removal, copy_without, kept_in, sha256_of
from assay.dataset.reread import read_without
from assay.flows.plan import TRAINED, Asked, Plan, command, revocation, sources_of
from assay.flows.rollback import go_back
from assay.ledger import lineage, snapshots, statement
from assay.ledger.documents import purge_json
from assay.ledger.errors import Refused
from assay.ledger.ledger import Ledger
from assay.ledger.purge import Cleaned, Purge, purge
from assay.report.report import Report
from assay.trial.family import Progress
from assay.watch.models import Models

State = Literal["done", "not asked for", "not needed", "failed"]
VERIFY, LOG = "verify", "train.log"


@dataclass(frozen=True)
class Done:
    """What came of a step, in words without content, and in figures for the record."""

    state: State
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """What every step is given: the request, the plan, and what the steps before it left."""

    asked: Asked
    plan: Plan
    facts: Mapping[str, Mapping[str, Any]]
    progress: Progress


def quarantine(scene: Scene) -> Done:
    """The copy without the rows, and what is left out kept beside it with its manifest."""
    asked, plan = scene.asked, scene.plan
    if not asked.clean.exists():
        asked.clean.parent.mkdir(exist_ok=True)
        shutil.rmtree(kept_in(asked.clean), ignore_errors=True)  # moved there just before an interruption, without its copy
        copy_without(asked.data, asked.clean, plan.drop, records=plan.records, fingerprint=plan.fingerprint)
    clean = cleaned(scene)
    removed = kept_in(asked.clean)
    more = f", {plan.shared:,} of them for they were made of the same rows" if plan.shared else ""
    return Done(
        "done",
        f"{len(plan.drop):,} of {plan.records:,} rows left out{more}, and kept with their manifest",
        {"removed": len(plan.drop), "kept": clean.records, "clean": clean.fingerprint, "manifest": sha256_of(removed / "manifest.json")},
    )


def cleaned(scene: Scene) -> Dataset:
    """The copy, read with the columns of the original."""
    before = scene.asked.before
    return read(scene.asked.clean, columns=before.columns, task=before.task)


def revoke(scene: Scene) -> Done:
    """The sources that the user named may bring nothing more."""
    asked, plan, ledger = scene.asked, scene.plan, scene.asked.log
    if ledger is None:
        return Done("not asked for", "no ledger says where the rows are from")
    if not asked.revoke:
        named = sources_of(plan)
        return Done("not asked for", f"{named}. To revoke one: --revoke-source NAME --as KEYFILE, or assay ledger revoke")
    for name, before in plan.revoked.items():
        source = ledger.index.source(name)
        if source.revoked == before:
            ledger.revoke(name, revocation(asked, ledger, source, plan.reason))
    return Done("done", f"{', '.join(asked.revoke)} may bring nothing more", {"sources": list(asked.revoke)})


def purge_rows(scene: Scene) -> Done:
    """The rows' removal, the snapshot without them, and the signed proof of both, in the ledger."""
    plan, ledger = scene.plan, scene.asked.log
    if ledger is None:
        return Done("not asked for", "no ledger is given")
    rows = np.array(plan.rows, np.int64)
    with ledger.writing():
        every = lineage.descendants(ledger.index, rows)
        before = None if len(ledger.index.live(every)) else _removed(ledger, rows, every)
        clean = _same_rows(scene, before)
        if before is None:
            snapshots.check_free(ledger, plan.snapshot)
        gone = before or purge(ledger, rows, plan.reason)
        if plan.snapshot not in snapshots.names(ledger):
            parent = next((name for name in reversed(snapshots.names(ledger)) if _root(ledger, name) == plan.fingerprint), None)
            snapshots.take(ledger, clean, plan.snapshot, parent)
        taken = snapshots.load(ledger, plan.snapshot)
        if taken.root.hex() != scene.facts["quarantine"]["clean"]:
            raise DataError(
                f"the snapshot {plan.snapshot!r} is of other data", path=ledger.folder, remedy="start again with --snapshot NAME"
            )
        asked = scene.asked
        kept = Removal(asked.clean, kept_in(asked.clean), plan.records, plan.drop, False)
        said = purge_json(Cleaned(gone, kept, taken), plan.reason)
        event, proof = statement.log(ledger, {plan.snapshot: taken.root.hex()}, statement.PURGE, said)
    models = sorted({model.name for model in gone.impact.models})
    return Done(
        "done",
        f"{len(gone.rows):,} rows removed (events {gone.first} to {gone.last}), snapshot {plan.snapshot}, proof {proof}"
        + (f"; trained on them: {', '.join(models)}" if models else ""),
        {"events": [gone.first, gone.last], "snapshot": plan.snapshot, "statement": proof, "event": event, "models": models},
    )


def _same_rows(scene: Scene, before: Purge | None) -> Dataset:
    """The copy, read: its rows are those that the ledger knows. Raises DataError where they are not, or were removed since the plan was
    made; with what can still be done where the removal was logged `before`, as versions did that looked only afterwards.
    """
    asked, plan, ledger = scene.asked, scene.plan, scene.asked.log
    assert ledger is not None
    try:
        clean = read_without(asked.before, np.array(plan.drop, np.int64), asked.clean)
        if plan.snapshot not in snapshots.names(ledger):
            snapshots.check_known(ledger, clean)
        return clean
    except DataError as error:
        if before is None:
            raise
        why = str(error).split(". Remedy: ")[0]
        new = f"{asked.data.stem}-clean.parquet"
        raise Refused(
            f"{len(before.rows):,} rows were removed (events {before.first} to {before.last}) and stay so, "
            f"and no snapshot of the copy can be taken: {why}",
            remedy=f"assay remediate --undo --out {asked.out}; write the data as Parquet (docs/flows.md), assay clean that with --report "
            f"{asked.report} --out {new}, and take the snapshot of it: assay ledger snapshot {asked.ledger} {new} --name {plan.snapshot}",
        ) from error


def _removed(ledger: Ledger, rows: np.ndarray[Any, np.dtype[np.int64]], every: np.ndarray[Any, np.dtype[np.int64]]) -> Purge:
    """The purge of an earlier run that was interrupted after it: its rows and events as the log has them."""
    found = ledger.index.select("select row, removed from rows where removed is not null and row in (?)", every)
    events = [int(event) for _, event in found]
    return Purge(np.array(sorted(int(row) for row, _ in found), np.int64), min(events), max(events), 0, lineage.impact(ledger, rows))


def _root(ledger: Ledger, name: str) -> str:
    return str(snapshots.logged(ledger, name)[2])


def rollback(scene: Scene) -> Done:
    """The alias at the newest version that did not learn from the rows; those that did are withdrawn."""
    asked, way = scene.asked, scene.plan.way
    if asked.registry is None or way is None:
        return Done("not asked for", "no registry is given")
    go_back(Models.open(asked.registry), way, asked.by, scene.plan.reason)
    moved = _ledger_alias(scene)
    facts = {"alias": way.alias, "before": way.now, "now": way.back or way.now, "withdrawn": list(way.withdrawn), "why": way.why}
    if way.back is None:
        return Done("not needed", f"{way.alias} stays at {way.now}: {way.why}", facts)
    also = "; so does the ledger's alias" if moved else ""
    return Done(
        "done", f"{way.alias} went from {way.now} back to {way.back}{also}: {way.why}; withdrawn: {', '.join(way.withdrawn)}", facts
    )


def _ledger_alias(scene: Scene) -> bool:
    """Move the ledger's alias of the same name to the same file, where it has one and knows that file."""
    ledger, way, asked = scene.asked.log, scene.plan.way, scene.asked
    if ledger is None or way is None or way.back is None or asked.registry is None:
        return False
    return point_in_ledger(ledger, way.alias, Models.open(asked.registry).versions[way.back].digest)


def point_in_ledger(ledger: Ledger, alias: str, digest: str) -> bool:
    """Whether the ledger's alias means the model with this file now, and did not before."""
    now = lineage.aliases(ledger.index).get(alias)
    found = ledger.index.db.execute("select model from models where digest = ? order by event desc", (digest,)).fetchone()
    if now is None or found is None or now == found[0]:
        return False
    ledger.record([("alias.moved", {"alias": alias, "model": str(found[0]), "before": now})])
    return True


def train(scene: Scene) -> Done:
    """The user's own command on the cleaned data; what it leaves in {out} is logged as trained on the new snapshot."""
    asked = scene.asked
    if asked.train is None:
        return Done("not asked for", f"train again on {asked.clean}")
    made = (asked.out / TRAINED).absolute()
    shutil.rmtree(made, ignore_errors=True)  # of a run that was interrupted
    made.mkdir()
    env = {**os.environ, "ASSAY_CLEAN_DATA": str(asked.clean.absolute()), "ASSAY_MODEL_DIR": str(made)}
    log = asked.out / LOG
    words = command(asked)
    with log.open("wb") as file:
        try:
            code = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        except OSError as error:
            raise DataError(
                f"the retrain command {words[0]!r} cannot be run: {error.strerror}", remedy="mend it, and start again"
            ) from error
    if code:
        raise DataError(
            f"the retrain command ended with exit code {code}", path=log, remedy="see what it said; the same command goes on here"
        )
    files = sorted(path for path in made.iterdir() if path.is_file())
    digests = {path.name: sha256_of(path) for path in files}
    logged = 0 if asked.log is None else _trained(asked.log, scene.plan.snapshot, digests)
    said = f"exit 0; {', '.join(digests) or 'no file'} in {TRAINED}/" + (
        f", {logged} logged as trained on {scene.plan.snapshot}" if logged else ""
    )
    return Done("done", said, {"models": digests, "logged": logged})


def _trained(ledger: Ledger, snapshot: str, digests: Mapping[str, str]) -> int:
    known = {str(digest) for (digest,) in ledger.index.db.execute("select digest from models where snapshot = ?", (snapshot,))}
    new = [{"model": f"{snapshot}/{name}", "digest": d, "snapshot": snapshot} for name, d in digests.items() if d not in known]
    if new:
        ledger.record([("model.trained", body) for body in new])
    return len(digests)


def verify(scene: Scene) -> Done:
    """Scan the cleaned data as the original was scanned, and look for the rows and the artefacts of the findings."""
    before = Report.open(scene.asked.report)
    how, columns, clean = before.conclusion.settings, scene.asked.before.columns, scene.asked.clean
    again = scan(
        clean,
        **named(columns),
        task=scene.asked.before.task,
        alpha=float(how.get("alpha", 0.01)),
        depth=how.get("depth", "fast"),
        seed=int(how.get("seed", 0)),
        samples=bool(how.get("samples", True)),
        canaries=False,
        progress=scene.progress,
    )
    if again.fingerprint != scene.facts["quarantine"]["clean"]:
        raise DataError("the cleaned data was changed since it was made", path=clean, remedy="undo, and start again in a new folder")
    again.write(scene.asked.out / VERIFY, ("json", "html"))
    assert again.data is not None
    gone = {f["artefact"]["digest"]: f["id"] for f in before.document["findings"] if f["status"] == "confirmed"}
    here = {f["artefact"]["digest"]: f["status"] for f in again.document["findings"] if f["status"] != "shortcut"}
    back = sorted(name for digest, name in gone.items() if digest in here)
    confirmed = sum(status == "confirmed" for status in here.values())
    held = {digest.tobytes().hex() for digest in again.data.digest}
    dropped = before.rows.take(list(scene.plan.drop))["digest"].to_pylist()
    rows = sum(digest in held for digest in dropped)
    facts = {
        "verdict": again.verdict,
        "confirmed": confirmed,
        "suspected": len(here) - confirmed,
        "found again": back,
        "rows still there": rows,
        "carriers": _carriers(before, again.data),
        "verified": not (confirmed or back or rows),
    }
    left = ", ".join(f"{name} in {'rows that cannot be counted' if n is None else format(n, ',')}" for name, n in facts["carriers"].items())
    said = (
        f"verdict {again.verdict}; found again: {', '.join(back) or 'none'}; rows that carry what a finding names, natural ones too: {left}"
    )
    return Done("done" if facts["verified"] else "failed", said, facts)


def _carriers(before: Report, data: Dataset) -> dict[str, int | None]:
    """Rows of `data` that still carry each confirmed finding's artefact, natural ones too; None where that cannot be told."""
    counts: dict[str, int | None] = {}
    for finding in before.findings:
        if finding.status == "confirmed":
            try:
                counts[finding.id] = int(finding.artefact.present(data.rows).sum())
            except (Unanswerable, KeyError, DataError):  # known by features or members, in no content column, or withheld
                counts[finding.id] = None
    return counts


STEPS: Mapping[str, Callable[[Scene], Done]] = {
    "quarantine": quarantine,
    "revoke": revoke,
    "purge": purge_rows,
    "rollback": rollback,
    "retrain": train,
    "verify": verify,
}


def write(path: Path, document: Mapping[str, Any]) -> str:
    """Put a JSON document at `path`, whole; its SHA-256."""
    part = path.with_name(f".{path.name}")
    part.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    move(part, path)
    return sha256_of(path)
