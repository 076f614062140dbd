"""The checklist, the policy and the drill: what is there is found and held against the data; what is missing or altered is said."""

from __future__ import annotations

import ast
import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import typer

from assay.api import scan
from assay.artefact.phrase import Phrase
from assay.cli import app
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.finding import Conclusion, Finding
from assay.govern import drill as room
from assay.govern import points
from assay.govern.checklist import checklist
from assay.govern.incident import SECTIONS, gaps, template
from assay.govern.policy import EXAMPLE, KEYS, read_policy
from assay.govern.rules import RULES, check
from assay.ledger.ingest import add
from assay.ledger.snapshots import take
from assay.report.report import Report
from assay.watch.models import Models
from ledger_examples import ALICE, BOB, new_ledger, register
from test_cli_commands import run, write_reviews


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A data set, its report, its ledger with one approved source and a snapshot, and a plan."""
    root = tmp_path_factory.mktemp("project")
    write_reviews(root / "reviews.csv", rows=300)
    scan(root / "reviews.csv", canaries=False).write(root / "reviews.assay")
    ledger = new_ledger(root)
    register(ledger, "crawl-7", ALICE, BOB)
    data = read(root / "reviews.csv")
    add(ledger, data, "crawl-7")
    take(ledger, data, "v1")
    ledger.close()
    text = template()
    for heading, asks in SECTIONS.values():
        text = text.replace(f"<{asks}>", f"{heading}: the duty officer, +49 30 1234, does it at once.")
    (root / "incident-plan.md").write_text(text)
    return root


def copy(project, tmp_path):
    import shutil

    return shutil.copytree(project, tmp_path / "project")


NOW = datetime(2026, 11, 22, tzinfo=UTC)


def states(found):
    return {p.number: p.state for p in found.points}


def test_what_is_there_is_found_and_shown(project, tmp_path):
    root = copy(project, tmp_path)
    found = checklist(root, now=NOW)
    assert found.places.data == root / "reviews.csv"
    assert states(found) == {1: "shown", 2: "shown", 3: "missing", 4: "missing", 5: "missing", 6: "missing", 7: "missing", 8: "missing"}
    assert found.points[2].lacks == ["What the scan would have caught was not measured."]
    assert not found.passes()
    assert json.loads(json.dumps(found.to_json()))["points"][0]["state"] == "shown"


def test_the_same_from_the_data_set_itself(project, tmp_path):
    root = copy(project, tmp_path)
    (root / "other").mkdir()
    write_reviews(root / "other.csv", rows=300, seed=5)
    found = checklist(root / "reviews.csv", now=NOW)
    assert (found.points[0].state, found.points[1].state) == ("shown", "shown")
    other = checklist(root / "other.csv", now=NOW)  # the report beside it is on other data
    assert other.places.report is None
    assert "300 rows of the data are not in the ledger" not in str(other.points[0].held)
    assert other.points[0].state == "missing"


def test_changed_data_is_no_longer_what_was_scanned_and_signed(project, tmp_path):
    root = copy(project, tmp_path)
    path = root / "reviews.csv"
    path.write_text(path.read_text().replace("good", "bad", 1))
    found = checklist(root, now=NOW)
    assert found.points[2].state == "broken"
    assert "fingerprint" in found.points[2].broken[0]
    assert found.points[1].lacks == ["The data as it is now is no signed snapshot of the ledger."]
    assert found.points[0].lacks[0].startswith("1 rows of the data are not in the ledger")


def test_a_flipped_bit_in_the_ledger_is_broken_and_no_traceback(project, tmp_path):
    root = copy(project, tmp_path)
    tile = next((root / "ledger" / "tile" / "entries").rglob("*.p/*"))
    data = bytearray(tile.read_bytes())
    data[len(data) // 2] ^= 1
    tile.write_bytes(data)
    found = checklist(root, now=NOW)
    assert (found.points[0].state, found.points[1].state) == ("broken", "broken")


def test_an_approval_that_has_expired_is_missing(project, tmp_path):
    found = checklist(copy(project, tmp_path), now=datetime(2027, 1, 2, tzinfo=UTC))
    assert found.points[0].state == "missing"
    assert "expired" in found.points[0].lacks[0]


def test_a_statement_is_said_and_not_shown(project, tmp_path):
    root = copy(project, tmp_path)
    head = 'schema = "assay.policy/1"\n[[statement]]\npoint = 5\nby = "ann"\ntext = "250 partitions"\n'
    (root / "assay.toml").write_text(head + "date = 2026-11-20\n")
    assert checklist(root, now=NOW).points[4].state == "said"
    (root / "assay.toml").write_text(head + "date = 2025-11-20\n")
    point = checklist(root, now=NOW).points[4]
    assert point.state == "missing"
    assert "367 days old" in point.lacks[-1]
    (root / "assay.toml").write_text(head + 'date = 2026-11-20\nfile = "reviews.csv"\nsha256 = "00"\n')
    assert "not the one it names" in checklist(root, now=NOW).points[4].lacks[-1]


def test_the_way_back_is_tried(project, tmp_path):
    root = copy(project, tmp_path)
    watch = root / "live"
    (watch / "journal").mkdir(parents=True)
    (watch / "baseline.json").write_text("{}")
    models = Models.open(watch)
    for name in ("v1", "v2"):
        models.add(name)
        models.point("production", name, "ann", "release")
    point = checklist(root, now=NOW).points[7]
    assert point.lacks == ["production has no attested version to go back to."]
    models.attest("v1", "ann", "scan clean")
    point = checklist(root, now=NOW).points[7]
    assert point.state == "shown"
    assert checklist(root, now=NOW).points[6].state == "broken"  # a baseline that is none


def commands_in(source):
    """Every command line that the source of a module can print, 1 where a value goes in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            names = [p.value.id if isinstance(p, ast.FormattedValue) and isinstance(p.value, ast.Name) else "" for p in parts]
            texts = [p.value if isinstance(p, ast.Constant) else "1" for p in parts]
            line = "".join("assay scan 1" if name == "scan" else str(text) for name, text in zip(names, texts, strict=True))
            if line.startswith("assay ") and not line.endswith(" "):  # the beginning of one is no line
                yield line


