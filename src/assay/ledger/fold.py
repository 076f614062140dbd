"""From events to the index: `fold(log, index)` reads what is new in the log and brings the index up to it.

Rules are checked here again, by the events and signatures alone: what an operator logged in spite of them (rows of a source
that nobody approved, an approval by a stranger) stands in the index as a violation, for every reader of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from assay.dataset.errors import DataError
from assay.dataset.merkle import leaf_hash
from assay.ledger import proofs
from assay.ledger.approval import Request, admit, check_change, check_rotation, policy_of, read_approval, read_revocation
from assay.ledger.errors import Refused
from assay.ledger.events import Event, canonical, decode
from assay.ledger.index import Index
from assay.ledger.log import Log

DAY = 10  # characters of a time that name its day: 2026-11-21

CHUNK = 50_000  # rows held and admitted together at most: 100 MB

Item = tuple[int, Event, bytes]  # number, event, entry


def fold(log: Log, index: Index, progress: Callable[[int, int], None] | None = None) -> None:
    """Raises Tampered where an entry is not what was signed, or no event."""
    tree = log.tiles()
    size, root = index.head()
    if size > tree.size or (size and proofs.root(size, tree.node) != root):
        index.clear()
    with index.transaction():
        size, root = index.head()  # another process may have been quicker
        if size < tree.size:
            items = ((n, decode(entry, n), entry) for n, entry in enumerate(log.entries(size, tree.size), size))
            _fold(items, index, progress, tree.size)
            index.db.execute("update head set size = ?, root = ?", (tree.size, tree.root))


def fold_events(items: Sequence[Item], index: Index) -> None:
    """Fold some events of a log, in their order, into an index of their own; what they break stands in its violations."""
    with index.transaction():
        _fold(items, index, None, 0)


def preview(index: Index, first: int, entries: Sequence[bytes]) -> str:
    """What these entries would break if they were logged from number `first` on; "" where they keep the rules."""
    known = len(index.violations())
    index.db.execute("begin immediate")
    try:
        _fold(((n, decode(entry, n), entry) for n, entry in enumerate(entries, first)), index, None, 0)
        broken = index.violations()
    finally:
        index.db.execute("rollback")
    return broken[-1][1] if len(broken) > known else ""


def _fold(items: Iterable[Item], index: Index, progress: Callable[[int, int], None] | None, size: int) -> None:
    for (kind, time, *_), group in groupby(items, key=_together):
        number, last = 0, index.time()
        if kind == "row.added":
            number = _rows(list(group), index)
        else:
            for number, event, entry in group:
                try:
                    KINDS[kind](index, number, event, entry)
                except DataError as error:
                    _violated(index, number, error)
        if time < last:
            _violated(index, number, Refused(f"the time went back, from {last} to {time}"))
        elif time > last:
            index.db.execute("update head set time = ?", (time,))
        if progress is not None:
            progress(number + 1, size)


def _together(item: Item) -> tuple[str, ...]:
    """Rows of one source and moment are admitted together, chunk by chunk: a limit that all of them break, one chunk breaks."""
    number, event, _ = item
    if event.type != "row.added":
        return (event.type, event.time)
    return (event.type, event.time, event.body["source"], str(number // CHUNK))


def _violated(index: Index, number: int, error: DataError) -> None:
    index.db.execute("insert into violations values (?, ?)", (number, str(error)))


def _rows(items: list[Item], index: Index) -> int:
    number, first, _ = items[0]
    source = first.body["source"]
    labels = frozenset(event.body["label"] for _, event, _ in items if "label" in event.body)
    by = Counter(event.body.get("contributor") for _, event, _ in items)
    try:
        request = Request(first.time, len(items), by, labels)
        admit(index.policy(), index.source(source), request, index.brought(source, first.time[:DAY], by))
    except DataError as error:
        _violated(index, number, error)
    ids: dict[str | None, int | None] = {None: None}

    def identity(name: str | None) -> int | None:
        if name not in ids:
            ids[name] = index.name_id(name)
        return ids[name]

    day = first.time[:DAY]
    index.db.executemany(
        "insert into rows values (?, ?, ?, ?, ?, null, ?)",
        [
            (n, identity(source), identity(e.body.get("contributor")), identity(e.body.get("label")), bytes.fromhex(e.body["commit"]), day)
            for n, e, _ in items
        ],
    )
    return items[-1][0]


def _created(index: Index, number: int, event: Event, entry: bytes) -> None:
    if number:
        raise Refused("a ledger is created once, by its first event")
    said = event.body
    policy = policy_of(said["origin"], said["approvers"], said["threshold"])
    index.db.execute("insert into ledger values (?, ?, ?, 0)", (said["origin"], "\n".join(policy.lines()), said["threshold"]))


def _approvers(index: Index, number: int, event: Event, entry: bytes) -> None:
    old = index.policy()
    new = policy_of(old.origin, event.body["approvers"], event.body["threshold"], number)
    check_change(old, new, event.body["notes"], event.time)
    values = ("\n".join(new.lines()), new.threshold, number)
    index.db.execute("update ledger set approvers = ?, threshold = ?, since = ?", values)


def _rotated(index: Index, number: int, event: Event, entry: bytes) -> None:
    before, key = event.body["before"], event.body["key"]
    last = index.db.execute("select key from rotations order by event desc").fetchone()
    if last is not None and last[0] != before:
        raise Refused(f"the key of the log is {last[0]}, and not {before}")
    check_rotation(index.policy(), before, key, event.body["notes"], event.time)
    index.db.execute("insert into rotations values (?, ?, ?)", (number, before, key))


def _registered(index: Index, number: int, event: Event, entry: bytes) -> None:
    name = event.body["source"]
    if name in index.source_names():
        raise Refused(f"the source {name!r} is registered already")
    values = (
        name,
        number,
        leaf_hash(entry),
        event.body["licence"],
        event.body["contact"],
        event.body["method"],
        event.body.get("url", ""),
        0,
        "",
    )
    index.db.execute("insert into sources values (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def _approved(index: Index, number: int, event: Event, entry: bytes) -> None:
    policy = index.policy()
    scope, name = read_approval(policy, index.source(event.body["source"]), event.body["note"])
    policy.valid(name, event.time)
    if scope.expires <= event.time:
        raise Refused(f"an approval that ends on {scope.expires} has ended already", remedy="approve until a later date")
    index.db.execute("insert into approvals values (?, ?, ?)", (event.body["source"], number, event.body["note"]))


def _revoked(index: Index, number: int, event: Event, entry: bytes) -> None:
    source = index.source(event.body["source"])
    reason = read_revocation(index.policy(), source, event.body["note"], event.time)
    index.db.execute("update sources set revoked = revoked + 1, reason = ? where name = ?", (reason, source.name))
    index.db.execute("delete from approvals where source = ?", (source.name,))


def _row(index: Index, row: int) -> tuple[int, int | None]:
    """(label, removed) of a row. Raises Refused where there is none."""
    found = index.db.execute("select label, removed from rows where row = ?", (row,)).fetchone()
    if found is None:
        raise Refused(f"event {row} added no row")
    return found[0], found[1]


def _derived(index: Index, number: int, event: Event, entry: bytes) -> None:
    if not event.body["parents"]:
        raise Refused("a derived row has one parent or more")
    for parent in event.body["parents"]:
        if _row(index, parent)[1] is not None:
            raise Refused(f"the parent row {parent} was removed before")
    values = (number, index.name_id(event.body.get("label")), bytes.fromhex(event.body["commit"]))
    index.db.execute("insert into rows values (?, null, null, ?, ?, null, null)", values)
    index.db.executemany("insert or ignore into parents values (?, ?)", [(number, parent) for parent in event.body["parents"]])


def _removed(index: Index, number: int, event: Event, entry: bytes) -> None:
    if _row(index, event.body["row"])[1] is not None:
        raise Refused(f"row {event.body['row']} was removed before")
    index.db.execute("update rows set removed = ? where row = ?", (number, event.body["row"]))


def _labelled(index: Index, number: int, event: Event, entry: bytes) -> None:
    before, _ = _row(index, event.body["row"])
    if before != index.name_id(event.body.get("before")):
        raise Refused(f"row {event.body['row']} did not have the label {event.body.get('before')!r} before")
    label = index.name_id(event.body["label"])
    index.db.execute("insert into labels values (?, ?, ?, ?)", (number, event.body["row"], label, index.name_id(event.body["annotator"])))
    index.db.execute("update rows set label = ? where row = ?", (label, event.body["row"]))


def _decided(index: Index, number: int, event: Event, entry: bytes) -> None:
    _row(index, event.body["row"])
    index.db.execute(
        "insert into decisions values (?, ?, ?, ?)", (number, event.body["row"], event.body["decision"], event.body["reviewer"])
    )


def _snapshot(index: Index, number: int, event: Event, entry: bytes) -> None:
    if index.db.execute("select 1 from snapshots where name = ?", (event.body["name"],)).fetchone():
        raise Refused(f"there is a snapshot {event.body['name']!r} already")
    values = (event.body["name"], number, event.body["size"], event.body["root"], event.body["rows"], event.body.get("parent"))
    index.db.execute("insert into snapshots values (?, ?, ?, ?, ?, ?)", values)


def _known_snapshot(index: Index, name: str) -> None:
    if not index.db.execute("select 1 from snapshots where name = ?", (name,)).fetchone():
        raise Refused(f"there is no snapshot {name!r}")


def _step(index: Index, number: int, event: Event, entry: bytes) -> None:
    for name in [*event.body["inputs"], event.body["output"]]:
        _known_snapshot(index, name)
    said = event.body
    inputs, parameters = canonical(said["inputs"]).decode(), canonical(said["parameters"]).decode()
    values = (number, said["name"], said["kind"], inputs, said["output"], said["code"], parameters)
    index.db.execute("insert into steps values (?, ?, ?, ?, ?, ?, ?)", values)


def _trained(index: Index, number: int, event: Event, entry: bytes) -> None:
    _known_snapshot(index, event.body["snapshot"])
    index.db.execute("insert into models values (?, ?, ?, ?)", (number, event.body["model"], event.body["digest"], event.body["snapshot"]))


def _repaired(index: Index, number: int, event: Event, entry: bytes) -> None:
    """A repaired model still stems from the snapshot that the broken one was trained on, where that was logged; else it is only told."""
    known = index.db.execute("select snapshot from models where digest = ?", (event.body["before"],)).fetchone()
    if known:
        body = event.body
        index.db.execute("insert into models values (?, ?, ?, ?)", (number, body["model"], body["digest"], known[0]))


def _moved(index: Index, number: int, event: Event, entry: bytes) -> None:
    if not index.db.execute("select 1 from models where model = ?", (event.body["model"],)).fetchone():
        raise Refused(f"no training of a model {event.body['model']!r} was logged")
    index.db.execute("insert into aliases values (?, ?, ?)", (number, event.body["alias"], event.body["model"]))


def _signed(index: Index, number: int, event: Event, entry: bytes) -> None:
    index.db.execute("insert into statements values (?, ?, ?)", (number, event.body["predicate"], event.body["payload"]))


def _scanned(index: Index, number: int, event: Event, entry: bytes) -> None:
    values = (number, event.body["fingerprint"], event.body["verdict"], event.body["report"], event.body["findings"])
    index.db.execute("insert into scans values (?, ?, ?, ?, ?)", values)


def _quarantined(index: Index, number: int, event: Event, entry: bytes) -> None:
    values = (number, event.body["source"], event.body["fingerprint"], event.body["records"], event.body["reason"])
    index.db.execute("insert into quarantine values (?, ?, ?, ?, ?, null)", values)


def _judged(index: Index, number: int, event: Event, entry: bytes) -> None:
    said = event.body
    where = "fingerprint = ? and source = ? and decision is null"
    values = (said["decision"], said["fingerprint"], said["source"])
    if not index.db.execute(f"update quarantine set decision = ? where {where}", values).rowcount:
        raise Refused(f"nothing of the source {said['source']!r} with the fingerprint {said['fingerprint'][:16]}… is held")


KINDS: dict[str, Callable[[Index, int, Event, bytes], None]] = {
    "ledger.created": _created,
    "approvers.changed": _approvers,
    "key.rotated": _rotated,
    "source.registered": _registered,
    "source.approved": _approved,
    "source.revoked": _revoked,
    "rows.quarantined": _quarantined,
    "quarantine.decided": _judged,
    "row.derived": _derived,
    "row.removed": _removed,
    "label.set": _labelled,
    "review.decision": _decided,
    "snapshot": _snapshot,
    "step": _step,
    "model.trained": _trained,
    "model.repaired": _repaired,
    "alias.moved": _moved,
    "scan.verdict": _scanned,
    "statement.signed": _signed,
}
