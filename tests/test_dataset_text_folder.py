"""Folders of texts whose names are labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.dataset.errors import DataError
from assay.dataset.formats.text_folder import TextFolder
from assay.dataset.read import read
from assay.dataset.removal import copy_without, restore


def laid(root: Path, classes: dict[str, int], below: str = "") -> Path:
    for name, count in classes.items():
        folder = root / below / name
        folder.mkdir(parents=True)
        for i in range(count):
            (folder / f"{i}_{i % 10}.txt").write_text(f"the {name} document number {i}\nin two lines\n")
    return root


def test_folders_are_labels(tmp_path: Path) -> None:
    data = read(laid(tmp_path / "enron", {"ham": 12, "spam": 15}))
    assert (data.modality, data.task, data.classes) == ("text", "classification", ("ham", "spam"))
    assert np.bincount(data.y).tolist() == [12, 15]
    assert data.columns.label == ("label",)
    assert data.table.column("text")[0].as_py() == "the ham document number 0\nin two lines"
    assert any("--task none" in note for note in data.notes)
    plain = read(tmp_path / "enron", task="none")
    assert (plain.task, len(plain)) == ("none", 27)


def test_as_the_large_movie_review_set_is_laid_out(tmp_path: Path) -> None:
    root = tmp_path / "aclImdb"
    laid(root, {"pos": 20, "neg": 20, "unsup": 30}, "train")
    laid(root, {"pos": 10, "neg": 10}, "test")
    (root / "README").write_text("what it is")
    (root / "imdb.vocab").write_text("the\n")
    (root / "train" / "urls_pos.txt").write_text("http://\n" * 20)
    (root / "train" / "labeledBow.feat").write_text("9 0:9\n")
    data = read(root)
    assert data.classes == ("neg", "pos")
    assert np.bincount(data.y + 1).tolist() == [30, 30, 30]  # 30 of the folder unsup have no label
    assert data.table.column("split").to_pylist().count("train") == 70
    assert any("4 files beside the documents" in note for note in data.notes)
    assert np.bincount(read(root / "train").y + 1).tolist() == [30, 20, 20]


def test_a_document_in_another_encoding_is_counted_and_listed(tmp_path: Path) -> None:
    root = laid(tmp_path / "d", {"ham": 12, "spam": 12})
    (root / "spam" / "3_3.txt").write_bytes("Gewinnen Sie für Sie".encode("latin-1"))
    (root / "spam" / "link.txt").symlink_to(root / "nowhere.txt")
    data = read(root)
    assert len(data) == 23
    fault, lost = data.unreadable
    assert lost.reason.startswith("cannot be opened")
    assert fault.key == "spam/3_3.txt"
    assert fault.reason.startswith("not UTF-8 (byte 0xfc at byte 14)")


@pytest.mark.parametrize(
    "classes",
    [{"guide": 3, "api": 2}, {"all": 40}, {"a/b": 12, "a/c": 12, "d/e": 12}, {"a": 30, "b": 1}],
    ids=["chapters", "one folder", "a tree", "one document"],
)
def test_other_trees_have_no_labels(tmp_path: Path, classes: dict[str, int]) -> None:
    data = read(laid(tmp_path / "d", classes))
    assert (data.modality, data.task, len(data)) == ("text", "none", sum(classes.values()))


def test_shards_of_documents_a_line_stay_shards(tmp_path: Path) -> None:
    for name in ("en", "de"):
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"part-{i}.txt").write_text("one document a line\n" * 2_000)
    data = read(tmp_path)
    assert (data.task, len(data)) == ("none", 40_000)


def test_rows_are_removed_as_files(tmp_path: Path) -> None:
    root = laid(tmp_path / "d", {"ham": 12, "spam": 12})
    drop = np.array([0, 13])
    copy_without(root, tmp_path / "clean", drop)
    clean = read(tmp_path / "clean")
    assert len(clean) == 22
    assert np.bincount(clean.y).tolist() == [11, 11]
    before, after = ({p.relative_to(at).as_posix() for p in at.rglob("*.txt")} for at in (root, tmp_path / "clean"))
    assert before - after == {"ham/0_0.txt", "spam/10_0.txt"}
    restore(tmp_path / "clean")
    assert read(tmp_path / "clean").fingerprint == read(root).fingerprint


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(30)] + ["text 0"]
    labels = ["a", "b", "c"] * 10 + ["a"]
    table = pa.table({"text": texts, "label": labels, "split": ["train"] * 20 + ["test"] * 11})
    layout = TextFolder().write(table, None, tmp_path / "d")
    data = read(tmp_path / "d")
    assert layout.row is not None
    for name in table.column_names:
        assert data.table.column(name).take(pa.array(layout.row)).to_pylist() == table.column(name).to_pylist()
    with pytest.raises(DataError, match="cannot be the name of a folder"):
        TextFolder().write(pa.table({"text": ["a"], "label": ["../up"]}), None, tmp_path / "e")
    with pytest.raises(DataError, match="no other columns"):
        TextFolder().write(pa.table({"text": ["a"]}), None, tmp_path / "f")
