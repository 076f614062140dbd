"""Events are written one way only, and the state is what the log says, however often it is folded."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.dataset.errors import DataError
from assay.ledger.approval import Scope, approve
from assay.ledger.errors import Refused, Tampered
from assay.ledger.events import Event, _quick, canonical, decode, rows_added
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, KEY, MALLORY, TODAY, new_ledger, opened, register, reviews

ROW = {"source": "s", "commit": "00" * 32}
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(st.none() | words, st.none() | words), min_size=1, max_size=5), words, words)
def test_many_rows_are_written_like_one(rows: list[tuple[str | None, str | None]], source: str, actor: str) -> None:
    who, what = zip(*rows, strict=True)
    commits = b"".join(sha256(b"%d" % i).digest() for i in range(len(rows)))
    entries = rows_added(source, who, what, commits, TODAY, actor)
    for i, entry in enumerate(entries):
        body: dict[str, object] = {"source": source, "commit": commits[32 * i : 32 * i + 32].hex()}
        body |= {} if who[i] is None else {"contributor": who[i]}
        body |= {} if what[i] is None else {"label": what[i]}
        assert entry == Event("row.added", TODAY, actor, body).encode()
        assert decode(entry, i) == Event("row.added", TODAY, actor, body)


def test_canonical_json_is_that_of_rfc_8785() -> None:
    """RFC 8785, section 3.2.2 and 3.2.3: its string and literals (its fractions are not used here)."""
    value = {"string": '\u20ac$\u000f\nA\'B"\\\\"/', "literals": [None, True, False]}
    assert canonical(value).decode() == '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("row.vanished", {}, "is not known"),
        ("row.added", {"source": "s"}, "lacks the field 'commit'"),
        ("row.added", ROW | {"colour": "red"}, "unknown field 'colour'"),
        ("row.added", ROW | {"commit": "xyz"}, "expected SHA-256 in hex"),
        ("row.removed", {"row": -1, "reason": "r"}, "expected number"),
        ("row.removed", {"row": True, "reason": "r"}, "expected number"),
        ("row.added", ROW | {"label": "\ud800"}, "not valid Unicode"),
    ],
)
def test_events_that_are_not_written(kind: str, body: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        Event(kind, TODAY, "a", body).encode()


def test_other_spellings_are_not_read() -> None:
    entry = Event("row.added", TODAY, "a", ROW).encode()
    for other in (entry + b" ", json.dumps(json.loads(entry)).encode(), entry.replace(b"event/1", b"event/2"), b"[]", b"\xff", b"{}"):
        with pytest.raises(Tampered, match=r"entry 7 is no event"):
            decode(other, 7)


def test_state_can_be_made_again_from_the_log(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    register(ledger, "crawl", ALICE, BOB)
    rows = add(ledger, opened(reviews(tmp_path / "r.csv")), "crawl").rows
    ledger.record([("label.set", {"row": int(rows[0]), "label": "good", "before": "bad", "annotator": "eve"})])
    ledger.record([("row.removed", {"row": int(rows[1]), "reason": "test"})])
    dump = list(ledger.index.db.iterdump())
    assert "eve" in "".join(dump)
    ledger.close()
    (tmp_path / "ledger" / "private" / "index.sqlite").unlink()
    assert list(Ledger.open(tmp_path / "ledger").index.db.iterdump()) == dump
    (tmp_path / "ledger" / "private" / "index.sqlite").write_bytes(b"not a data base at all" * 100)
    assert list(Ledger.open(tmp_path / "ledger").index.db.iterdump()) == dump


def test_rules_are_kept_before_anything_is_logged(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    register(ledger, "crawl", ALICE, BOB)
    rows = add(ledger, opened(reviews(tmp_path / "r.csv")), "crawl").rows
    row, size = int(rows[0]), ledger.log.checkpoint().size
    zero = "00" * 32
    for kind, body, says in [
        ("row.removed", {"row": 0, "reason": "r"}, "event 0 added no row"),
        ("label.set", {"row": row, "label": "x", "before": "good", "annotator": "a"}, "did not have the label 'good'"),
        ("model.trained", {"model": "m", "digest": zero, "snapshot": "none"}, "no snapshot 'none'"),
        ("alias.moved", {"alias": "live", "model": "m"}, "no training of a model 'm'"),
        ("ledger.created", {"origin": "x", "approvers": [str(MALLORY.key)], "threshold": 1}, "created once"),
        ("source.registered", {"source": "crawl", "licence": "", "contact": "", "method": ""}, "registered already"),
        ("source.approved", {"source": "crawl", "note": "x"}, "not a signed note"),
    ]:
        with pytest.raises(Refused, match=says):
            ledger.record([("row.removed", {"row": row, "reason": "first of two"}), (kind, body)])
    assert ledger.log.checkpoint().size == size
    assert not ledger.index.violations()


def test_what_an_operator_logs_against_the_rules_is_seen_by_every_reader(tmp_path: Path) -> None:
    """The operator holds the ledger's key, and can log anything; approvals he cannot make."""
    ledger = new_ledger(tmp_path)
    register(ledger, "crawl", ALICE)  # one of two
    forged = approve(ledger.index.policy(), ledger.index.source("crawl"), Scope(expires="2099-01-01T00:00:00Z"), BOB)
    entries = [
        Event("row.added", TODAY, "op", {"source": "crawl", "commit": "11" * 32}).encode(),
        Event("source.approved", TODAY, "op", {"source": "crawl", "note": forged.replace("2099", "2098")}).encode(),
        Event("row.added", TODAY, "op", {"source": "nobody", "commit": "11" * 32}).encode(),
        Event("row.removed", "2026-11-20T00:00:00Z", "op", {"row": 3, "reason": "dated back"}).encode(),
    ]
    ledger.log.append(entries)
    ledger.log.publish()
    reader = Ledger.open(tmp_path / "ledger", trust=KEY.key)
    problems = [problem for _, problem in reader.index.violations()]
    assert len(problems) == 4
    assert "1 of the 2 approvals" in problems[0]
    assert "altered" in problems[1]
    assert "no source 'nobody'" in problems[2]
    assert "the time went back" in problems[3]


@given(words, words, st.none() | words, st.none() | words)
def test_the_quick_way_reads_what_the_long_way_reads(actor: str, source: str, contributor: str | None, label: str | None) -> None:
    body = {"source": source, "commit": "ab" * 32}
    body |= {} if contributor is None else {"contributor": contributor}
    body |= {} if label is None else {"label": label}
    event = Event("row.added", TODAY, actor, body)
    entry = event.encode()
    plain = not any(c in '"\\' or ord(c) < 0x20 for text in (actor, source, contributor or "", label or "") for c in text)
    assert (_quick(entry) is not None) == plain
    assert decode(entry, 0) == event
    assert _quick(entry) in (None, event)
