"""Audits on a schedule: a scan, an inspection, a test of the model, run again and again, and every result kept.

    FOLDER/audits.json                      what is run, and how often
    FOLDER/audits/NAME/000001/result.json   when, how long, the exit code, and the verdict of the report that it wrote
                             /output.txt    what it said
                             /out           what it wrote: {out} in the command

Any command will do; Assay's own say by their exit code what they found (1: something; 2, 3: could not be done). Who calls `run_due`
often enough (cron, or assay watch audits run --loop) is the clock.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.watch.journal import replace_whole

FILE, FOLDER, RESULT = "audits.json", "audits", "result.json"
KEPT = 30  # results of an audit; the newest and those that found something stay, the oldest that found nothing leave
LARGEST = 1 << 20  # bytes of output kept
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800}


@dataclass(frozen=True)
class Audit:
    """What is run. `{out}` in the command is a fresh folder's name, for a report."""

    name: str
    every: float  # seconds from one start to the next
    command: tuple[str, ...]
    limit: float = 6 * 3600.0  # seconds after which it is stopped


@dataclass(frozen=True)
class Result:
    """What came of it. `code` None: it was stopped, or could not be started; `reason` says which."""

    audit: str
    number: int
    started: float
    seconds: float
    code: int | None
    verdict: str | None  # of the report.json that it wrote
    report: str | None  # SHA-256 of that
    reason: str | None = None  # why there is no exit code

    @property
    def end(self) -> str:
        """How it ended, in words."""
        return f"exit {self.code}" if self.code is not None else self.reason or "could not be started, or was stopped"

    @property
    def problem(self) -> str | None:
        """In words, None where nothing was found."""
        if self.code == 0:
            return None
        said = f", verdict {self.verdict}" if self.verdict else ""
        return f"the audit {self.audit!r} found something{said}" if self.code == 1 else f"the audit {self.audit!r} could not be done"


def seconds_of(text: str) -> float:
    """Of "90s", "10m", "12h", "7d", "4w".

    >>> seconds_of("12h")
    43200.0
    """
    try:
        return float(text[:-1]) * UNITS[text[-1]]
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"{text!r} is no span of time", remedy="write 90s, 10m, 12h, 7d or 4w") from error


def span_of(seconds: float) -> str:
    """The inverse of `seconds_of`, in the largest unit of which it is a whole number.

    >>> span_of(1), span_of(5400), span_of(86400), span_of(604_800), span_of(0.5)
    ('1s', '90m', '1d', '1w', '0.5s')
    """
    unit = next((u for u in reversed(UNITS) if seconds % UNITS[u] == 0), "s")
    return f"{seconds / UNITS[unit]:.15g}{unit}"


def words_of(command: str) -> tuple[str, ...]:
    """A command as a shell would part it. Raises DataError where a quote is not closed.

    >>> words_of("assay scan 'my data' --out {out}")
    ('assay', 'scan', 'my data', '--out', '{out}')
    """
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise DataError(f"{command!r} is no command: {error}", remedy="close what is quoted") from error


def schedule(folder: Path) -> list[Audit]:
    """Every audit of a watch."""
    path = folder / FILE
    if not path.exists():
        return []
    try:
        return [Audit(a["name"], float(a["every"]), tuple(a["command"]), float(a["limit"])) for a in json.loads(path.read_bytes())]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("is no list of audits", path=path, remedy="bring it back from a copy") from error


def add(folder: Path, audit: Audit) -> None:
    """Put an audit on the schedule, in the place of one of the same name."""
    if not audit.name or not audit.name.replace("-", "").replace("_", "").isalnum():
        raise DataError(f"{audit.name!r} cannot name an audit", remedy="use letters, digits, - and _")
    if audit.every <= 0 or not audit.command:
        raise DataError("an audit needs a command and a span of time", remedy="give --every 1d and a command")
    _write(folder, [*(a for a in schedule(folder) if a.name != audit.name), audit])


def remove(folder: Path, name: str) -> None:
    """Take it off the schedule; its results stay."""
    held = schedule(folder)
    if all(a.name != name for a in held):
        raise DataError(f"there is no audit {name!r}", path=folder, remedy=f"there are: {', '.join(a.name for a in held) or 'none'}")
    _write(folder, [a for a in held if a.name != name])


def results(folder: Path, name: str) -> list[Result]:
    """What came of an audit, the oldest first."""
    paths = sorted((folder / FOLDER / name).glob(f"*/{RESULT}"))
    return [Result(**json.loads(path.read_bytes())) for path in paths]


def run_due(folder: Path, clock: Callable[[], float]) -> list[Result]:
    """Run what is due at this time, one after the other; what came of it. One that was never run is due, and one whose last run is dated
    ahead: the clock was put right since."""
    found = []
    for audit in schedule(folder):
        before = results(folder, audit.name)
        if not before or not 0 <= clock() - before[-1].started < audit.every:
            found.append(run(folder, audit, clock))
    return found


def run(folder: Path, audit: Audit, clock: Callable[[], float]) -> Result:
    """Run it now, and keep what came of it."""
    before = results(folder, audit.name)
    number = max((r.number for r in before), default=0) + 1
    place = folder / FOLDER / audit.name / f"{number:06d}"
    if place.exists():  # begun, and never finished: it has no result
        shutil.rmtree(place)
    place.mkdir(parents=True)
    started = clock()
    code, reason = None, None
    try:
        command = [part.replace("{out}", str(place / "out")) for part in audit.command]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=audit.limit, check=False)
        code, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        reason = f"stopped after {span_of(audit.limit)}"
        said = (error.stdout or b"") + f"\n{reason}".encode()
    except OSError as error:
        reason = f"could not be started: {error}"
        said = reason.encode()
    (place / "output.txt").write_bytes(said[-LARGEST:])
    verdict, digest = _verdict(place / "out" / "report.json")
    made = Result(audit.name, number, started, clock() - started, code, verdict, digest, reason)
    replace_whole(place / RESULT, json.dumps(asdict(made)).encode())
    _forget(folder, [*before, made])
    return made


def said_of(audit: Audit, last: Result | None) -> str:
    """One line for people."""
    what = f"{audit.name}: every {span_of(audit.every)}: {shlex.join(audit.command)}"
    if last is None:
        return f"{what}; never run"
    when = f"{datetime.fromtimestamp(last.started, UTC):%Y-%m-%d %H:%M}Z"
    return f"{what}; last {when}, {last.end}" + (f", verdict {last.verdict}" if last.verdict else "")


def evidence_of(result: Result) -> Mapping[str, Any]:
    """For an alert."""
    return {
        "audit": result.audit,
        "number": result.number,
        "exit": result.code,
        "reason": result.reason,
        "verdict": result.verdict,
        "report": result.report,
    }


def _verdict(path: Path) -> tuple[str | None, str | None]:
    if not path.exists():
        return None, None
    content = path.read_bytes()
    try:
        verdict = json.loads(content).get("verdict")
    except (ValueError, AttributeError):  # whatever it wrote, it is no report of ours
        return None, None
    return (str(verdict), sha256(content).hexdigest()) if verdict else (None, None)


def _forget(folder: Path, held: list[Result]) -> None:
    quiet = [r for r in held[:-1] if r.code == 0]
    for result in quiet[: max(0, len(held) - KEPT)]:
        shutil.rmtree(folder / FOLDER / result.audit / f"{result.number:06d}")


def _write(folder: Path, audits: list[Audit]) -> None:
    replace_whole(folder / FILE, json.dumps([asdict(a) for a in audits], indent=1).encode())
