"""Who may bring rows: approvals of sources by m of n named keys, scoped, expiring, revocable.

An approval is a signed note by one approver. Its text names the ledger, the registration (so that another description of
the source needs another approval), the scope, the date it ends, and how often the source has been revoked (so that an
old approval cannot be logged again). The ledger's operator cannot make one: only signatures count, by keys that the
first event of the log names.

    assay.approval/1
    ledger example.com/ledger
    source crawl-7
    registration 1 yZ8...=
    revoked 0
    rows 100000
    daily 5000
    each 200
    labels ["cat","dog"]
    pin 2608fe05...
    expires 2027-01-01T00:00:00Z
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from assay.dataset.errors import DataError
from assay.ledger.errors import Refused, Tampered
from assay.ledger.events import canonical, moment
from assay.ledger.note import Key, Signer, open_note, sign_note

APPROVAL, REVOCATION, CHANGE = "assay.approval/1", "assay.revocation/1", "assay.approvers/1"
ROTATION = "assay.newkey/1"
ANY = "any"
UNTIL = " until "  # between an approver's key and the moment from which it counts no more


@dataclass(frozen=True)
class Scope:
    """What an approval covers. None: without limit."""

    rows: int | None = None  # how many rows the source may ever bring
    daily: int | None = None  # how many on one day (UTC)
    each: int | None = None  # how many any one contributor may ever bring through it; rows of nobody named count as one's
    labels: tuple[str, ...] | None = None  # the labels its rows may carry
    pin: str | None = None  # the fingerprint (hex) of the one data set that was reviewed
    expires: str = ""  # "2027-01-01T00:00:00Z"

    def lines(self) -> str:
        labels = ANY if self.labels is None else canonical(sorted(self.labels)).decode()
        limits = (("rows", self.rows), ("daily", self.daily), ("each", self.each))
        counts = "".join(f"{name} {ANY if limit is None else limit}\n" for name, limit in limits)
        return f"{counts}labels {labels}\npin {self.pin or ANY}\nexpires {self.expires}\n"


@dataclass(frozen=True)
class Source:
    """A source as the log has it so far."""

    name: str
    registration: int  # the number of the event
    leaf: bytes  # its leaf hash
    licence: str = ""
    contact: str = ""
    method: str = ""
    url: str = ""
    revoked: int = 0  # how often
    reason: str = ""  # of the last revocation
    approvals: tuple[tuple[Scope, str], ...] = ()  # (scope, name of the approver) since the last revocation

    def approved(self, scope: Scope, key: str) -> Source:
        return replace(self, approvals=(*self.approvals, (scope, key)))

    def revoke(self, reason: str) -> Source:
        return replace(self, revoked=self.revoked + 1, reason=reason, approvals=())


@dataclass(frozen=True)
class Policy:
    """Whose approvals count, and how many are needed.

    A key that has ended signs nothing that is logged from then on; what it signed before stands.
    """

    origin: str
    approvers: tuple[Key, ...]
    threshold: int
    since: int = 0  # the event that set it
    ends: tuple[str, ...] = ()  # of each key, "2027-01-01T00:00:00Z", or "" for never; empty: none ends

    def __post_init__(self) -> None:
        names = [key.name for key in self.approvers]
        if len(set(names)) < len(names) or len({key.public for key in self.approvers}) < len(names):
            raise DataError("two approvers have the same name or key", remedy="give every approver a name and a key of its own")
        if not 1 <= self.threshold <= len(names):
            raise DataError(f"{self.threshold} of {len(names)} approvers cannot be asked for", remedy="name at least as many as must agree")

    def lines(self) -> list[str]:
        """The approvers as the log has them: a key, and until when it counts where it ends."""
        ends = self.ends or ("",) * len(self.approvers)
        return [f"{key}{UNTIL}{end}" if end else str(key) for key, end in zip(self.approvers, ends, strict=True)]

    def ended(self, name: str, time: str) -> str:
        """When the key of that name ended, if it has by `time`; else nothing."""
        return next((end for key, end in zip(self.approvers, self.ends, strict=False) if key.name == name and end and end <= time), "")

    def valid(self, name: str, time: str) -> None:
        """Raises Refused where the key of that name has ended."""
        if end := self.ended(name, time):
            raise Refused(
                f"the key of {name} expired on {end}: what it signs counts no more",
                remedy="have another approver sign, or name a new key: assay ledger approvers",
            )


def _head(kind: str, policy: Policy, source: Source) -> str:
    registration = f"{source.registration} {b64encode(source.leaf).decode()}"
    return f"{kind}\nledger {policy.origin}\nsource {source.name}\nregistration {registration}\nrevoked {source.revoked}\n"


def approve(policy: Policy, source: Source, scope: Scope, signer: Signer) -> str:
    """The signed note. Raises Refused if the key is not an approver's."""
    _named(policy, signer.key)
    moment(scope.expires, "date on which the approval ends")
    return sign_note(_head(APPROVAL, policy, source) + scope.lines(), [signer])


