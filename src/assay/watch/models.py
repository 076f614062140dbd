"""Which model serves: versions, aliases, and the history of every move. Going back is one command, by hand or by rule.

    FOLDER/models.jsonl    one line a step, each with the SHA-256 of the line before it

The history is a hash chain: a line that was changed or taken out is found. It is not signed, so that who can write the whole file can write
another history: log its `head` where that matters (assay ledger). What serves reads `current(alias)`, or the command hook is told.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.watch.alerts import LEVELS, Alert, Severity

FILE = "models.jsonl"
START = "0" * 64  # what the first line follows
BLOCK = 1 << 20  # bytes of a model file read at once


@dataclass(frozen=True)
class Version:
    """One model: its name, the digest of its file, and whether somebody has vouched for it."""

    name: str
    digest: str
    note: str
    attested: bool = False
    withdrawn: bool = False  # known to be bad: never gone back to


@dataclass(frozen=True)
class Move:
    """An alias got another version."""

    alias: str
    version: str
    time: float
    by: str
    reason: str
    back: bool  # by a rollback


@dataclass
class Models:
    """The registry in a folder. Every method that changes it is on disk when it returns."""

    folder: Path
    versions: dict[str, Version] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    head: str = START

    @classmethod
    def open(cls, folder: Path) -> Models:
        """Read the history. Raises DataError where a line is not what the next one says that it was; a torn last line is left out."""
        models = cls(folder)
        path = folder / FILE
        if path.exists():
            lines = path.read_bytes().split(b"\n")
            for number, line in enumerate(lines[:-1]):  # what follows the last line break was never acknowledged
                try:
                    step = json.loads(line)
                    after = step["after"]
                except (ValueError, TypeError, KeyError, RecursionError) as error:
                    raise DataError("the history is damaged", path=path, row=number, remedy="bring it back from a copy") from error
                if after != models.head:
                    raise DataError("the history was changed before this line", path=path, row=number, remedy="bring it back from a copy")
                try:
                    models._take(step)
                except (KeyError, TypeError, AttributeError) as error:  # chained rightly, and yet no step of this registry
                    raise DataError(
                        f"this line is no step ({error!r})", path=path, row=number, remedy="use the version that wrote it"
                    ) from error
                models.head = sha256(line).hexdigest()
        return models

    def add(self, name: str, file: Path | None = None, note: str = "", by: str = "") -> Version:
        """Register a version, with the digest of its file. Raises DataError for a name that is there already."""
        if name in self.versions:
            raise DataError(f"version {name!r} is there already", path=self.folder, remedy="give another name: versions do not change")
        self._step({"do": "add", "name": name, "digest": "" if file is None else digest_of(file), "note": note, "by": by})
        return self.versions[name]

    def attest(self, name: str, by: str, note: str) -> None:
        """Vouch for a version: it was scanned or tested, and it may be gone back to."""
        self._step({"do": "attest", "name": self._known(name).name, "by": by, "note": note})

    def withdraw(self, name: str, by: str, note: str) -> None:
        """Say that a version is bad: nothing goes back to it, attested or not."""
        self._step({"do": "withdraw", "name": self._known(name).name, "by": by, "note": note})

    def reinstate(self, name: str, by: str, note: str) -> None:
        """Take a withdrawal back. Both stay in the history."""
        self._step({"do": "reinstate", "name": self._known(name).name, "by": by, "note": note})

    def point(self, alias: str, name: str, by: str, reason: str, *, back: bool = False) -> Move:
        """Let an alias mean a version."""
        if self._known(name).withdrawn:
            raise DataError(f"version {name!r} was withdrawn", path=self.folder, remedy="name another one")
        self._step({"do": "point", "alias": alias, "name": name, "by": by, "reason": reason, "back": back})
        return self.moves[-1]

    def current(self, alias: str) -> str | None:
        """The version that an alias means."""
        return next((move.version for move in reversed(self.moves) if move.alias == alias), None)

    def before(self, alias: str) -> str:
        """Where a rollback goes: the newest attested version that this alias meant before and that is not withdrawn. Raises DataError
        where there is none."""
        now = self.current(alias)
        for move in reversed(self.moves):
            version = self.versions[move.version]
            if move.alias == alias and move.version != now and version.attested and not version.withdrawn:
                return move.version
        raise DataError(
            f"{alias!r} has meant no attested version before", path=self.folder, remedy="attest one, or point the alias by hand"
        )

    def roll_back(self, alias: str, by: str, reason: str, hook: Callable[[Move], None] | None = None) -> Move:
        """Withdraw what the alias means, and go back. `hook` tells what serves; where it fails, the move stands and the error is raised."""
        target, now = self.before(alias), self.current(alias)
        assert now is not None
        self.withdraw(now, by, reason)
        move = self.point(alias, target, by, reason, back=True)
        if hook is not None:
            hook(move)
        return move

    def _known(self, name: str) -> Version:
        if name not in self.versions:
            raise DataError(f"there is no version {name!r}", path=self.folder, remedy=f"there are: {', '.join(self.versions) or 'none'}")
        return self.versions[name]

    def _step(self, step: Mapping[str, Any]) -> None:
        """Append, and take it; another process that has stepped in between is an error, not an overwriting."""
        path = self.folder / FILE
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            held = file.read()
            whole = held[: held.rfind(b"\n") + 1]
            last = sha256(whole[:-1].rsplit(b"\n", 1)[-1]).hexdigest() if whole else START
            if last != self.head:
                raise DataError("the history has gone on since it was read", path=path, remedy="read it again")
            file.truncate(len(whole))
            line = json.dumps({"after": self.head, "time": time.time(), **step}, sort_keys=True).encode()
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(json.loads(line))
        self.head = sha256(line).hexdigest()

    def _take(self, step: Mapping[str, Any]) -> None:
        if step["do"] == "add":
            self.versions[step["name"]] = Version(step["name"], step["digest"], step["note"])
        elif step["do"] == "point":
            self.moves.append(Move(step["alias"], step["name"], step["time"], step["by"], step["reason"], step["back"]))
        else:
            old = self.versions[step["name"]]
            attested = old.attested or step["do"] == "attest"
            withdrawn = step["do"] == "withdraw" or (old.withdrawn and step["do"] != "reinstate")
            self.versions[old.name] = Version(old.name, old.digest, old.note, attested, withdrawn)


@dataclass(frozen=True)
class Rule:
    """When to go back without being asked. Each bound keeps a fault of the watch from becoming a fault of the service."""

    severity: Severity = "critical"
    firings: int = 2  # of one unanswered alert: a detector that starts from nothing and fires again has seen it twice
    rest: float = 3600.0  # seconds after any move in which nothing is moved again: the new version gets its time
    limit: int = 2  # rollbacks a day: who needs more needs a person
    keys: tuple[str, ...] = ("performance/", "trigger/", "decisions/")  # causes that another version may mend: inputs are not among them

    def due(self, models: Models, alias: str, alerts: Sequence[Alert], now: float) -> tuple[Alert | None, str]:
        """(the alert that calls for it, "") or (None, why not)."""
        calling = [
            a
            for a in alerts
            if a.state == "open"
            and not a.silenced
            and a.count >= self.firings
            and LEVELS.index(a.severity) >= LEVELS.index(self.severity)
            and a.key.startswith(self.keys)
        ]
        if not calling:
            return None, "no alert calls for it"
        moves = [move for move in models.moves if move.alias == alias]
        if moves and now - moves[-1].time < self.rest:
            return None, f"{alias} was moved {now - moves[-1].time:.0f} seconds ago, and rests for {self.rest:.0f}"
        if sum(move.back and now - move.time < 86400 for move in moves) >= self.limit:
            return None, f"{self.limit} rollbacks in a day are the limit: a person has to look"
        return max(calling, key=lambda a: (LEVELS.index(a.severity), a.count)), ""


def digest_of(path: Path) -> str:
    """SHA-256 of a model file, which is read and never loaded."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
