"""Expectations: rows drawn like the trusted ones keep them, each kind of fault breaks the rule it should, and the file is strict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from assay.cli import run
from assay.dataset.columns import Column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.validate.cells import Cells
from assay.validate.check import Checked, check_expectations
from assay.validate.column import check_column
from assay.validate.expectations import ColumnRules, Expectations, Numbers, Values, from_json, load, save, to_json
from assay.validate.infer import infer_expectations
from assay.validate.units import explain

KEYS = st.sampled_from(["schema", "columns", "of", "alpha", "x"])
PLAIN = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
DOCUMENTS = st.recursive(PLAIN, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=8)
WORDS = np.array(["the", "bank", "lent", "money", "to", "a", "firm", "near", "Lyon", "café", "12", "%", "of", "it", "late"])


def mixed(n: int, seed: int) -> pa.Table:
    """Numbers, counts, categories, texts with ordinary faults, and a name a row."""
    rng = np.random.default_rng(seed)
    weight = np.exp(rng.normal(4.2, 0.2, n))
    weight[rng.random(n) < 0.03] = np.nan
    text = [" ".join(rng.choice(WORDS, rng.integers(4, 20))) for _ in range(n)]
    return pa.table(
        {
            "id": [f"r{seed}-{i}" for i in range(n)],
            "weight": pa.array(weight, from_pandas=True),
            "visits": rng.poisson(3, n),
            "amount": rng.pareto(2.5, n) * 100,
            "town": rng.choice(["Lyon", "Turin", "Bonn", "Gent"], n, p=[0.5, 0.3, 0.15, 0.05]),
            "note": text,
        }
    )


def expected(n: int = 2_000) -> Expectations:
    return infer_expectations(read(mixed(n, 0), task="none"))


def checked(table: pa.Table, rules: Expectations) -> Checked:
    return check_expectations(read(table, task="none"), rules)


def changed(column: str, rows: slice, value: object, n: int = 1_000) -> pa.Table:
    table = mixed(n, 1)
    values = table.column(column).to_pylist()
    for i in range(*rows.indices(n)):
        values[i] = value(values[i]) if callable(value) else value
    return table.set_column(table.column_names.index(column), column, pa.array(values))


@pytest.mark.parametrize(
    ("column", "rows", "value", "rule"),
    [
        ("weight", slice(0, 60), lambda v: v and v * 1000, "range"),
        ("weight", slice(None), lambda v: v and v * 1000, "scale"),
        ("weight", slice(7, 8), 1e6, "limits"),
        ("weight", slice(0, 200), None, "missing"),
        ("visits", slice(5, 6), -1, "limits"),
        ("town", slice(0, 12), "Lyons", "values"),
        ("note", slice(0, 20), lambda v: v[:3] + "\u200b" + v[3:], "characters"),
        ("note", slice(3, 4), "long " * 5_000, "length"),
        ("id", slice(0, 2), "twice", "unique"),
    ],
)
def test_each_fault_breaks_its_rule_and_no_other_column(column: str, rows: slice, value: object, rule: str) -> None:
    found = checked(changed(column, rows, value), expected())
    assert rule in {v.rule for v in found.violations}
    assert {v.column for v in found.violations} == {column}
    named = next(v for v in found.violations if v.rule == rule)
    if rule != "scale":
        planted = set(range(1_000)[rows])
        assert len(planted & set(named.rows)) >= 0.9 * len(planted)
    assert all(part in str(named) for part in (column, "expected", "Remedy"))


def test_the_unit_is_guessed_in_the_remedy() -> None:
    found = checked(changed("weight", slice(0, 60), lambda v: v and v * 2.2046226, 1_000), expected())
    assert any("pounds" in v.remedy for v in found.violations)
    assert explain(np.full(10, 5.0), 5.0, 5.0) is None


def test_fahrenheit_is_not_taken_for_gallons() -> None:
    rng = np.random.default_rng(0)
    celsius = pa.table({"warm": rng.normal(16, 7, 1_500).round(1), "x": np.arange(1_500) % 7})
    rules = infer_expectations(read(celsius, task="none"))
    new = pa.table({"warm": (rng.normal(16, 7, 400) * 1.8 + 32).round(1), "x": np.arange(400) % 7})
    said = {v.remedy for v in checked(new, rules).violations}
    assert said
    assert all("Fahrenheit" in remedy for remedy in said)


@pytest.mark.parametrize("spelling", ["true", "True", "TRUE"])
def test_one_bad_cell_among_booleans_accuses_itself_alone(tmp_path: Path, spelling: str) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    cells = [spelling, "FALSE"] * 200
    good.write_text("flag,x\n" + "".join(f"{c},{i}\n" for i, c in enumerate(cells)))
    cells[3] = "ja"
    bad.write_text("flag,x\n" + "".join(f"{c},{i}\n" for i, c in enumerate(cells)))
    rules = infer_expectations(read(good, task="none"))
    assert {(v.rule, v.rows) for v in check_expectations(read(bad, task="none"), rules).violations} == {("type", (3,))}
    texts = infer_expectations(read(bad, task="none"))  # and the other way: the rows without the odd cell are booleans
    assert check_expectations(read(good, task="none"), texts).passed


def test_columns_that_go_or_come(tmp_path: Path) -> None:
    rules = expected()
    assert [v.rule for v in checked(mixed(500, 2).drop(["visits"]), rules).violations] == ["present"]
    more = mixed(500, 2).append_column("extra", pa.array(np.arange(500.0)))
    assert [(v.rule, v.column) for v in checked(more, rules).violations] == [("other_columns", "extra")]


def test_a_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    table = mixed(500, 3).select(["weight", "visits", "town", "note"])
    values = ["" if v is None or v != v else str(v) for v in table.column("weight").to_pylist()]
    values[41], values[77] = "n/a", "70,5"
    path = tmp_path / "new.csv"
    pc.write_csv(table.set_column(0, "weight", pa.array(values)), path)
    rules = infer_expectations(read(mixed(2_000, 0).select(["weight", "visits", "town", "note"]), task="none"))
    found = check_expectations(read(path, task="none"), rules)
    assert [(v.rule, v.column, v.rows) for v in found.violations] == [("type", "weight", (41, 77))]


def test_texts_that_became_numbers_are_asked_the_same(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).permutation(2_000)
    rules = infer_expectations(read(pa.table({"code": [f"{c:06}" for c in codes]}), task="none"))
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("code,x\n" + "".join(f"{c:06},1\n" for c in codes[:300]))
    bad.write_text("code,x\n" + "".join(f"{c},1\n" for c in codes[:300]))
    rules = replace(rules, other_columns="allowed")
    kept, lost = (check_expectations(read(path, task="none"), rules) for path in (good, bad))
    assert kept.passed
    assert lost.rules == kept.rules
    assert {(v.column, v.rule) for v in lost.violations} == {("code", "length")}
    assert "zeros before" in lost.violations[0].remedy


def test_zeros_behind_a_fraction_are_no_alarm() -> None:
    """Prices as texts, as a few words among them make them; new rows without a word are numbers, which know of no 1.50."""
    rng = np.random.default_rng(0)
    prices = [f"{p:.2f}" for p in rng.uniform(1, 1_000, 2_000)]
    rules = infer_expectations(read(pa.table({"price": [*prices, "on request"]}), task="none"))
    assert rules.columns["price"].length is not None
    new = pa.table({"price": np.round(rng.uniform(1, 1_000, 500), 2)})
    found = checked(new, rules)
    assert found.passed
    assert checked(pa.table({"price": np.round(rng.uniform(1, 1_000, 500))}), rules).passed  # all of them so much and .00
    assert found.rules == checked(pa.table({"price": prices[:500]}), rules).rules


def test_a_rule_on_texts_that_lists_cannot_be_asked_is_broken() -> None:
    rules = ColumnRules(length=Numbers(high=5.0), characters=Values({"digits": 0}))
    found = check_column(Cells(Column("c", pa.chunked_array([[["a"], ["b"]]]))), rules)
    assert [b.rule for b in found if b.broken] == ["length", "characters"]


@pytest.mark.parametrize("load_set", [load_breast_cancer, load_wine, load_digits])
def test_the_other_half_of_real_tables_keeps_the_rules(load_set: Callable[..., object]) -> None:
    """At most 1 % of honest halves may break one; 20 splits a set."""
    x = load_set().data  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(20):
        order = rng.permutation(len(x))
        half = [read({f"x{j}": x[part, j] for j in range(x.shape[1])}, task="none") for part in np.array_split(order, 2)]
        broken += not check_expectations(half[1], infer_expectations(half[0])).passed
    assert broken <= 1


def test_false_alarms_stay_under_alpha() -> None:
    """Guarantee: at alpha = .2 at most 20 % of honest sets break a rule; 150 sets of mixed columns, so 29 % would be four deviations."""
    alarms = 0
    for seed in range(50):
        rules = infer_expectations(read(mixed(300, 10 + seed), task="none"), alpha=0.2)
        alarms += sum(not checked(mixed(200, 1_000 + 3 * seed + i), rules).passed for i in range(3))
    assert alarms / 150 < 0.29


def test_strict_rules_allow_nothing_new() -> None:
    rules = infer_expectations(read(mixed(300, 0), task="none"), strict=True)
    assert checked(mixed(300, 0), rules).passed
    table = changed("town", slice(0, 1), "Lyons", 300)
    assert ("values", "town") in {(v.rule, v.column) for v in checked(table, rules).violations}


def test_the_file_comes_back_as_it_was(tmp_path: Path) -> None:
    rules = expected(200)
    save(rules, tmp_path / "e.json")
    assert load(tmp_path / "e.json") == rules
    with pytest.raises(DataError, match="is there already"):
        save(rules, tmp_path / "e.json")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(schema="assay.expectations/9"), "schema"),
        (lambda d: d["columns"]["weight"].update(rnage=[0, 1]), "columns.weight.rnage"),
        (lambda d: d["columns"]["weight"]["numbers"].update(low="0"), "columns.weight.numbers.low"),
        (lambda d: d["columns"]["weight"].update(missing={"rows": 5, "of": 3}), "columns.weight.missing"),
        (lambda d: d["columns"]["town"].update(type="word"), "columns.town.type"),
        (lambda d: d.update(alpha=2), "alpha"),
    ],
)
def test_a_rule_with_an_error_is_refused(tmp_path: Path, change: Callable[[dict[str, object]], None], place: str) -> None:
    document = to_json(expected(200))
    change(document)
    path = tmp_path / "e.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=place.replace(".", r"\.")):
        load(path)


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS)
def test_no_document_is_taken_by_mistake(document: object) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        from_json(document)
    assert type(raised.value).__name__ == "_Wrong"


def test_a_persons_rule_is_absolute(tmp_path: Path) -> None:
    document = to_json(expected())
    document["columns"]["visits"] = {"type": "whole", "numbers": {"low": 0, "high": 5}}
    found = checked(mixed(1_000, 4), from_json(document))
    assert [(v.rule, v.column, v.p) for v in found.violations] == [("range", "visits", None)]


def test_pictures_of_another_size_and_brightness(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place, dark in (("good", 1), ("new", 1), ("dark", 8)):
        for i in range(60):
            size = (40, 32) if place == "new" and i < 25 else (32, 32)
            path = tmp_path / place / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((rng.integers(0, 200, (*size, 3)) // dark).astype(np.uint8)).save(path)
    rules = infer_expectations(read(tmp_path / "good", task="none"))
    assert check_expectations(read(tmp_path / "good", task="none"), rules).passed
    sizes = check_expectations(read(tmp_path / "new", task="none"), rules).violations
    assert ("picture", "sizes", 25) in {(v.column, v.rule, len(v.rows)) for v in sizes}
    dark_ones = check_expectations(read(tmp_path / "dark", task="none"), rules).violations
    assert "picture brightness" in {v.column for v in dark_ones}


def test_the_command_and_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, new, bad, rules = (tmp_path / name for name in ("good.parquet", "new.parquet", "bad.parquet", "rules.json"))
    pq.write_table(mixed(600, 0), good)
    pq.write_table(mixed(400, 1), new)
    pq.write_table(changed("visits", slice(9, 10), -4), bad)
    assert run(["validate", "infer", str(good), "--out", str(rules)]) == 0
    assert run(["validate", "check", str(new), "--expectations", str(rules)]) == 0
    assert run(["validate", "check", str(bad), "--expectations", str(rules), "--report", str(tmp_path / "v.json")]) == 1
    said = capsys.readouterr().out
    assert f"{bad}, row 9, column 'visits': -4" in said
    before = (tmp_path / "v.json").read_bytes()
    assert run(["validate", "check", str(new), "--expectations", str(rules), "--report", str(tmp_path / "v.json")]) == 2
    assert (tmp_path / "v.json").read_bytes() == before
    written = json.loads(before)
    assert [(v["column"], v["rows"]) for v in written["violations"]] == [("visits", [9])]
    assert run(["validate", "check", str(new), "--expectations", str(tmp_path / "none.json")]) == 2
    rules.write_text("{")
    assert run(["validate", "check", str(new), "--expectations", str(rules)]) == 2


def test_too_few_rows(memory: Callable[..., Dataset]) -> None:
    with pytest.raises(DataError, match="too few"):
        infer_expectations(memory("table", {"x": np.arange(5.0)}))
