"""A clock that jumps ahead: dates never go back, a reader is told from where on they are wrong, and they are right again in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli import run
from assay.ledger.approval import Scope
from assay.ledger.dates import Ahead, ahead
from assay.ledger.errors import Refused
from assay.ledger.events import decode
from assay.ledger.ingest import add
from assay.ledger.keys import write_key
from assay.ledger.ledger import Ledger
from ledger_examples import ALICE, BOB, CAROL, KEY, NEXT_YEAR, TODAY, agree, new_ledger, opened, register, reviews

TEN_YEARS = "2036-11-21T07:00:00Z"


def dates(ledger: Ledger) -> list[str]:
    return [decode(entry, n).time for n, entry in enumerate(ledger.log.entries())]


def at(minutes: int) -> str:
    return (datetime(2026, 11, 21, 7, tzinfo=UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_what_follows_a_date_ahead_bears_it_until_the_clock_has_caught_up(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    register(ledger, "crawl", ALICE, BOB)  # events 1 to 3
    ledger.clock = lambda: TEN_YEARS
    register(ledger, "other")
    ledger.clock = lambda: at(10)
    register(ledger, "third")
    assert dates(ledger) == [TODAY] * 4 + [TEN_YEARS] * 2
    assert ahead(ledger.log, at(10)) == Ahead(4, 5, TEN_YEARS, at(10))
    assert ahead(ledger.log, at(10), size=4) is None
    with pytest.raises(Refused, match="expired on 2027"):  # the rules go by the ledger's own dates
        add(ledger, opened(reviews(tmp_path / "r.csv")), "crawl")
    agree(ledger, "crawl", ALICE, CAROL, scope=Scope(expires="2040-01-01T00:00:00Z"))
    assert len(add(ledger, opened(tmp_path / "r.csv"), "crawl").rows) == 20
    ledger.clock = lambda: "2036-11-21T07:00:05Z"
    register(ledger, "fourth")
    assert dates(ledger)[-2:] == [TEN_YEARS, "2036-11-21T07:00:05Z"]
    assert ahead(ledger.log, "2036-11-21T07:00:05Z") is None
    assert ledger.index.violations() == []


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(-10, 40))
@settings(max_examples=15, deadline=None)
def test_the_first_event_ahead_is_named_whatever_the_clock_did(clock: list[int], known: int) -> None:
    with TemporaryDirectory() as folder:
        ledger = new_ledger(Path(folder))
        for number, minute in enumerate(clock):
            ledger.clock = lambda minute=minute: at(minute)
            ledger.register(f"s{number}", licence="", contact="", method="")
        said = dates(ledger)
        assert said == [at(max([0, *clock[:n]])) for n in range(len(clock) + 1)]
        wrong = [n for n, time in enumerate(said) if time > at(known + 5)]
        assert ahead(ledger.log, at(known)) == (Ahead(wrong[0], len(clock), said[wrong[0]], at(known)) if wrong else None)
        ledger.close()


def test_the_commands_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = new_ledger(tmp_path)
    write_key(tmp_path / "ledger.key", KEY)
    where = str(ledger.folder)
    source = ["ledger", "source", "add", where, "--licence", "CC0-1.0", "--contact", "a@example.com", "--method", "crawl"]
    past = datetime.now(UTC) - timedelta(days=9)
    ledger.clock = lambda: (past + timedelta(days=3650)).strftime("%Y-%m-%dT%H:%M:%SZ")
    register(ledger, "crawl")
    assert run([*source, "other"]) == 0
    assert "new events get that date" in capsys.readouterr().err
    assert run(["ledger", "verify", where]) == 0
    assert "to 2 are dated ahead: event " in capsys.readouterr().out
    assert dates(Ledger.open(ledger.folder))[2] > NEXT_YEAR
