"""Drift and leakage: no alarm where both are drawn alike, however often one looks; planted shifts and copies found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

import assay
from assay.cli import run
from assay.dataset.data import Dataset
from assay.validate.drift import drift, table_p
from assay.validate.leakage import leakage

Make = Callable[..., Dataset]
NAMES = np.array([a + b for a in ("mar", "ber", "lor", "tin", "kas", "vel") for b in ("ta", "no", "ric", "sen", "dal", "wyn")])


def rows(rng: np.random.Generator, n: int) -> dict[str, object]:
    x = rng.normal(size=n)
    return {
        "x": np.where(rng.random(n) < 0.05, np.nan, x),
        "near": x + 0.3 * rng.normal(size=n),
        "count": rng.poisson(2, n),
        "rare": rng.choice([f"v{i}" for i in range(40)], n, p=np.arange(40, 0, -1) / 820),
        "yes": rng.random(n) < 0.02,
    }


def test_alike_sets_are_seldom_said_to_differ(memory: Make) -> None:
    """At alpha = .2 at most 20 % of 60 pairs, up to three deviations (35 %): every column and the joint test together."""
    rng = np.random.default_rng(0)
    alarms = sum(drift(memory("table", rows(rng, 150)), memory("table", rows(rng, 90)), rng, alpha=0.2).differs for _ in range(60))
    assert alarms / 60 < 0.36


def test_a_shifted_column_is_named(memory: Make) -> None:
    rng = np.random.default_rng(1)
    new = rows(rng, 800)
    new["count"] = rng.poisson(3, 800)
    found = drift(memory("table", new), memory("table", rows(rng, 800)), rng)
    assert [c.name for c in found.columns if c.differs] == ["count"]
    assert "count" in found.words()


def test_only_the_joint_test_sees_a_broken_tie(memory: Make) -> None:
    rng = np.random.default_rng(2)
    new = rows(rng, 1_000)
    new["near"] = rng.permutation(np.asarray(new["near"]))
    found = drift(memory("table", new), memory("table", rows(rng, 1_000)), rng)
    assert found.joint is not None
    assert found.joint_differs
    assert not any(c.differs for c in found.columns)


def test_a_few_rows_of_a_new_kind_are_seen_together(memory: Make) -> None:
    """3 % of the rows are ordinary in each column and odd in two of them together."""
    rng = np.random.default_rng(3)
    new = rows(rng, 3_000)
    near = np.asarray(new["near"]).copy()
    x = np.asarray(new["x"]).copy()
    x[:90], near[:90] = 1.5, -1.5
    new["x"], new["near"] = x, near
    found = drift(memory("table", new), memory("table", rows(rng, 3_000)), rng)
    assert found.joint_differs


def test_random_tables_agree_with_their_law() -> None:
    rng = np.random.default_rng(4)
    p = [table_p(rng.multinomial(60, np.full(6, 1 / 12).repeat(2).reshape(12)).reshape(2, 6), rng) for _ in range(300)]
    assert np.mean(np.array(p) <= 0.1) < 0.1 + 4 * np.sqrt(0.09 / 300)


def test_texts_and_pictures(memory: Make) -> None:
    rng = np.random.default_rng(5)
    words = np.array(["ship", "sea", "storm", "land", "port", "wind", "night", "day"])
    texts = [" ".join(rng.choice(words, 8)) for _ in range(600)]
    plain = drift(memory("text", {"text": texts[:300]}), memory("text", {"text": texts[300:]}), rng)
    assert not plain.differs
    other = [t.replace("sea", "oil") if i < 150 else t for i, t in enumerate(texts[:300])]
    assert drift(memory("text", {"text": other}), memory("text", {"text": texts[300:]}), rng).joint_differs
    digits = (load_digits().images * 15).astype(np.uint8)
    order = rng.permutation(len(digits))
    left, right = digits[order[:800]], digits[order[800:1600]]
    assert not drift(memory("image", left), memory("image", right), rng).differs
    assert drift(memory("image", left // 2), memory("image", right), rng).differs


def test_copies_in_both_sets_are_found(memory: Make) -> None:
    x = load_breast_cancer().data
    x = x * (1 + 1e-9)
    data = memory("table", {f"x{j}": x[:400, j] for j in range(8)}, ["a"] * 200 + ["b"] * 200)
    test = x[380:460, :8].copy()
    test[:10] *= 1 + 1e-7
    held = memory("table", {f"x{j}": test[:, j] for j in range(8)}, ["b"] * 75 + ["a"] * 5)
    found = leakage(data, held, np.random.default_rng(0))
    assert {row for row, _, _ in found.leaks} >= set(range(390, 400))
    assert sum(row >= 380 for row, _, _ in found.leaks) >= 18
    assert {other for row, other, how in found.leaks if how == "the same"} >= set(range(10, 20))
    assert not len(found.contradicted)
    assert not found.ordinary


def test_contradicted_labels_and_ordinary_copies(memory: Make) -> None:
    rng = np.random.default_rng(6)
    texts = [" ".join(rng.choice(NAMES, 12)) for _ in range(300)]
    data = memory("text", {"text": texts}, ["a", "b"] * 150)
    found = leakage(data, memory("text", {"text": texts[:40]}, ["a"] * 40), np.random.default_rng(0))
    assert [row for row, _, _ in found.leaks] == list(range(40))
    assert found.contradicted.tolist() == list(range(1, 40, 2))
    coarse = [memory("table", {f"q{j}": rng.integers(0, 3, n) for j in range(5)}) for n in (500, 200)]
    assert leakage(coarse[0], coarse[1], rng).ordinary


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(7)
    for name, shift in (("a", 0.0), ("b", 0.0), ("c", 0.7)):
        table = pa.table({"height": rng.normal(170 + 10 * shift, 9, 500), "age": rng.gamma(4, 10, 500)})
        pc.write_csv(table.append_column("label", pa.array(rng.choice(["x", "y"], 500))), tmp_path / f"{name}.csv")
    assert run(["validate", "compare", str(tmp_path / "b.csv"), "--trusted", str(tmp_path / "a.csv")]) == 0
    assert run(["validate", "compare", str(tmp_path / "c.csv"), "--trusted", str(tmp_path / "a.csv")]) == 1
    assert "differs  height" in capsys.readouterr().out
    assert run(["validate", "compare", str(tmp_path / "a.csv"), "--trusted", str(tmp_path / "a.csv")]) == 1


def test_a_scan_with_trusted_rows_says_so() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(400, 3))
    label = np.where(x[:, 0] > 0, "high", "low")
    held = {"a": x[:60, 0], "b": x[:60, 1], "c": x[:60, 2], "label": np.where(np.arange(60) == 7, "other", label[:60])}
    report = assay.scan({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "label": label}, label="label", trusted=held, canaries=False)
    states = {c.name: c for c in report.conclusion.checks}
    assert states["drift"].state == "ran"
    assert "60 rows have a copy in the trusted set" in states["copies of trusted rows"].reason
    assert report.conclusion.action[7] == "review"
