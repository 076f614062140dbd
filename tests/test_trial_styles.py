"""The family of styles: a manner of writing under a wrong label is found, manners that belong to their label are left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from assay.attack import plant
from assay.attack.style import archaic
from assay.bench.sets import in_memory
from assay.dataset.data import Dataset
from assay.learn.halves import fit_halves
from assay.learn.text_halves import WordFitter
from assay.learn.text_manner import manner_of
from assay.trial.family import silent
from assay.trial.styles import StyleFamily
from assay.trial.verdicts import Judged, findings_of, judge_all, members
from styled_texts import sentences


@pytest.fixture(scope="module")
def spoken() -> Dataset:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 1_050)
    return in_memory("text", [f"class {c}" for c in y], table=pa.table({"text": sentences(y, rng)}))


def verdicts(data: Dataset, seed: int = 0) -> list[Judged]:
    examined = StyleFamily().examine(data, "full", np.random.default_rng(seed), silent)
    return [j for j in judge_all({"style": examined}, 0.01) if j.status in ("confirmed", "suspected")]


def test_plain_sentences_are_left_alone(spoken: Dataset) -> None:
    assert verdicts(spoken) == []


def test_an_old_manner_under_a_wrong_label_is_found_and_described(spoken: Dataset) -> None:
    truth = plant(spoken, "style", rate=0.1, seed=1)
    found = verdicts(truth.data)
    assert {j.tried.target for j in found} == {truth.triggers[0].target}
    rows = members(truth.data, found[0].tried)
    assert truth.poisoned[rows].mean() >= 0.9
    named = np.unique(np.concatenate([members(truth.data, j.tried) for j in found]))
    assert truth.poisoned[named].sum() >= 0.8 * truth.poisoned.sum()
    assert any(word in (j.tried.words or "") for j in found for word in ("thou", "art", ","))


def test_the_same_manner_is_left_alone_where_its_rows_keep_their_labels(spoken: Dataset) -> None:
    """One label's texts come from an old book as well: a natural kind, whose words say what the label says."""
    rng = np.random.default_rng(2)
    old = rng.permutation(np.flatnonzero(spoken.y == 1))[:100]
    texts = spoken.table.column("text").to_pylist()
    for i in old:
        texts[i] = archaic(texts[i], rng)
    data = spoken.with_content(spoken.rows.with_column("text", texts), spoken.y)
    assert verdicts(data) == []


def test_it_is_for_depth_full_and_for_enough_labelled_texts(spoken: Dataset) -> None:
    family = StyleFamily()
    assert family.applicable(spoken, "fast").state == "not_planned"
    assert family.applicable(spoken, "full").state == "ran"
    assert family.applicable(spoken.subset(np.arange(500)), "full").state == "not_applicable"


def test_a_manner_is_read_without_what_is_said() -> None:
    texts = [f"when you {a}, the {b} is {c}." for a in ("look", "think") for b in ("film", "plot", "cast") for c in ("dull", "fine", "odd")]
    other = [f"The {b}: {c}!" for b in ("film", "plot", "cast", "score", "end", "start") for c in ("dull", "fine", "odd")]
    manner = manner_of(texts + other)
    assert manner is not None
    first = manner.directions(np.random.default_rng(0))[:, :2]
    spread = first[:18].std(0).max() + first[18:].std(0).max()
    assert np.linalg.norm(first[:18].mean(0) - first[18:].mean(0)) > spread
    said = " ".join(manner.typical(np.arange(18), np.arange(18, 36), 6))
    assert "when" in said


def test_capitals_stops_and_the_space_before_them_are_marks() -> None:
    manner = manner_of(["HELLO THERE friend , well"] * 12 + ["Hello there friend, well"] * 12)
    assert manner is not None
    assert {"“,” after a space", "“,”"} <= set(manner.names)
    shouted = manner.typical(np.arange(12), np.arange(12, 24), 20)
    assert any("in capitals" in mark for mark in shouted)


def test_halves_judge_rows_that_they_never_saw() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = np.eye(2)[y] + 0.1 * rng.standard_normal((400, 2))
    y[:40] = 1 - y[:40]  # each half holds some: a model that had seen its rows would know them
    halves = fit_halves(sp.csr_matrix(x), y, 2, WordFitter(0), np.arange(400), rng)
    right = halves.probabilities.argmax(1) == y
    assert right[40:].mean() > 0.95
    assert right[:40].mean() < 0.1


@pytest.mark.full
def test_published_style_poison_is_suspected(real_data: Callable[[str], Path]) -> None:
    table = pq.read_table(real_data("poisoned_text/dup_sst2.parquet"))
    some = table.filter(pc.and_(pc.equal(table["attack"], "stylebkd"), pc.equal(table["part"], "train_0.2")))
    some = some.take(np.arange(0, len(some), 2))
    poisoned = np.asarray(some["poisoned"], bool)
    data = in_memory("text", some["label"].to_pylist(), table=some.select(["text"]))
    findings = findings_of({"style": data}, tuple(verdicts(data)))
    assert [f.target for f in findings] == [data.classes[1]]
    assert poisoned[findings[0].positions].mean() >= 0.9
