"""Writing a data set anew in its own format: the same records, changed labels where they were changed, no trace of the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.write import write_as
from test_dataset_removal import FORMATS, as_csv, as_hugging_face, as_pictures

# saved splits are written as one, with their column
MAKERS: list[Callable[[Path], Path]] = [make for make in FORMATS if make is not as_hugging_face]


@pytest.mark.parametrize("make", MAKERS)
def test_records_survive_writing(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    data = read(path)
    written = write_as(data, tmp_path / f"out{''.join(path.suffixes)}")
    again = read(written.path)
    assert again.format == data.format
    assert np.array_equal(again.digest[written.row], data.digest)
    assert [again.key[i] for i in written.row] == list(written.key)


@pytest.mark.parametrize("make", MAKERS)
def test_changed_codes_change_the_labels_and_nothing_else(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    data = read(path)
    y = data.y.copy()
    changed = np.array([2, 3, 30])
    y[changed] = (y[changed] + 1) % len(data.classes)
    written = write_as(replace(data, y=y), tmp_path / f"out{''.join(path.suffixes)}")
    again = read(written.path)
    assert [again.classes[c] for c in again.y[written.row]] == [data.classes[c] for c in y]
    differ = (again.digest[written.row] != data.digest).any(axis=1)
    assert np.flatnonzero(differ).tolist() == changed.tolist()


def test_a_picture_tells_nothing_of_its_past(tmp_path: Path) -> None:
    data = read(as_pictures(tmp_path))
    written = write_as(data, tmp_path / "out")
    names = {Path(key).stem for key in written.key}
    assert not names & {Path(key).stem for key in data.key}


def test_writing_refuses_what_is_there(tmp_path: Path) -> None:
    path = as_csv(tmp_path)
    with pytest.raises(DataError, match="is there already, and nothing is overwritten"):
        write_as(read(path), path)
    with pytest.raises(DataError, match=r"the folder it should lie in is not there.*mkdir -p"):
        write_as(read(path), tmp_path / "no" / "out.csv")


def test_a_name_by_which_it_would_not_be_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the ending '.txt' is not one of the format csv.*ends in \.csv"):
        write_as(read(as_csv(tmp_path)), tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()


def test_saved_splits_become_one_with_their_column(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data = read(as_hugging_face(tmp_path))
    written = write_as(data, tmp_path / "out")
    assert np.array_equal(read(written.path).digest, data.digest)
    again = datasets.load_from_disk(str(written.path))
    assert again.num_rows == len(data)
    assert set(again["split"]) == {"test", "train"}


def test_pictures_without_classes_lie_side_by_side(tmp_path: Path) -> None:
    data = read(as_pictures(tmp_path), task="none")
    flat = replace(data, table=data.table.drop_columns(["label"]))
    written = write_as(flat, tmp_path / "out")
    assert all("/" not in key for key in written.key)
    assert read(written.path).task == "none"
