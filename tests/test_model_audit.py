"""The audit of a model: its figures by simulation, and the command's page, SARIF and card."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.artefact.patch import Patch
from assay.cli import run
from assay.dataset.errors import DataError
from assay.model.audit import CORRUPTIONS, calibration, corrupted, slices
from assay.model.extract import Extracted
from assay.report.audited import card, findings, html, sarif
from assay.report.triggers import handed_over

PICTURES = np.random.default_rng(0).integers(0, 256, (300, 12, 12, 3)).astype(np.uint8)


def test_confidence_that_is_true_is_not_found_fault_with_and_too_much_is() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, (2000, 5))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = (rng.random((2000, 1)) < p.cumsum(1)).argmax(1)
    honest, loud = calibration(logits, y, rng), calibration(3 * logits, y, rng)
    assert honest.error < 1.3 * honest.by_chance
    assert abs(np.log(honest.temperature)) < 0.15
    assert loud.error > 3 * loud.by_chance
    assert (loud.beyond > 0.1, 2.5 < loud.temperature < 3.5) == (True, True)


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_slices_of_a_model_that_errs_at_random_are_seldom_accused(seed) -> None:
    rng = np.random.default_rng(seed)
    alarms = sum(slices(rng.random(300) < 0.9, rng.integers(0, 5, 300), PICTURES)[0].p <= 0.05 for _ in range(40))
    assert alarms <= 9  # 2 expected at most; more than 9 in 40 at 5 %: one in a million


def test_a_class_that_is_told_worse_comes_first() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 5, 300)
    first = slices(rng.random(300) < np.where(y == 3, 0.5, 0.95), y, PICTURES)[0]
    assert (first.name, first.p < 0.001) == ("class 3", True)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_keeps_the_form_and_grows(kind) -> None:
    smooth = np.broadcast_to(np.linspace(20, 200, 12).astype(np.uint8)[:, None, None], (4, 12, 12, 1)).copy()
    smooth[:, 4:6, 4:6] = 255
    for rows in (smooth, PICTURES[:4]):
        done = [corrupted(rows, kind, level, np.random.default_rng(0)) for level in CORRUPTIONS[kind]]
        assert all((d.shape, d.dtype) == (rows.shape, np.uint8) for d in done)
        moved = [np.abs(d.astype(int) - rows).mean() for d in done]
        assert moved[0] < moved[-1]


torch = pytest.importorskip("torch")

from assay.model.audit import audit  # noqa: E402
from assay.model.networks import rebuild  # noqa: E402
from test_model_behaviour import arrays, pictures, trained  # noqa: E402


@pytest.fixture(scope="module")
def net():
    return trained(True)


def test_too_few_rows_or_another_size_are_refused(net) -> None:
    images, y = pictures()
    network = rebuild(arrays(net))
    with pytest.raises(DataError, match="at least 100"):
        audit(network, images[:50], y[:50], np.random.default_rng(0))
    with pytest.raises(DataError, match="16 pixels a side"):
        audit(network, images[:200, :8, :8], y[:200], np.random.default_rng(0))


def test_the_command_writes_a_page_sarif_and_a_card(net, tmp_path, capsys) -> None:
    images, y = pictures()
    np.savez(tmp_path / "rows.npz", x=images[:150], y=y[:150])
    torch.save(net.state_dict(), tmp_path / "<b>net.pt")
    out = tmp_path / "audit"
    wanted = ["model", "audit", str(tmp_path / "<b>net.pt"), str(tmp_path / "rows.npz"), "--out", str(out)]
    assert run([*wanted, "--fail-on", "never"]) == 0
    assert "rows withstand changes" in capsys.readouterr().out
    document = json.loads((out / "model.json").read_text())
    assert document["behaviour"]["overall"]["share"] > 0.9
    page = (out / "model.html").read_text()
    assert "&lt;b&gt;net.pt" in page
    assert "<b>net.pt" not in page
    assert "http" not in page.replace("http-equiv", "")
    guilty = {**document, "inspection": {**document["inspection"], "verdict": "backdoored", "target": 3, "p": 0.001, "triggers": []}}
    assert (findings(guilty)[0].rule, findings(guilty)[0].level) == ("backdoor", "error")
    log = sarif(guilty)["runs"][0]
    assert log["results"][0]["ruleId"] == "model/backdoor"
    assert "MITRE ATLAS AML.T0018" in log["results"][0]["properties"]["taxonomy"]
    assert all(log["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in log["results"])
    told = (out / "CARD.md").read_text()
    assert told.startswith("## Audit\n")
    assert "| accuracy |" in told
    assert run(wanted) == 2  # nothing is overwritten
    quiet = {**document, "inspection": None, "adversarial": None}
    assert all(f.rule not in ("backdoor", "adversarial") for f in findings(quiet))
    assert "Not looked at" in html(quiet)
    assert "Backdoor" not in card(quiet)
    assert json.dumps(sarif(quiet))


def test_the_page_shows_each_trigger_before_and_after() -> None:
    rng = np.random.default_rng(0)
    patch = Patch(np.full((3, 3, 3), 255, np.uint8), np.ones((3, 3), bool), 2, 4)
    clean = rng.integers(0, 200, (2, 12, 12, 3), dtype=np.uint8)
    found = Extracted(patch, (3,) * 10, 3, 0.9, 0.1, 50, (clean, patch.insert(clean)))
    (handed,) = handed_over({"triggers": [found.to_json()]})
    assert "90% of 50" in handed.leads
    assert "class 3; without it 10%" in handed.leads
    assert handed.picture is not None
    assert len(handed.shown) == 2
    assert handed.shown[0][0].box is None
    assert handed.shown[0][1].box == pytest.approx((4 / 12, 2 / 12, 3 / 12, 3 / 12))
    assert handed_over(None) == []
