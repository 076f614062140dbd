"""No row comes in without an approval that holds: m of n named keys, in scope, in time, not revoked."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from assay.dataset.errors import DataError
from assay.ledger.approval import Policy, Scope, approve, change, policy_of, revoke
from assay.ledger.audit import audit
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger, memo_of
from assay.ledger.note import Signer
from ledger_examples import ALICE, BOB, CAROL, KEY, MALLORY, NEXT_YEAR, TODAY, agree, new_ledger, opened, register, reviews
from ledger_writers import bring_rows


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return new_ledger(tmp_path)


def test_two_of_three_must_agree(ledger: Ledger, tmp_path: Path) -> None:
    data = opened(reviews(tmp_path / "r.csv"))
    with pytest.raises(Refused, match=r"no source 'crawl' is registered"):
        add(ledger, data, "crawl")
    register(ledger, "crawl")
    with pytest.raises(Refused, match=r"0 of the 2 approvals"):
        add(ledger, data, "crawl")
    agree(ledger, "crawl", ALICE, ALICE)
    with pytest.raises(Refused, match=r"1 of the 2 approvals"):
        add(ledger, data, "crawl")
    agree(ledger, "crawl", BOB, scope=Scope(rows=5, expires=NEXT_YEAR))
    with pytest.raises(Refused, match=r"1 of the 2 approvals it needs to one scope: alice, bob approved different scopes"):
        add(ledger, data, "crawl")
    agree(ledger, "crawl", CAROL)
    assert len(add(ledger, data, "crawl").rows) == 20
    assert ledger.index.brought("crawl").rows == 20


def test_approvals_end(ledger: Ledger, tmp_path: Path) -> None:
    register(ledger, "crawl", ALICE, BOB)
    ledger.clock = lambda: NEXT_YEAR
    with pytest.raises(Refused, match=r"expired on 2027-01-01T00:00:00Z"):
        add(ledger, opened(reviews(tmp_path / "r.csv")), "crawl")


def test_one_approver_revokes_and_old_approvals_do_not_come_back(ledger: Ledger, tmp_path: Path) -> None:
    register(ledger, "crawl")
    policy, scope = ledger.index.policy(), Scope(expires=NEXT_YEAR)
    old = [approve(policy, ledger.index.source("crawl"), scope, who) for who in (ALICE, BOB)]
    for note in old:
        ledger.approve("crawl", note)
    ledger.revoke("crawl", revoke(policy, ledger.index.source("crawl"), "poison\nfound", CAROL))
    data = opened(reviews(tmp_path / "r.csv"))
    with pytest.raises(Refused, match=r"was revoked: poison found"):
        add(ledger, data, "crawl")
    for note in old:
        with pytest.raises(Refused, match=r"no approval of 'crawl' as it is registered now"):
            ledger.approve("crawl", note)
    agree(ledger, "crawl", ALICE, CAROL)
    assert len(add(ledger, data, "crawl").rows) == 20


def test_scope_rows_labels_and_the_reviewed_data(ledger: Ledger, tmp_path: Path) -> None:
    data, more = opened(reviews(tmp_path / "r.csv")), opened(reviews(tmp_path / "more.csv", 20, 30))
    register(ledger, "few", ALICE, BOB, scope=Scope(rows=25, expires=NEXT_YEAR))
    add(ledger, data, "few")
    with pytest.raises(Refused, match=r"may bring 25 rows; it has brought 20, and these are 10 more"):
        add(ledger, more, "few")
    register(ledger, "bad only", ALICE, BOB, scope=Scope(labels=("bad",), expires=NEXT_YEAR))
    with pytest.raises(Refused, match=r"labelled 'good'; approved are bad"):
        add(ledger, data, "bad only")
    register(ledger, "pinned", ALICE, BOB, scope=Scope(pin=data.fingerprint, expires=NEXT_YEAR))
    with pytest.raises(Refused, match=r"not the data set that was reviewed"):
        add(ledger, more, "pinned")
    assert len(add(ledger, data, "pinned", dry_run=True).rows) == 20
    assert ledger.index.brought("pinned").rows == 0


def test_quotas_by_contributor_and_by_day(ledger: Ledger, tmp_path: Path) -> None:
    """20 rows by w0 .. w3, 5 each."""
    data = opened(reviews(tmp_path / "r.csv"))
    register(ledger, "capped", ALICE, BOB, scope=Scope(each=7, daily=24, expires=NEXT_YEAR))
    add(ledger, data, "capped")
    with pytest.raises(Refused, match=r"may bring 7 rows by w0; it has brought 5, and these are 3 more"):
        add(ledger, opened(reviews(tmp_path / "w0.csv", 20, 23, who=1)), "capped")
    spread = opened(reviews(tmp_path / "more.csv", 20, 28))
    with pytest.raises(Refused, match=r"may bring 24 rows a day; it has brought 20, and these are 8 more"):
        add(ledger, spread, "capped")
    ledger.clock = lambda: "2026-11-22T00:00:00Z"
    assert len(add(ledger, spread, "capped").rows) == 8
    nobody = opened(reviews(tmp_path / "nobody.csv", 30, 38))
    with pytest.raises(Refused, match=r"rows by nobody named; it has brought 0, and these are 8 more"):
        add(ledger, replace(nobody, columns=replace(nobody.columns, contributor=None)), "capped")


def test_strangers_do_not_approve(ledger: Ledger, tmp_path: Path) -> None:
    register(ledger, "crawl")
    policy, source, scope = ledger.index.policy(), ledger.index.source("crawl"), Scope(expires=NEXT_YEAR)
    with pytest.raises(Refused, match=r"mallory .* is not an approver"):
        approve(policy, source, scope, MALLORY)
    his = Policy(policy.origin, (MALLORY.key,), 1)
    with pytest.raises(Refused, match=r"not by a key that is trusted"):
        ledger.approve("crawl", approve(his, source, scope, MALLORY))
    elsewhere = Policy("example.com/other", policy.approvers, 2)
    with pytest.raises(Refused, match=r"no approval of 'crawl'"):
        ledger.approve("crawl", approve(elsewhere, source, scope, ALICE))
    with pytest.raises(DataError, match=r"the same name or key"):
        Policy(policy.origin, (ALICE.key, ALICE.key), 1)
    with pytest.raises(DataError, match=r"3 of 2 approvers"):
        Policy(policy.origin, (ALICE.key, BOB.key), 3)


def test_approvers_change_when_enough_of_them_agree(ledger: Ledger, tmp_path: Path) -> None:
    """Carol's key is lost: Alice and Bob put Mallory, who is a friend now, in her place."""
    register(ledger, "crawl", BOB, CAROL)
    old = ledger.index.policy()
    new = Policy(old.origin, (ALICE.key, BOB.key, MALLORY.key), 2)
    body = {"approvers": [str(key) for key in new.approvers], "threshold": 2}
    alice, bob, mine = (change(old, new, ALICE), change(old, new, BOB), change(new, new, MALLORY))
    for notes, says in [([alice], "1 have|have: alice"), ([alice, alice], "have: alice"), ([alice, mine], "not by a key that is trusted")]:
        with pytest.raises(Refused, match=says):
            ledger.record([("approvers.changed", body | {"notes": notes})])
    with pytest.raises(Refused, match=r"no consent to other approvers"):
        ledger.record([("approvers.changed", body | {"threshold": 1, "notes": [alice, bob]})])
    data = opened(reviews(tmp_path / "r.csv"))
    assert len(add(ledger, data, "crawl", dry_run=True).rows) == 20
    ledger.record([("approvers.changed", body | {"notes": [alice, bob]})])
    with pytest.raises(Refused, match=r"1 of the 2 approvals"):  # Carol's does not count any more
        add(ledger, data, "crawl")
    with pytest.raises(Refused, match=r"carol .* is not an approver"):
        agree(ledger, "crawl", CAROL)
    with pytest.raises(Refused, match=r"no consent to other approvers as things stand now"):
        ledger.record([("approvers.changed", body | {"notes": [alice, bob]})])
    agree(ledger, "crawl", MALLORY)
    assert len(add(ledger, data, "crawl").rows) == 20


