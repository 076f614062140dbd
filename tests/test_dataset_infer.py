"""Roles of columns on real data sets and on the awkward cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.dataset.data import MISSING, Columns
from assay.dataset.errors import DataError
from assay.dataset.infer import Meaning, infer
from assay.dataset.read import read

N = 200


def words(i: int) -> str:
    return f"this is the message with number {i}"


def base(**columns: object) -> pa.Table:
    return pa.table({"text": [words(i) for i in range(N)], "label": [i % 2 for i in range(N)], **columns})


def numbers(seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).normal(size=N)


@pytest.mark.parametrize(
    ("name", "modality", "task", "label", "classes"),
    [
        ("sms_spam/sms_spam.parquet", "text", "classification", ("label",), 2),
        ("sst2/sst2.parquet", "text", "classification", ("label",), 2),
        ("tabular/adult.parquet", "table", "classification", ("income",), 2),
        ("tabular/letter.parquet", "table", "classification", ("lettr",), 26),
        ("tabular/spambase.parquet", "table", "classification", ("type",), 2),
        ("instructions/alpaca_1807.jsonl", "text", "generation", (), 0),
        ("gtsrb32/gtsrb32_every3.npz", "image", "classification", ("label",), 43),
        ("faces_orl/orl.npz", "image", "classification", ("label",), 40),
    ],
)
def test_real_data_is_understood(
    real_data: Callable[[str], Path], name: str, modality: str, task: str, label: tuple[str, ...], classes: int
) -> None:
    data = read(real_data(name))
    assert (data.modality, data.task, data.columns.label, len(data.classes)) == (modality, task, label, classes)
    assert "split" not in data.columns.content
    assert not set(label) & set(data.columns.content)


def test_context_is_not_content() -> None:
    people = [f"person{i % 9}" for i in range(N)]
    sites = [f"site{i % 4}.example" for i in range(N)]
    days = [f"2024-0{1 + i % 9}-11" for i in range(N)]
    parts = ["train" if i % 5 else "test" for i in range(N)]
    table = base(row_id=[f"k{i}" for i in range(N)], annotator=people, source=sites, created_at=days, split=parts, n=range(N))
    found = infer(table)
    want = Columns(content=("text",), label=("label",), id="row_id", contributor="annotator", source="source", time="created_at")
    assert found.columns == want
    assert (found.modality, found.task) == ("text", "classification")
    assert any("'n' only counts the rows" in note for note in found.notes)
    assert any("'annotator' is taken for the contributor" in note for note in found.notes)


def test_text_and_numbers_are_content_together() -> None:
    found = infer(base(length=numbers()))
    assert (found.modality, found.columns.content) == ("text", ("text", "length"))


def test_what_restates_the_label_is_not_content() -> None:
    found = infer(base(label_text=["no" if i % 2 else "yes" for i in range(N)]))
    assert found.columns.content == ("text",)
    assert any("says the same as the label" in note for note in found.notes)


def test_names_given_override_guesses() -> None:
    table = base(group=[i % 3 for i in range(N)])
    found = infer(table, columns=Columns(content=("text",), label=("group",)))
    assert found.columns == Columns(content=("text",), label=("group",))
    assert found.classes == ("0", "1", "2")


def test_without_labels_the_task_is_none() -> None:
    found = infer(pa.table({"text": [words(i) for i in range(N)]}))
    assert (found.task, found.classes) == ("none", ())
    assert (found.y == MISSING).all()
    assert infer(base(), task="none").columns.label == ()


def test_missing_labels_are_counted() -> None:
    found = infer(pa.table({"text": [words(i) for i in range(N)], "label": [None if i < 7 else i % 2 for i in range(N)]}))
    assert (found.y == MISSING).sum() == 7
    assert any("7 of 200 rows have no label" in note for note in found.notes)


@pytest.mark.parametrize("way", ["columns", "lists"])
def test_several_labels_a_row(way: str) -> None:
    sets = [["a"] if i % 3 == 0 else ["a", "b"] if i % 3 == 1 else [] for i in range(N)]
    if way == "lists":
        found: Meaning = infer(pa.table({"text": [words(i) for i in range(N)], "labels": sets}))
    else:
        flags = {name: [int(name in labels) for labels in sets] for name in ("a", "b")}
        found = infer(pa.table({"text": [words(i) for i in range(N)], **flags}), columns=Columns(label=("a", "b")))
    assert found.task == "multilabel"
    assert found.classes == ("(none)", "a", "a + b")
    assert np.bincount(found.y).tolist() == [66, 67, 67]


def test_pairs_and_generation_by_their_names() -> None:
    other = [f"and this is what is said of number {i}" for i in range(N)]
    pairs = pa.table({"premise": [words(i) for i in range(N)], "hypothesis": other, "label": [i % 3 for i in range(N)]})
    assert infer(pairs).task == "pairs"
    assert infer(pa.table({"instruction": [words(i) for i in range(N)], "output": other})).task == "generation"


def test_class_names_kept_by_the_format() -> None:
    found = infer(base(), class_names={"label": ["ham", "spam"]})
    assert found.classes == ("ham", "spam")


def test_a_few_phrases_are_categories_not_text() -> None:
    table = pa.table(
        {
            "status": [["never been married yet", "is married with children"][i % 2] for i in range(N)],
            "x": numbers(),
            "y": [i % 2 for i in range(N)],
        }
    )
    assert infer(table).modality == "table"


def test_a_label_of_names_is_refused() -> None:
    with pytest.raises(DataError, match="the label has 200 different values in 200 rows: these are not classes"):
        infer(base(name=[f"n{i}" for i in range(N)]), columns=Columns(label=("name",)))


def test_nothing_left_to_be_content() -> None:
    with pytest.raises(DataError, match=r"no column is left to be the content.*--content"):
        infer(pa.table({"label": [i % 2 for i in range(N)]}))


def test_a_date_in_a_table_is_content_and_beside_a_text_it_is_not() -> None:
    import datetime

    from assay.dataset.read import read

    days = [datetime.date(2024, 1, 1) + datetime.timedelta(i % 50) for i in range(200)]
    label = [("no", "yes")[i % 2] for i in range(200)]
    table = read({"age": [20 + i % 31 for i in range(200)], "opened": days, "label": label})
    assert table.columns.content == ("age", "opened")
    text = read({"text": [f"a note on the matter of number {i}" for i in range(200)], "opened": days, "label": label})
    assert text.columns.content == ("text",)
    assert any("'opened'" in note for note in text.notes)


def test_numbers_of_eight_bits_that_begin_anew_do_not_count_rows() -> None:
    round_again = np.arange(600).astype(np.uint8)
    rows = {"text": [f"a note on the matter of number {i}" for i in range(len(round_again))], "label": ["a", "b"] * (len(round_again) // 2)}
    said = " ".join(read({**rows, "pixel": round_again}).notes)
    assert "'pixel' only counts" not in said
    assert "'pixel' only counts" in " ".join(read({**rows, "pixel": np.arange(len(round_again))}).notes)


def test_classes_that_a_slip_made_are_said() -> None:
    def said(*names: str) -> str:
        return " ".join(infer(base().set_column(1, "label", pa.array([names[i % len(names)] for i in range(N)]))).notes)

    assert "in blanks or capitals alone are taken for different ones: 'ham', 'ham '." in said("ham", "spam", "ham ")
    assert "'HAM', 'ham'" in said("ham", "spam", "HAM")
    assert "The label 'label' has its own name for a value in" in said("ham", "spam", "label")
    assert "different ones" not in said("ham", "spam")
    assert "its own name" not in said("ham", "spam")


def test_the_index_that_pandas_wrote_is_no_content() -> None:
    rows = np.random.default_rng(0).permutation(3 * N)[:N]
    assert infer(base(__index_level_0__=rows)).columns.content == ("text",)
