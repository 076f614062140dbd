"""A ledger: the log in its folder, what it amounts to, and what its commitments hide.

LEDGER/ledger.json          schema "assay.ledger/1": origin, the public key for convenience (trust it from elsewhere), and the address
                            of the log where it is not in the folder ("store")
LEDGER/checkpoint, tile/    the log, to be published as it is
LEDGER/snapshots/NAME       signed heads of snapshots, to be published
LEDGER/keys/N               how the log's key was handed over, to be published
LEDGER/private/             openings.sqlite (salts, digests), snapshots (which rows), index.sqlite (can be made again)
KEYFILE, KEYFILE.last       the secret key, and the last head it signed; not in the folder
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError
from assay.ledger import approval
from assay.ledger.approval import Source
from assay.ledger.errors import Refused, Tampered
from assay.ledger.events import Event, now
from assay.ledger.fold import fold, preview
from assay.ledger.index import Index
from assay.ledger.keys import read_key
from assay.ledger.log import Log, Memo
from assay.ledger.note import Key, Signer
from assay.ledger.openings import Openings
from assay.ledger.storage import Folder, Storage
from assay.ledger.stores import opened
from assay.ledger.succession import follow, notes_in

SCHEMA = "assay.ledger/1"
CONFIG, PRIVATE, KEYS = "ledger.json", "private", "keys"
NAME_LENGTH = 200  # characters of a source, contributor or label in the log; more is content, which does not belong there

Progress = Callable[[int, int], None]


class Ledger:
    """An open ledger. With a `signer` it can be written to.

    `clock` gives the time of events; `actor` is who logs them, by default the account's name.
    """

    def __init__(
        self,
        folder: Path,
        key: Key,
        signer: Signer | None = None,
        memo: Memo | None = None,
        *,
        storage: Storage | None = None,
        former: tuple[Key, ...] = (),
        actor: str = "",
        clock: Callable[[], str] = now,
    ) -> None:
        self.folder = folder
        self.key = key
        self.former = former
        self.log = Log(storage or Folder(folder), key, signer, memo, former)
        self.private = folder / PRIVATE
        self.private.mkdir(mode=0o700, exist_ok=True)
        self.index = Index(self.private / "index.sqlite")
        self.openings = Openings(self.private / "openings.sqlite")
        self.signer = signer
        self.actor = actor or _account()
        self.clock = clock

    @classmethod
    def create(
        cls,
        folder: Path,
        signer: Signer,
        memo: Memo,
        approvers: Sequence[Key] = (),
        threshold: int = 1,
        *,
        ends: Sequence[str] = (),
        store: str = "",
        actor: str = "",
        clock: Callable[[], str] = now,
    ) -> Ledger:
        """A new ledger. Without approvers the ledger's own key is the only one. `ends`: until when each approver's key counts, or "".
        `store`: where the log lies, if not in the folder.

        Raises Refused where there is one, or where something else lies in the folder.
        """
        if folder.exists() and any(folder.iterdir()):
            raise Refused("is there already, and nothing is overwritten", path=folder, remedy="give a folder that is new or empty")
        keys = list(approvers) or [signer.key]
        policy = approval.Policy(signer.key.name, tuple(keys), threshold, ends=tuple(ends))
        folder.mkdir(parents=True, exist_ok=True)
        config = {"schema": SCHEMA, "origin": signer.key.name, "key": str(signer.key)} | ({"store": store} if store else {})
        storage = opened(store, folder, signer.key.name, new=True)
        Log.create(storage, signer, memo)
        (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        made = cls(folder, signer.key, signer, memo, storage=storage, actor=actor, clock=clock)
        body = {"origin": signer.key.name, "approvers": policy.lines(), "threshold": threshold}
        made.record([("ledger.created", body)])
        return made

    @classmethod
    def open(cls, folder: Path, *, key_file: Path | None = None, trust: Key | None = None, actor: str = "") -> Ledger:
        """An existing ledger, its state brought up to its log.

        `key_file` lets it be written to; `trust` is the public key from elsewhere, else the one in the folder is taken.
        Raises DataError where there is none, Tampered where it was altered.
        """
        config = _config(folder)
        signer = None if key_file is None else read_key(key_file)
        given = trust or (signer.key if signer else Key.parse(config["key"]))
        key, former = follow(given, notes_in(folder / KEYS))
        if signer is not None and signer.key != key:
            raise Refused(f"this is the key of {signer.key}, the ledger's is {key}", path=key_file, remedy="give the ledger's own key")
        memo = None if key_file is None else memo_of(key_file)
        storage = opened(config.get("store", ""), folder, key.name)
        made = cls(folder, key, signer, memo, storage=storage, former=former, actor=actor)
        if signer is not None:
            made.log.publish()  # what a process that died had acknowledged
        made.refresh()
        if config["origin"] != key.name:  # the checkpoint has been checked to be of that name
            raise Tampered(
                f"says that this is the ledger {config['origin']!r}, and its checkpoint is signed as that of {key.name!r}",
                path=folder / CONFIG,
                remedy=f'find out who changed it, and write "origin": "{key.name}" again',
            )
        return made

    def refresh(self, progress: Progress | None = None) -> None:
        """Bring the state up to the published log."""
        fold(self.log, self.index, progress)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else writes meanwhile, and the state is that of the log."""
        if self.signer is None:
            raise Refused("writing to the ledger needs its secret key", path=self.folder, remedy="give it with --key")
        with self.log.storage.lock():
            self.log.publish()
            self.refresh()
            yield

    def record(self, events: Sequence[tuple[str, dict[str, Any]]]) -> int:
        """Log events (kind, what they say), all under one time; the number of the first.

        Raises Refused where the rules forbid one of them; none is logged then.
        """
        with self.writing():
            time = self.time()
            entries = [Event(kind, time, self.actor, body).encode() for kind, body in events]
            broken = preview(self.index, self.log.next_number(), entries)
            if broken:
                raise Refused(broken)
            return self.commit(entries)

    def time(self) -> str:
        """The time that the next event gets: the clock's, but never before the last event's, so that none is dated back."""
        return max(self.clock(), self.index.time())

    def commit(self, entries: Sequence[bytes]) -> int:
        """Append, publish and fold events that are known to keep the rules, under `writing`; the number of the first."""
        first = self.log.append(entries)
        self.log.publish()
        self.refresh()
        return first

    def register(self, source: str, *, licence: str, contact: str, method: str, url: str = "") -> int:
        """Register a source; the number of the event. It may bring nothing before it is approved."""
        _check_name(source, "source")
        with self.writing():
            if source in self.index.source_names():
                raise Refused(f"the source {source!r} is registered already", remedy="give another name")
            body = {"source": source, "licence": licence, "contact": contact, "method": method} | ({"url": url} if url else {})
            return self.record([("source.registered", body)])

    def approve(self, source: str, note: str) -> Source:
        """Log one approver's signed approval (`approval.approve` makes it); the source as it stands after it."""
        self.record([("source.approved", {"source": source, "note": note})])
        return self.index.source(source)

    def revoke(self, source: str, note: str) -> None:
        """Log an approver's signed revocation: the source may bring nothing more. Rows that are here stay until they are purged."""
        self.record([("source.revoked", {"source": source, "note": note})])

    def close(self) -> None:
        self.index.close()
        self.openings.close()