def test_a_key_that_has_ended_signs_nothing_more(tmp_path: Path) -> None:
    """Bob's key counts until the new year: what it signed before then stands, and after it he neither approves, revokes nor consents."""
    mine = Signer.generate("example.com/ends")
    keys, ends, scope = [ALICE.key, BOB.key], ["", NEXT_YEAR], Scope(expires="2028-01-01T00:00:00Z")
    made = Ledger.create(tmp_path / "l", mine, memo_of(tmp_path / "k"), keys, 2, ends=ends, clock=lambda: TODAY)
    policy = made.index.policy()
    assert policy.lines() == [str(ALICE.key), f"{BOB.key} until 2027-01-01T00:00:00Z"]
    register(made, "before", ALICE, BOB, scope=scope)
    data = opened(reviews(tmp_path / "r.csv"))
    made.clock = lambda: NEXT_YEAR
    register(made, "after", ALICE, scope=scope)
    said = r"the key of bob expired on 2027-01-01T00:00:00Z: what it signs counts no more\. Remedy: have another approver sign"
    with pytest.raises(Refused, match=said):
        made.approve("after", approve(policy, made.index.source("after"), scope, BOB))
    with pytest.raises(Refused, match=said):
        made.revoke("before", revoke(policy, made.index.source("before"), "his", BOB))
    new = policy_of(policy.origin, [str(ALICE.key), f"{CAROL.key} until 2028-06-30"], 1)
    notes = [change(policy, new, ALICE), change(policy, new, BOB)]
    with pytest.raises(Refused, match=r"1 have: alice \(expired: bob\)"):
        made.record([("approvers.changed", {"approvers": new.lines(), "threshold": 1, "notes": notes})])
    with pytest.raises(Refused, match=r"has 1 of the 2 approvals"):
        add(made, data, "after")
    assert len(add(made, data, "before").rows) == 20
    assert made.index.violations() == []