def revoke(policy: Policy, source: Source, reason: str, signer: Signer) -> str:
    """The signed note; one approver is enough. Raises Refused if the key is not an approver's."""
    _named(policy, signer.key)
    return sign_note(_head(REVOCATION, policy, source) + f"reason {' '.join(reason.split())}\n", [signer])


def _named(policy: Policy, key: Key) -> None:
    if key not in policy.approvers:
        names = ", ".join(approver.name for approver in policy.approvers)
        raise Refused(f"{key.name} ({key.id.hex()}) is not an approver of this ledger", remedy=f"use a key of one of: {names}")


def read_approval(policy: Policy, source: Source, note: str) -> tuple[Scope, str]:
    """(scope, name of the approver) of an approval of this source as it stands. Raises Tampered for any other note."""
    opened = open_note(note, policy.approvers)
    head = _head(APPROVAL, policy, source)
    if len(opened.keys) != 1 or not opened.text.startswith(head):
        raise Tampered(f"this is no approval of {source.name!r} as it is registered now")
    values = dict(line.split(" ", 1) for line in opened.text[len(head) :].splitlines() if " " in line)
    try:
        rows, daily, each = (None if values[name] == ANY else int(values[name]) for name in ("rows", "daily", "each"))
        labels = None if values["labels"] == ANY else tuple(json.loads(values["labels"]))
        scope = Scope(rows, daily, each, labels, None if values["pin"] == ANY else values["pin"], values["expires"])
    except (KeyError, ValueError) as error:
        raise Tampered(f"the approval of {source.name!r} is malformed") from error
    if head + scope.lines() != opened.text:
        raise Tampered(f"the approval of {source.name!r} is malformed")
    return scope, opened.keys[0].name


def read_revocation(policy: Policy, source: Source, note: str, time: str) -> str:
    """The reason given. Raises Tampered for any other note, Refused where every key that signed it has ended at `time`."""
    opened = open_note(note, policy.approvers)
    if all(policy.ended(key.name, time) for key in opened.keys):
        policy.valid(opened.keys[0].name, time)
    head = _head(REVOCATION, policy, source) + "reason "
    if not opened.text.startswith(head):
        raise Tampered(f"this is no revocation of {source.name!r} as it is registered now")
    return opened.text[len(head) : -1]


@dataclass(frozen=True)
class Brought:
    """How many rows a source has brought: ever (removed ones too), on the day in question, and by contributor."""

    rows: int
    today: int
    by: Mapping[str | None, int]


@dataclass(frozen=True)
class Request:
    """Rows that a source would bring at a moment. `by`: how many of each contributor."""

    time: str
    rows: int
    by: Mapping[str | None, int]
    labels: frozenset[str] = field(default_factory=frozenset)
    fingerprint: str | None = None  # of the data set they come in; None where it is not known


def standing(policy: Policy, source: Source, time: str) -> Scope:
    """The scope that enough approvers agree on at `time`; of several the last one completed. Raises Refused where there is none."""
    valid = [(scope, name) for scope, name in source.approvals if time < scope.expires]
    most = 0
    for scope in [scope for scope, _ in reversed(valid)]:
        have = len({name for other, name in valid if other == scope})
        if have >= policy.threshold:
            return scope
        most = max(most, have)
    if source.revoked and not source.approvals:
        raise Refused(
            f"the source {source.name!r} was revoked: {source.reason}",
            remedy="leave it out, or have it approved again: assay ledger approve",
        )
    if source.approvals and not valid:
        last = max(scope.expires for scope, _ in source.approvals)
        raise Refused(
            f"the approval of the source {source.name!r} expired on {last}", remedy="have it approved again: assay ledger approve"
        )
    names = sorted({name for _, name in valid})
    what = f"the source {source.name!r} has {most} of the {policy.threshold} approvals it needs"
    if len(names) > most:
        raise Refused(
            f"{what} to one scope: {', '.join(names)} approved different scopes",
            remedy="have them approve the same --rows, --daily, --each, --labels, --pin and --expires: assay ledger approve",
        )
    raise Refused(what, remedy="assay ledger approve")