def memo_of(key_file: Path) -> Memo:
    """Where the last head that a key has signed is remembered."""
    return Memo(key_file.with_name(key_file.name + ".last"))


def _config(folder: Path) -> dict[str, str]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError("there is no ledger", path=folder, remedy=f"make one: assay ledger init {folder}") from error
    except ValueError as error:
        raise Tampered(f"is damaged ({error})", path=folder / CONFIG) from error
    if (
        not isinstance(config, dict)
        or config.get("schema") != SCHEMA
        or not all(isinstance(config.get(name), str) for name in ("origin", "key"))
    ):
        raise DataError(f"is not of the schema {SCHEMA}", path=folder / CONFIG, remedy="use the version of Assay that made it")
    return config


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account of that number, as in some containers
        return "unknown"


def _check_name(name: str, what: str) -> None:
    if not name or len(name) > NAME_LENGTH or any(ord(c) < 0x20 for c in name):
        raise DataError(f"{name[:50]!r} cannot name a {what}", remedy=f"use up to {NAME_LENGTH} characters on one line")


def check_names(names: Sequence[str | None], what: str) -> None:
    """Raises DataError where one of these is no name of a source, contributor or label but, by its length, content."""
    for name in set(names) - {None}:
        assert name is not None
        _check_name(name, what)
