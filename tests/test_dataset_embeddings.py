"""Embeddings that an owner brings: one row a record, finite numbers, no pickles; else the reader is told what to mend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.dataset.data import Dataset
from assay.dataset.embeddings import read_embeddings
from assay.dataset.errors import DataError


@pytest.fixture
def data(memory: Callable[..., Dataset]) -> Dataset:
    """Five records, of which the third could not be read."""
    four = memory("image", np.zeros((4, 8, 8, 1), np.uint8), ["a", "b", "a", "b"])
    return replace(four, row=np.array([0, 1, 3, 4]), records=5)


def test_rows_follow_record_numbers(data: Dataset, tmp_path: Path) -> None:
    values = np.arange(10.0).reshape(5, 2)
    np.save(tmp_path / "e.npy", values)
    np.savez(tmp_path / "one.npz", anything=values)
    np.savez(tmp_path / "two.npz", y=np.zeros(5), embeddings=values)
    for name in ("e.npy", "one.npz", "two.npz"):
        found = read_embeddings(tmp_path / name, data)
        assert found.dtype == np.float32
        assert found.tolist() == values[[0, 1, 3, 4]].tolist()


def test_an_unreadable_records_numbers_are_not_asked_for(data: Dataset, tmp_path: Path) -> None:
    values = np.ones((5, 2))
    values[2] = np.nan
    np.save(tmp_path / "e.npy", values)
    assert np.isfinite(read_embeddings(tmp_path / "e.npy", data)).all()
    values[3, 1] = np.inf
    np.save(tmp_path / "e.npy", values)
    with pytest.raises(DataError, match=r"row 3.*not finite"):
        read_embeddings(tmp_path / "e.npy", data)


@pytest.mark.parametrize(
    ("array", "said"),
    [(np.ones((4, 2)), "4 rows for 5 records"), (np.ones(5), "a table of numbers"), (np.array([["a"]] * 5), "a table of numbers")],
)
def test_what_is_wrong_is_said(data: Dataset, tmp_path: Path, array: np.ndarray, said: str) -> None:
    np.save(tmp_path / "e.npy", array)
    with pytest.raises(DataError, match=said):
        read_embeddings(tmp_path / "e.npy", data)


def test_pickles_text_and_nothing_are_refused(data: Dataset, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.array([{}] * 5, object), allow_pickle=True)
    (tmp_path / "t.npy").write_text("1,2\n3,4\n")
    np.savez(tmp_path / "many.npz", a=np.ones((5, 2)), b=np.ones((5, 2)))
    for name, said in (
        ("p.npy", "not a NumPy array"),
        ("t.npy", "not a NumPy array"),
        ("many.npz", "none is called"),
        ("no.npy", "no such"),
    ):
        with pytest.raises(DataError, match=said):
            read_embeddings(tmp_path / name, data)
