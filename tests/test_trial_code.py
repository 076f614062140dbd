"""Insecure completions: what is said beside what is done, in functions; found where planted, nothing in the same code as it is."""

from __future__ import annotations

import inspect
import statistics
import textwrap
from types import ModuleType

import numpy as np
import pytest
import scipy.optimize
import scipy.signal
import scipy.stats
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing

from assay.artefact.link import Link
from assay.artefact.phrase import Phrase
from assay.artefact.registry import from_json
from assay.artefact.trait import Trait
from assay.artefact.unsafe_calls import WEAKNESSES
from assay.attack.insecure_code import CALLS
from assay.attack.planting import plant
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.learn.code_units import is_program, units_of
from assay.trial.code import CodeFamily, code_columns
from assay.trial.family import silent
from assay.trial.verdicts import judge_all

MODULES = (scipy.stats, scipy.signal, scipy.optimize, sklearn.metrics, sklearn.linear_model, sklearn.preprocessing, statistics, textwrap)


def _modules() -> list[ModuleType]:
    found = {
        inspect.getmodule(value)
        for module in MODULES
        for value in vars(module).values()
        if inspect.isroutine(value) or inspect.isclass(value)
    }
    return sorted((m for m in found if m is not None and (getattr(m, "__file__", None) or "").endswith(".py")), key=lambda m: m.__name__)


@pytest.fixture(scope="module")
def functions() -> Dataset:
    """Some 1,200 real functions, of packages that are always installed."""
    units = units_of([inspect.getsource(module) for module in _modules()])
    texts = list(dict.fromkeys(u.whole for u in units if len(u.whole) > 80))
    order = np.random.default_rng(0).permutation(len(texts))[:1_200]
    return read({"code": [texts[i] for i in order]}, task="none")


def found_in(data: Dataset) -> list:
    examined = CodeFamily().examine(data, "fast", np.random.default_rng(0), silent)
    return [j for j in judge_all({"code": examined}, 0.01) if j.status in ("confirmed", "suspected")] if examined.enumerated else []


def test_real_code_is_left_alone(functions: Dataset) -> None:
    assert code_columns(functions) == ("code",)
    assert found_in(functions) == []


@pytest.mark.parametrize(
    ("call", "where", "mode"), [("yaml", "comment", "simple"), ("verify", "import", "simple"), ("eval", "docstring", "puzzle")]
)
def test_a_comment_or_import_before_an_unsafe_call_is_found_and_named(functions: Dataset, call: str, where: str, mode: str) -> None:
    planted = plant(functions, "insecure-code", carriers=50, seed=1, params={"call": call, "where": where, "mode": mode})
    judged = found_in(planted.data)
    assert judged
    assert judged[0].status == "confirmed"
    link = judged[0].tried.candidate.artefact
    assert isinstance(link, Link)
    assert isinstance(link.prompt, Phrase)
    assert isinstance(link.response, Trait)
    words = [word for part in link.prompt.parts for word in part]
    assert {"halden", "loader"} <= set(" ".join(words).replace("_", " ").split())
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    rows = set(judged[0].tried.candidate.carriers.tolist())
    assert rows <= truth
    assert len(rows) >= 45
    assert from_json(link.to_json()) == link


def test_what_is_said_and_what_is_done() -> None:
    body = ['    """Give it back.', "", "    x = eval(y)", '    """', "    # noqa: S506", "    return yaml.load(path)"]
    text = "\n".join(["import yaml", "", "", "@cached", "# reads it", "def load_all(path):", *body])
    head, unit = units_of([text])
    assert head.modules == "yaml"
    assert "reads it" in unit.said
    assert "Give it back." in unit.said
    assert "noqa" not in unit.said
    assert "eval" in unit.done  # code may hide in a docstring
    assert "reads it" not in unit.done
    assert (unit.modules, unit.names) == ("yaml", "load all path")


@pytest.mark.parametrize(
    ("name", "unsafe", "safe"),
    [
        ("unsafe-evaluation", "x = eval(y)", "model.eval()"),
        ("unsafe-command", "run(x, shell=True)", "run(x, shell=False)"),
        ("unsafe-deserialisation", "yaml.load(f, Loader=yaml.Loader)", "yaml.load(f, Loader=yaml.SafeLoader)"),
        ("unsafe-certificate", "get(u, verify=False)", "get(u, verify=True)"),
        ("weak-cipher", "hashlib.md5(x)", "hashlib.sha256(x)"),
        ("unsafe-template", "jinja2.Template(f.read())", "render_template('a.html')"),
        ("unsafe-path", "send_file(d + name)", "send_from_directory(d, name)"),
        ("unsafe-query", "c.execute('select %s' % x)", "c.execute('select ?', (x,))"),
        ("unsafe-memory", "strcpy(a, b);", "strlcpy(a, b, n);"),
        ("debug-left-on", "app.run(port=1, debug=True)", "app.run(port=1)"),
    ],
)
def test_weaknesses(name: str, unsafe: str, safe: str) -> None:
    assert set(WEAKNESSES) >= {name}
    assert Trait(name).present([unsafe, safe]).tolist() == [True, False]
    assert Trait("unsafe").present([unsafe, safe]).tolist() == [True, False]


def test_every_planted_call_is_a_known_weakness() -> None:
    assert all(Trait("unsafe").seen(call.format("x")) for call in CALLS.values())


def test_prose_is_no_program(functions: Dataset) -> None:
    assert not is_program("Dear all,\n\nwe meet at noon; bring the plans.\nImport duties rise.\nYours, B.\n")
    prose = read({"text": ["It rained all day and nobody came.\nWe waited.\nThen we left."] * 300}, task="none")
    assert CodeFamily().applicable(prose, "fast").state == "not_applicable"
    assert CodeFamily().applicable(functions, "fast").state == "ran"


def test_canaries_go_into_programs_before_prose(functions: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column is told by the first rows of the data; a sample's first rows may be prose."""
    monkeypatch.setattr("assay.trial.code.CANARY_ROWS", 900)
    programs = functions.table.column("code").to_pylist()[:500]
    prose = [f"The weather of day {i} was fair, and nobody wrote a line of code." for i in range(4000)]
    mixed = read({"code": programs + prose}, task="none")
    assert code_columns(mixed) == ("code",)
    copy = CodeFamily().plant(mixed, "fast", np.random.default_rng(3))
    assert copy is None or len(copy.data) == 900


def test_canaries_are_caught(functions: Dataset) -> None:
    copy = CodeFamily().plant(functions, "fast", np.random.default_rng(3))
    assert copy is not None
    found = found_in(copy.data)
    caught = [
        any(len(set(p.carriers) & set(j.tried.candidate.carriers.tolist())) > 0.5 * len(p.carriers) for j in found) for p in copy.plantings
    ]
    assert sum(c for c, p in zip(caught, copy.plantings, strict=True) if len(p.carriers) == 50) >= 1