def test_rows_are_added_once_but_twins_stay_two(ledger: Ledger, tmp_path: Path) -> None:
    register(ledger, "crawl", ALICE, BOB)
    register(ledger, "other", ALICE, BOB)
    path = reviews(tmp_path / "r.csv")
    path.write_text(path.read_text() + path.read_text().split("\n")[1] + "\n")  # the first row again
    data = opened(path)
    assert len(data) == 21
    assert len(add(ledger, data, "crawl").rows) == 21
    again = add(ledger, data, "crawl")
    assert (len(again.rows), again.known) == (0, 21)
    assert len(add(ledger, data, "other").rows) == 21  # another source brought them too, and answers for them
    grown = opened(reviews(tmp_path / "r2.csv", 0, 23))
    assert len(add(ledger, grown, "crawl").rows) == 3


def test_no_content_is_in_the_log(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing of a row but its label, and no hash that can be found by guessing the row."""
    register(ledger, "crawl", ALICE, BOB)
    data = opened(reviews(tmp_path / "r.csv"))
    rows = add(ledger, data, "crawl").rows
    log = b"".join(ledger.log.entries())
    assert b"film" not in log
    assert not any(digest.tobytes().hex().encode() in log for digest in data.digest)
    assert ledger.openings.erase(rows[:5]) == 5
    assert ledger.openings.of(int(rows[0])) is None
    assert data.digest[0].tobytes() not in (tmp_path / "ledger" / "private" / "openings.sqlite").read_bytes()


def test_keys_and_ledgers_that_do_not_belong_together(ledger: Ledger, tmp_path: Path) -> None:
    write_key(tmp_path / "mallory.key", MALLORY)
    write_key(tmp_path / "ledger.key", KEY)
    with pytest.raises(Refused, match=r"this is the key of mallory"):
        Ledger.open(tmp_path / "ledger", key_file=tmp_path / "mallory.key", trust=KEY.key)
    with pytest.raises(Tampered, match=r"not by a key that is trusted"):
        Ledger.open(tmp_path / "ledger", trust=MALLORY.key)
    with pytest.raises(Refused, match=r"needs its secret key"):
        Ledger.open(tmp_path / "ledger").register("x", licence="", contact="", method="")
    (tmp_path / "ledger.key").chmod(0o644)
    with pytest.raises(DataError, match=r"can be read by others"):
        Ledger.open(tmp_path / "ledger", key_file=tmp_path / "ledger.key")
    with pytest.raises(Refused, match=r"this key has signed a log before"):
        Ledger.create(tmp_path / "second", KEY, memo_of(tmp_path / "ledger.key"))
    with pytest.raises(DataError, match=r"there is no ledger"):
        Ledger.open(tmp_path / "nowhere")


def test_three_ledgers_open_at_once(ledger: Ledger, tmp_path: Path) -> None:
    """Every row is logged once, opened by its own salt, and the quota of all is kept."""
    write_key(tmp_path / "ledger.key", KEY)
    context = multiprocessing.get_context("spawn")
    writers = []
    for number in range(3):
        register(ledger, f"s{number}", ALICE, BOB, scope=Scope(rows=30, expires="2999-01-01T00:00:00Z"))
        writers.append(context.Process(target=bring_rows, args=(tmp_path, f"s{number}", 100 * number)))
    for writer in writers:
        writer.start()
    readers = [Ledger.open(tmp_path / "ledger", trust=KEY.key).index.brought("s0").rows for _ in range(5)]
    for writer in writers:
        writer.join(90)
        assert writer.exitcode == 0
    assert readers == sorted(readers)
    ledger.refresh()
    assert not ledger.index.violations()
    for row, commitment in ledger.index.db.execute("select row, commitment from rows").fetchall():
        held = ledger.openings.of(row)
        assert held is not None
        assert sha256(held[1] + held[0]).digest() == commitment
    assert [ledger.index.brought(f"s{number}").rows for number in range(3)] == [30, 30, 30]
    audit(ledger.log)