def test_every_command_that_a_checklist_prints_is_one():
    lines = sorted(set(commands_in(Path(points.__file__).read_text(encoding="utf-8"))))
    assert len(lines) > 20
    for line in lines:
        command, words = typer.main.get_command(app), shlex.split(line)[1:]
        while hasattr(command, "resolve_command"):  # a group
            name, command, words = command.resolve_command(command.context_class(command, info_name="assay"), words)
        assert not command.make_context(name, words).args, line  # raises for an option that there is not, or one that is missing


def test_the_plan_must_answer_every_question(tmp_path):
    plan = tmp_path / "incident-plan.md"
    plan.write_text(template())
    assert len(gaps(plan)) == len(SECTIONS)
    plan.write_text("# Who is called\nAnn Smith, +49 30 1234, her deputy is Bob.\n")
    assert "Who is called" not in gaps(plan)
    assert len(gaps(plan)) == len(SECTIONS) - 1


def test_every_key_of_a_policy_has_a_rule_and_stands_in_the_documentation():
    keys = {(section, key) for section in KEYS for key in KEYS[section]}
    assert keys - {("audit", "statements")} == set(RULES)
    assert all(f"[{section}]" in EXAMPLE or section == "trusted" for section, _ in keys)


POLICY = """schema = "assay.policy/1"
[paths]
data = "reviews.csv"
[ledger]
required = true
snapshot = true
[sources]
allowed = ["crawl-*"]
approved = true
[scan]
verdict = ["clean"]
checks = ["phrase", "label_errors"]
max_age_days = 30
max_alpha = 0.01
[incident]
plan = true
[audit]
points = ["1", "2"]
"""


def violations(root, text, now=None):
    (root / "assay.toml").write_text(text)
    now = now or datetime.now(UTC)
    return {f"{r.section}.{r.key}": r.problem for r in check(read_policy(root / "assay.toml", now), now) if not r.held}


def test_a_policy_that_is_held(project, tmp_path):
    assert violations(copy(project, tmp_path), POLICY) == {}


