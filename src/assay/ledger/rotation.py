"""A new key for the log: the old one hands over to it, the approvers consent, and readers follow.

    LEDGER/keys/1, 2, ...       a signed note each, by the old key and by the new one:
        assay.rotation/1
        ledger example.com/data
        number 1
        size 20852163
        root CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
        old example.com/data+1f9b2a07+AZ...
        new example.com/data+77aa01c3+AT...

The event `key.rotated` carries the consent of as many approvers as a source needs, so that whoever steals a key cannot hand over to
his own unseen: readers fold the log and see that nobody agreed. Heads and statements that stand are signed by the new key as well;
proofs that were given away before hold with the key they were signed by. A reader who trusts an older key comes by these notes to the
present one (`succession`), and what he remembers still counts.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from assay.ledger import snapshots, statement
from assay.ledger.errors import Refused
from assay.ledger.ledger import CONFIG, KEYS, Ledger
from assay.ledger.log import Memo, follows
from assay.ledger.note import DASH, Signer, sign_note
from assay.ledger.paths import CHECKPOINT
from assay.ledger.storage import replace
from assay.ledger.succession import SCHEMA


def rotate(ledger: Ledger, new: Signer, memo: Memo, notes: Sequence[str]) -> int:
    """Hand over to `new`; the number of the event. The ledger must be opened anew with the new key.

    `memo` is where the new key remembers what it signs. If the process dies, the same call finishes what it began. Raises Refused
    where too few approvers consent, or where the new key has another name or has signed before.
    """
    with ledger.writing():
        old = ledger.signer
        assert old is not None
        if new.key.name != old.key.name or new.key == old.key:
            raise Refused(f"the new key must be another one of the same name, {old.key.name}", remedy="assay ledger rotate makes one")
        seen = memo.read(new.key)
        if seen is not None:
            follows(ledger.log.tiles(), seen, "the new key has signed")
        event = _event(ledger, old, new, notes)
        for name in snapshots.names(ledger):
            _put(snapshots.head_path(ledger, name), _signed(snapshots.note(ledger, name), new))
        for file in sorted((ledger.folder / "statements").glob("*.json")):
            _put(file, statement.also_signed(file.read_text(encoding="utf-8"), new))
        before = ledger.log.note()
        note = _signed(before.decode(), new)
        memo.write(note)
        ledger.log.storage.swap(CHECKPOINT, before, note.encode())
        # From the next line on readers follow to the new key, and all that they will check is signed by it.
        head = ledger.log.checkpoint()
        (ledger.folder / KEYS).mkdir(exist_ok=True)
        number, root = len(ledger.former) + 1, b64encode(head.root).decode()
        text = f"{SCHEMA}\nledger {old.key.name}\nnumber {number}\nsize {head.size}\nroot {root}\nold {old.key}\nnew {new.key}\n"
        _put(ledger.folder / KEYS / str(number), sign_note(text, [old, new]))
        config = json.loads((ledger.folder / CONFIG).read_text(encoding="utf-8")) | {"key": str(new.key)}
        _put(ledger.folder / CONFIG, json.dumps(config, indent=1) + "\n")
        return event


def _event(ledger: Ledger, old: Signer, new: Signer, notes: Sequence[str]) -> int:
    """The event, logged unless a call that died has logged it."""
    query = "select event from rotations where before = ? and key = ?"
    there = ledger.index.db.execute(query, (str(old.key), str(new.key))).fetchone()
    if there is not None:
        return int(there[0])
    return ledger.record([("key.rotated", {"before": str(old.key), "key": str(new.key), "notes": list(notes)})])


def _signed(note: str, signer: Signer) -> str:
    """The note with the line of `signer` behind the others, once."""
    text, gap, _ = note.rpartition("\n\n")
    line = f"{DASH}{signer.key.name} {b64encode(signer.key.id + signer.sign(f'{text}{gap[:1]}'.encode())).decode()}\n"
    return note if line in note else note + line


def _put(path: Path, text: str) -> None:
    replace(path, text.encode(), path.with_name(f".{path.name}-{os.getpid()}"))
