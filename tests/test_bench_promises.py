"""Published promises, tried again: the quick ones here, all of them by `assay bench --suite promises`."""

from __future__ import annotations

import numpy as np
import pytest

from assay import cli
from assay.bench import promises

QUICK = ("_nothing_named", "_interval", "_back", "_one_history", "_certificates", "_seldom_wrong")


@pytest.mark.parametrize("name", QUICK)
def test_the_promise_holds(name):
    measured, holds = getattr(promises, name)(np.random.default_rng(1))
    assert holds, measured


def test_a_promise_that_does_not_hold_is_told():
    assert promises._at_most(140, 2000, 0.05)[1] is False
    assert promises._at_most(105, 2000, 0.05)[1] is True


def test_the_exit_code_says_it(monkeypatch, capsys):
    monkeypatch.setattr(promises, "PROMISES", (("a", lambda rng: ("1", True)), ("b", lambda rng: ("2", False))))
    assert cli.run(["bench", "--suite", "promises"]) == 1
    assert "BROKEN  b" in capsys.readouterr().out


@pytest.mark.full
def test_all_promises():
    assert all(kept.holds for kept in promises.promises())