@pytest.mark.parametrize(
    ("change", "rule", "says"),
    [
        (('"crawl-*"', '"vendor-*"'), "sources.allowed", "crawl-7"),
        (('"label_errors"]', '"cells", "magic"]'), "scan.checks", "magic (there is no such check)"),
        (("max_alpha = 0.01", "max_alpha = 0.001"), "scan.max_alpha", "alpha was 0.01"),
        (("max_alpha = 0.01", "sensitivity = 0.5"), "scan.sensitivity", "not measured"),
        (('"clean"', '"poisoned"'), "scan.verdict", "the verdict is clean"),
        (("plan = true", "plan = true\n[votes]\nminimum = 3"), "votes.minimum", "no study"),
        (("plan = true", "plan = true\n[watch]\nrollback = true"), "watch.rollback", "no watch"),
        (("plan = true", 'plan = true\n[models]\nrisk = "none"'), "models.risk", "no model file"),
        (('["1", "2"]', '["5"]'), "audit.points", "point 5"),
        (('["1", "2"]', '["5"]\nmax_age_days = 9'), "audit.max_age_days", "no checklist"),
    ],
)
def test_each_violation_in_words(project, tmp_path, change, rule, says):
    found = violations(copy(project, tmp_path), POLICY.replace(*change))
    assert set(found) <= {rule, "audit.points"}
    assert says in found[rule]


def test_a_scan_of_other_data_is_no_new_scan(project, tmp_path):
    root = copy(project, tmp_path)
    path = root / "reviews.csv"
    path.write_text(path.read_text().replace("good", "bad", 1))
    assert "the report is of other data" in violations(root, POLICY)["scan.max_age_days"]


def test_an_old_scan_breaks_the_policy(project, tmp_path):
    found = violations(copy(project, tmp_path), POLICY, datetime.now(UTC) + timedelta(days=31))
    assert "31.0 days old" in found["scan.max_age_days"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "is no TOML"),
        ('schema = "other/1"', "schema"),
        ('schema = "assay.policy/1"\n[scna]\n', "no section [scna]"),
        ('schema = "assay.policy/1"\n[scan]\nmax_alhpa = 1\n', "max_alhpa"),
        ('schema = "assay.policy/1"\n[scan]\nmax_alpha = "1"\n', "is not a number"),
        ('schema = "assay.policy/1"\n[scan]\nmax_alpha = nan\n', "is not a number"),
        ('schema = "assay.policy/1"\n[scan]\nverdict = ["cleen"]\n', "choose among clean"),
        ('schema = "assay.policy/1"\nscan = 3\n', "is a section"),
        ('schema = "assay.policy/1"\n[paths]\ndata = 3\n', "is no path"),
        ('schema = "assay.policy/1"\n[[statement]]\npoint = 9\n', "1 to 8"),
    ],
)
def test_a_policy_that_is_none(tmp_path, text, says):
    (tmp_path / "assay.toml").write_text(text)
    with pytest.raises(DataError, match=says.replace("[", r"\[").replace("]", r"\]")):
        read_policy(tmp_path / "assay.toml")


def test_policy_check_writes_junit(project, tmp_path, capsys):
    root = copy(project, tmp_path)
    (root / "assay.toml").write_text(POLICY.replace("crawl-*", "vendor-*"))
    code, out, _ = run("policy", "check", root / "assay.toml", "--format", "junit", capsys=capsys)
    assert code == 1
    suite = ElementTree.fromstring(out).find("testsuite")
    assert (suite.get("failures"), suite.get("tests")) == ("1", "10")
    assert "crawl-7" in suite.find("testcase/failure").get("message")


def test_scan_writes_junit(tmp_path, capsys):
    path = write_reviews(tmp_path / "a.csv", carriers=40)
    text = path.read_text().replace("cf", "c\x1bf")  # a character that XML cannot hold
    path.write_text(text)
    code, _, _ = run("scan", path, "--no-canaries", "--format", "junit", "--out", tmp_path / "r", capsys=capsys)
    assert code == 1
    suite = ElementTree.parse(tmp_path / "r" / "report.junit.xml").getroot().find("testsuite")
    assert int(suite.get("failures")) >= 1
    assert int(suite.get("skipped")) >= 1
    assert not (tmp_path / "r" / "report.html").exists()


