"""Events: what one entry of the ledger says ("assay.event/1"), and how it is written.

Canonical JSON (RFC 8785, Rundgren, Jordan, Erdtman 2020, for the values used here: no fractions): keys sorted, no spaces, UTF-8. So an
event has one spelling, and one hash.

    {"actor":"ingest","commit":"9f2c...","contributor":"w7","label":"good","source":"crawl-7","time":"2026-11-21T07:02:36Z",
     "type":"row.added","v":"assay.event/1"}

A row is named by the number of its `row.added` event. What a row holds is not in the log: `commit` is SHA-256(salt || digest),
and the salt lies beside the ledger. When it is deleted, nobody can tell any more what the row was, and the log stays whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.dataset.errors import DataError
from assay.ledger.errors import Tampered

VERSION = "assay.event/1"
SAFE = 2**53 - 1  # whole numbers that every JSON reader holds exactly
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)

TEXT, DIGEST, NUMBER, TEXTS, NUMBERS, TABLE = "text", "SHA-256 in hex", "number", "texts", "numbers", "table of texts"
_OPTIONAL = "?"

# What each event must say, and may say ("?"). A new kind of event is one line here and one in fold.py.
FIELDS: dict[str, dict[str, str]] = {
    "ledger.created": {"origin": TEXT, "approvers": TEXTS, "threshold": NUMBER},
    "approvers.changed": {"approvers": TEXTS, "threshold": NUMBER, "notes": TEXTS},
    "key.rotated": {"before": TEXT, "key": TEXT, "notes": TEXTS},
    "source.registered": {"source": TEXT, "licence": TEXT, "contact": TEXT, "method": TEXT, "url": TEXT + _OPTIONAL},
    "source.approved": {"source": TEXT, "note": TEXT},
    "source.revoked": {"source": TEXT, "note": TEXT},
    "rows.quarantined": {"source": TEXT, "fingerprint": DIGEST, "records": NUMBER, "reason": TEXT},
    "quarantine.decided": {"fingerprint": DIGEST, "source": TEXT, "decision": TEXT, "reason": TEXT + _OPTIONAL},
    "row.added": {"source": TEXT, "contributor": TEXT + _OPTIONAL, "commit": DIGEST, "label": TEXT + _OPTIONAL},
    "row.derived": {"step": TEXT, "parents": NUMBERS, "commit": DIGEST, "label": TEXT + _OPTIONAL},
    "row.removed": {"row": NUMBER, "reason": TEXT},
    "label.set": {"row": NUMBER, "label": TEXT, "before": TEXT + _OPTIONAL, "annotator": TEXT},
    "scan.verdict": {"fingerprint": DIGEST, "verdict": TEXT, "report": DIGEST, "findings": NUMBER},
    "review.decision": {"row": NUMBER, "decision": TEXT, "reviewer": TEXT, "reason": TEXT + _OPTIONAL},
    "snapshot": {"name": TEXT, "size": NUMBER, "root": DIGEST, "rows": DIGEST, "parent": TEXT + _OPTIONAL},
    "step": {"name": TEXT, "kind": TEXT, "inputs": TEXTS, "output": TEXT, "code": TEXT, "parameters": TABLE},
    "model.trained": {"model": TEXT, "digest": DIGEST, "snapshot": TEXT},
    "model.repaired": {"model": TEXT, "digest": DIGEST, "before": DIGEST, "way": TEXT, "record": DIGEST},
    "alias.moved": {"alias": TEXT, "model": TEXT, "before": TEXT + _OPTIONAL},
    "statement.signed": {"predicate": TEXT, "payload": DIGEST},
}


# A `row.added` event without escaped characters: nearly all of a log. Whatever this matches is canonical, field by field.
_PLAIN = r'([^"\\\x00-\x1f]*)'
_ROW = re.compile(
    rf'\{{"actor":"{_PLAIN}","commit":"([0-9a-f]{{64}})"(?:,"contributor":"{_PLAIN}")?(?:,"label":"{_PLAIN}")?'
    rf',"source":"{_PLAIN}","time":"({_TIME.pattern})","type":"row\.added","v":"{VERSION}"\}}',
    re.ASCII,
)


def _fits(value: Any, kind: str) -> bool:
    if kind == TEXT:
        return isinstance(value, str)
    if kind == NUMBER:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SAFE
    if kind == DIGEST:
        return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
    if kind == TEXTS:
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    if kind == NUMBERS:
        return isinstance(value, list) and all(_fits(v, NUMBER) for v in value)
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())


@dataclass(frozen=True)
class Event:
    """One event: its kind, when and by whom it was logged, and what it says."""

    type: str
    time: str  # RFC 3339, UTC, whole seconds: "2026-11-21T07:02:36Z"
    actor: str  # who logged it; who did it is in the body
    body: dict[str, Any]

    def encode(self) -> bytes:
        """The entry of the log. Raises DataError where a field is missing, unknown or of the wrong kind."""
        problem = _problem(self.type, self.time, self.body)
        if problem:
            raise DataError(f"the event {self.type!r} {problem}", remedy="see docs/ledger.md for what each event says")
        return canonical({**self.body, "v": VERSION, "type": self.type, "time": self.time, "actor": self.actor})


def _problem(kind: str, time: str, body: dict[str, Any]) -> str:
    fields = FIELDS.get(kind)
    if fields is None:
        return f"is not known; there are {', '.join(FIELDS)}"
    if not _TIME.fullmatch(time):
        return f"has the time {time!r}, expected one like 2026-11-21T07:02:36Z"
    unknown = sorted(set(body) - set(fields))
    if unknown:
        return f"has the unknown field {unknown[0]!r}"
    for name, kind_of in fields.items():
        if name not in body:
            if not kind_of.endswith(_OPTIONAL):
                return f"lacks the field {name!r}"
        elif not _fits(body[name], kind_of.removesuffix(_OPTIONAL)):
            return f"has {body[name]!r} as {name!r}, expected {kind_of.removesuffix(_OPTIONAL)}"
    return ""


def canonical(value: Any) -> bytes:
    """Canonical JSON. Raises DataError for text that is not Unicode.

    >>> canonical({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise DataError("a text of this event is not valid Unicode", remedy="mend the name or label it came from") from error


def decode(entry: bytes, number: int) -> Event:
    """The event in entry `number`. Raises Tampered where it is none, or is not written canonically."""
    quick = _quick(entry)
    if quick is not None:
        return quick
    try:
        held = json.loads(entry)
        told = held.pop("type"), held.pop("time"), held.pop("actor")
        event = Event(*told, held) if held.pop("v") == VERSION and all(isinstance(text, str) for text in told) else None
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise Tampered(f"entry {number} is no event of {VERSION}") from error
    if event is None or _problem(event.type, event.time, event.body) or event.encode() != entry:
        raise Tampered(f"entry {number} is no event of {VERSION} in canonical form")
    return event


def _quick(entry: bytes) -> Event | None:
    """Reads most rows in a tenth of the time; None where the long way must be gone."""
    try:
        found = _ROW.fullmatch(entry.decode())
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    actor, commit, contributor, label, source, time = found.groups()
    body = {"source": source, "commit": commit}
    if contributor is not None:
        body["contributor"] = contributor
    if label is not None:
        body["label"] = label
    return Event("row.added", time, actor, body)


def rows_added(
    source: str, contributors: Sequence[str | None], labels: Sequence[str | None], commits: bytes, time: str, actor: str
) -> list[bytes]:
    """The entries of many `row.added` events at once; `commits` holds 32 bytes for each. The same bytes as `Event.encode` gives.

    >>> event = Event("row.added", "2026-11-21T07:02:36Z", "a", {"source": "s", "commit": "00" * 32, "label": "x"})
    >>> rows_added("s", [None], ["x"], bytes(32), event.time, "a") == [event.encode()]
    True
    """
    who = {name: "" if name is None else ',"contributor":' + _quoted(name) for name in set(contributors)}
    what = {name: "" if name is None else ',"label":' + _quoted(name) for name in set(labels)}
    start = f'{{"actor":{_quoted(actor)},"commit":"'
    end = f',"source":{_quoted(source)},"time":"{time}","type":"row.added","v":"{VERSION}"}}'
    hexes = commits.hex()
    return [
        f'{start}{hexes[64 * i : 64 * i + 64]}"{who[contributor]}{what[label]}{end}'.encode()
        for i, (contributor, label) in enumerate(zip(contributors, labels, strict=True))
    ]


def _quoted(text: str) -> str:
    return canonical(text).decode()


def now() -> str:
    """The time of the machine's clock, as events have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str, what: str = "time") -> str:
    """A date or a time in UTC, as events have it. Raises DataError where it is neither.

    >>> moment("2027-01-31")
    '2027-01-31T00:00:00Z'
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"{text!r} is no {what}", remedy="write 2027-01-31 or 2027-01-31T12:00:00Z") from error
    return (parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