def admit(policy: Policy, source: Source, request: Request, already: Brought) -> Scope:
    """The scope under which the rows may come in, beside those that the source has brought. Raises Refused."""
    scope = standing(policy, source, request.time)
    limits = [("rows", scope.rows, already.rows, request.rows), ("rows a day", scope.daily, already.today, request.rows)]
    limits += [(f"rows by {name or 'nobody named'}", scope.each, already.by.get(name, 0), more) for name, more in request.by.items()]
    for what, limit, have, more in limits:
        if limit is not None and have + more > limit:
            raise Refused(
                f"the source {source.name!r} may bring {limit:,} {what}; it has brought {have:,}, and these are {more:,} more",
                remedy="bring fewer, or have a larger scope approved",
            )
    strange = sorted(request.labels - set(scope.labels)) if scope.labels is not None else []
    if strange:
        raise Refused(
            f"the source {source.name!r} may not bring rows labelled {strange[0]!r}; approved are {', '.join(scope.labels or ())}",
            remedy="leave those rows out, or have a larger scope approved",
        )
    if scope.pin is not None and request.fingerprint is not None and request.fingerprint != scope.pin:
        raise Refused(
            f"this is not the data set that was reviewed: its fingerprint is {request.fingerprint[:16]}…, approved was {scope.pin[:16]}…",
            remedy="find out what changed since the review (assay ledger diff); have the new content reviewed",
        )
    return scope


def _change(old: Policy, new: Policy) -> str:
    keys = "".join(f"approver {line}\n" for line in new.lines())
    return f"{CHANGE}\nledger {old.origin}\nsince {old.since}\nthreshold {new.threshold}\n{keys}"


def change(old: Policy, new: Policy, signer: Signer) -> str:
    """One present approver's consent to other approvers, as a signed note. Raises Refused if the key is not an approver's."""
    _named(old, signer.key)
    return sign_note(_change(old, new), [signer])


def check_change(old: Policy, new: Policy, notes: Sequence[str], time: str) -> None:
    """Raises Refused unless as many present approvers as must agree to a source have signed exactly this change."""
    _agreed(old, _change(old, new), notes, "other approvers", time)


def _rotation(policy: Policy, before: str, new: str) -> str:
    return f"{ROTATION}\nledger {policy.origin}\nbefore {before}\nkey {new}\n"


def consent_to_key(policy: Policy, before: str, new: str, signer: Signer) -> str:
    """One approver's consent to the log's key `new` in place of `before`, as a signed note. Raises Refused if he is no approver."""
    _named(policy, signer.key)
    return sign_note(_rotation(policy, before, new), [signer])


def check_rotation(policy: Policy, before: str, new: str, notes: Sequence[str], time: str) -> None:
    """Raises Refused unless as many approvers as must agree to a source have signed exactly this change of the log's key."""
    _agreed(policy, _rotation(policy, before, new), notes, "another key of the log", time)


def _agreed(policy: Policy, text: str, notes: Sequence[str], what: str, time: str) -> None:
    agreed = set()
    for note in notes:
        opened = open_note(note, policy.approvers)
        if opened.text != text:
            raise Tampered(f"this is no consent to {what} as things stand now")
        agreed |= {key.name for key in opened.keys}
    late = sorted(name for name in agreed if policy.ended(name, time))
    agreed -= {*late}
    if len(agreed) < policy.threshold:
        names = (", ".join(sorted(agreed)) or "none") + (f" (expired: {', '.join(late)})" if late else "")
        raise Refused(f"{policy.threshold} of the present approvers must agree to {what}; {len(agreed)} have: {names}")


def policy_of(origin: str, approvers: Sequence[str], threshold: int, since: int = 0) -> Policy:
    """`approvers` as `Policy.lines` writes them. Raises DataError where a key or a moment is none, or the threshold cannot be met."""
    parts = [text.strip().partition(UNTIL) for text in approvers]
    ends = tuple(moment(end, "date on which a key ends") if end else "" for _, _, end in parts)
    return Policy(origin, tuple(Key.parse(key) for key, _, _ in parts), threshold, since, ends if any(ends) else ())