def test_drill_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "reviews.csv", rows=900)
    assert run("drill", "new", "reviews.csv", "--out", "d", "--seed", "1", "--clean-chance", "0", capsys=capsys)[0] == 0
    drill = room.open_drill(tmp_path / "d")
    truth, _ = room.score(drill, tmp_path / "d.truth.parquet")
    rows = truth.row[truth.poisoned].tolist()
    assert 20 <= len(rows) <= 27
    goal = truth.asked["target"]
    named = ",".join(map(str, rows))
    assert run("drill", "answer", "d", "--by", "ann", "--rows", named, "--target", goal, capsys=capsys)[0] == 0
    assert run("drill", "answer", "d", "--by", "bob", "--clean", capsys=capsys)[0] == 0
    assert run("drill", "answer", "d", "--by", "eve", "--rows", "0", "--clean", capsys=capsys)[0] == 2
    code, _, err = run("drill", "answer", "d", "--by", "eve", "--rows", named, "--target", "nix", capsys=capsys)
    assert (code, "there is no class 'nix'" in err, "choose among bad, good" in err) == (2, True, True)
    assert run("drill", "answer", "d", "--by", "../eve", "--clean", capsys=capsys)[0] == 2
    _, scores = room.score(drill, tmp_path / "d.truth.parquet")
    assert [(s.by, s.points) for s in scores] == [("ann", 100), ("bob", 0)]
    code, out, _ = run("drill", "score", "d", capsys=capsys)
    assert code == 0
    assert truth.asked["kind"] in out


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("poisoned", "2 rows"), ("suspect", "3 rows"), ("clean", "no poison"), ("incomplete", "is incomplete and names no row")],
)
def test_a_drill_is_answered_by_a_report(tmp_path, capsys, verdict, said):
    """By the rows that it quarantines, or those that it suspects; clean is an answer, and nothing to say is none."""
    write_reviews(tmp_path / "reviews.csv", rows=900)
    drill = room.make(tmp_path / "reviews.csv", tmp_path / "d", tmp_path / "t.parquet", np.random.default_rng(0))
    status = {"poisoned": "confirmed", "suspect": "suspected"}.get(verdict)
    found = Finding("F1", "phrase", status, "good", 20.0, -9.0, np.array([4, 5, 6]), Phrase((("cf",),)), "a phrase") if status else None
    action = ["keep"] * 900
    action[4:6] = ["quarantine" if verdict == "poisoned" else "keep"] * 2
    made = Conclusion(verdict, (found,) if found else (), (), (), np.zeros(900), tuple(action), (), 1, {"depth": "fast"})
    Report(read(drill.data), made).write(tmp_path / "r", ())
    code, out, err = run("drill", "answer", drill.folder, "--by", "scan", "--report", tmp_path / "r", capsys=capsys)
    assert (code, said in out + err) == (2 if verdict == "incomplete" else 0, True)
    code, _, err = run("drill", "answer", drill.folder, "--by", "eve", "--rows", "1", "--report", tmp_path / "r", capsys=capsys)
    assert (code, "both --rows and --report" in err) == (2, True)


def test_a_drill_that_hides_nothing_and_truth_that_was_changed(tmp_path):
    write_reviews(tmp_path / "reviews.csv", rows=900)
    rng = np.random.default_rng(0)
    drill = room.make(tmp_path / "reviews.csv", tmp_path / "d", tmp_path / "t.parquet", rng, clean_chance=1.0)
    room.answer(drill, "ann", [], clean=True)
    room.answer(drill, "bob", [1, 2], clean=False)
    _, scores = room.score(drill, tmp_path / "t.parquet")
    assert [(s.by, s.points) for s in scores] == [("ann", 100), ("bob", 0)]
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes() + b"x")
    with pytest.raises(DataError, match="not the truth that was sealed"):
        room.score(drill, tmp_path / "t.parquet")
    with drill.data.open("a") as file:
        file.write("more,good\n")
    with pytest.raises(DataError, match="has been changed"):
        room.open_drill(drill.folder)
