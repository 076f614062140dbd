"""Which model serves: versions, aliases, and the history of every move. Going back is one command, by hand or by rule.

    FOLDER/models.jsonl    one line a step, each with the SHA-256 of the line before it

The history is a hash chain: a line that was changed or taken out is found. With a `signer` each line is signed too, so that who can
write the file and has no key cannot write another history (`assay.watch.signed`). What serves reads `current(alias)`, or is told
(`assay.watch.rollback`).
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.watch.signed import Signs, sign_step

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
    report: str = ""  # SHA-256 of the clean report that vouches for it, "" where a person does
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
    counts: Mapping[str, int] = field(default_factory=dict)  # how often each open cause had fired by then


@dataclass
class Models:
    """The registry in a folder. Every method that changes it is on disk when it returns."""

    folder: Path
    versions: dict[str, Version] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    head: str = START
    told: dict[tuple[str, str], int] = field(default_factory=dict)  # (place, alias) -> moves by when it was told
    signer: Signs | None = field(default=None, compare=False, repr=False)

    @classmethod
    def open(cls, folder: Path, signer: Signs | None = None) -> Models:
        """Read the history; `signer` signs what is added.

        Raises DataError where a line is not what the next one says that it was; a torn last line is left out.
        """
        models = cls(folder, signer=signer)
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

    def add(self, name: str, file: Path | None = None, note: str = "", by: str = "", digest: str = "") -> Version:
        """Register a version, with the digest of its file, or `digest` where that is known. Raises DataError for a name that is there."""
        if name in self.versions:
            raise DataError(f"version {name!r} is there already", path=self.folder, remedy="give another name: versions do not change")
        self._step({"do": "add", "name": name, "digest": digest if file is None else digest_of(file), "note": note, "by": by})
        return self.versions[name]

    def attest(self, name: str, by: str, note: str, report: Path | None = None) -> None:
        """Vouch for a version: it was tested, and it may be gone back to. `report` is a scan's report.json of the data that it learnt from;
        raises DataError unless its verdict is clean."""
        step = {"do": "attest", "name": self._known(name).name, "by": by, "note": note}
        if report is not None:
            content = report.read_bytes()
            try:
                verdict = json.loads(content)["verdict"]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError("is no report with a verdict", path=report, remedy="give the report.json of a scan") from error
            if verdict != "clean":
                raise DataError(
                    f"the verdict of this report is {verdict!r}", path=report, remedy="only a clean report vouches for a version"
                )
            step["report"] = sha256(content).hexdigest()
        self._step(step)

    def withdraw(self, name: str, by: str, note: str) -> None:
        """Say that a version is bad: nothing goes back to it, attested or not."""
        self._step({"do": "withdraw", "name": self._known(name).name, "by": by, "note": note})

    def reinstate(self, name: str, by: str, note: str) -> None:
        """Take a withdrawal back. Both stay in the history."""
        self._step({"do": "reinstate", "name": self._known(name).name, "by": by, "note": note})

    def point(self, alias: str, name: str, by: str, reason: str, *, back: bool = False, counts: Mapping[str, int] | None = None) -> Move:
        """Let an alias mean a version. `counts`: how often each open cause has fired, see `assay.watch.rollback.counts_of`."""
        if self._known(name).withdrawn:
            raise DataError(f"version {name!r} was withdrawn", path=self.folder, remedy="name another one")
        self._step({"do": "point", "alias": alias, "name": name, "by": by, "reason": reason, "back": back, "counts": dict(counts or {})})
        return self.moves[-1]

    def note_told(self, alias: str, place: str, by: str) -> None:
        """Write down that a place was told what the alias means."""
        self._step({"do": "told", "alias": alias, "place": place, "name": self.current(alias), "by": by})

    def current(self, alias: str) -> str | None:
        """The version that an alias means."""
        return next((move.version for move in reversed(self.moves) if move.alias == alias), None)

    def moved(self, alias: str) -> int:
        """How often an alias has been moved."""
        return sum(move.alias == alias for move in self.moves)

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

    def roll_back(self, alias: str, by: str, reason: str, counts: Mapping[str, int] | None = None) -> Move:
        """Withdraw what the alias means, and go back. What serves is told afterwards (`assay.watch.rollback.tell`)."""
        target, now = self.before(alias), self.current(alias)
        assert now is not None
        self.withdraw(now, by, reason)
        return self.point(alias, target, by, reason, back=True, counts=counts)

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
            whole_step = {"after": self.head, "time": time.time(), **step}
            line = json.dumps(whole_step if self.signer is None else sign_step(whole_step, self.signer), sort_keys=True).encode()
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(json.loads(line))
        self.head = sha256(line).hexdigest()

    def _take(self, step: Mapping[str, Any]) -> None:
        if step["do"] == "add":
            self.versions[step["name"]] = Version(step["name"], step["digest"], step["note"])
        elif step["do"] == "point":
            name = self.versions[step["name"]].name  # a version that was never added is no step
            self.moves.append(Move(step["alias"], name, step["time"], step["by"], step["reason"], step["back"], step.get("counts", {})))
        elif step["do"] == "told":
            self.told[step["place"], step["alias"]] = self.moved(step["alias"])
        else:
            old = self.versions[step["name"]]
            attested = old.attested or step["do"] == "attest"
            withdrawn = step["do"] == "withdraw" or (old.withdrawn and step["do"] != "reinstate")
            report = step.get("report", old.report)
            self.versions[old.name] = Version(old.name, old.digest, old.note, attested, report, withdrawn)


def digest_of(path: Path) -> str:
    """SHA-256 of a model file, which is read and never loaded."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
