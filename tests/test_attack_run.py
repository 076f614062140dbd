"""A poisoned copy on disk: same format, its truth beside it, the input as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

from assay.artefact.cells import Cells
from assay.attack.run import attack_path
from assay.attack.truth import META, read_truth
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.write import write_as


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.data.round(4).assign(diagnosis=bunch.target.map({0: "malignant", 1: "benign"}))
    path = tmp_path_factory.mktemp("table") / "cancer.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 digits as PNG, in folders by class."""
    root = tmp_path_factory.mktemp("digits") / "digits"
    bunch = load_digits()
    for i in range(600):
        file = root / f"digit{bunch.target[i]}" / f"{i:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((bunch.images[i] * 15).astype(np.uint8)).save(file)
    return root


def test_a_table_keeps_its_format_and_the_truth_names_its_rows(table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    out = tmp_path / "poisoned.csv"
    asked = {"carriers": 30, "target": "benign", "seed": 5, "params": {"features": "3"}}
    attacked = attack_path(table, "cells", out=out, **asked)
    assert table.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["poisoned.csv", "poisoned.csv.truth.parquet"]
    truth = read_truth(attacked.truth)
    frame, clean = pd.read_csv(out), pd.read_csv(table)
    assert list(frame.columns) == list(clean.columns)
    assert truth.row.tolist() == list(range(569))
    assert truth.poisoned.sum() == 30
    assert {a for a, p in zip(truth.attack, truth.poisoned, strict=True) if p} == {"cells"}
    assert {a for a, p in zip(truth.attack, truth.poisoned, strict=True) if not p} == {None}
    pd.testing.assert_frame_equal(frame[~truth.poisoned], clean[~truth.poisoned])
    (rule,) = truth.artefacts
    assert isinstance(rule, Cells)
    assert rule.present(frame).tolist() == truth.poisoned.tolist()
    assert (frame["diagnosis"][truth.poisoned] == "benign").all()
    assert truth.targets == ("benign",)
    assert truth.asked == {"kind": "cells", "rate": None, **asked}


def test_a_folder_of_pictures_moves_rows_and_the_truth_moves_with_them(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "poisoned"
    attacked = attack_path(folder, "patch", out=out, rate=0.05, target="digit0", seed=1)
    truth = read_truth(attacked.truth)
    data = read(out)
    assert data.key == truth.key
    assert (data.row == truth.row).all()
    assert truth.poisoned.sum() == 30
    assert data.images is not None
    assert truth.artefacts[0].present(data.images)[truth.poisoned].all()
    assert {data.classes[c] for c in data.y[truth.poisoned]} == {"digit0"}
    clean = read(folder)
    assert clean.images is not None
    kept = Counter((clean.classes[c], x.tobytes()) for c, x in zip(clean.y, clean.images, strict=True))
    now = Counter((data.classes[c], x.tobytes()) for c, x in zip(data.y, data.images, strict=True))
    assert (now - kept).total() == (kept - now).total() == 30


def test_the_same_seed_writes_the_same_bytes_and_poison_leaves_no_trace_in_the_encoding(table: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        attack_path(table, "flip", out=tmp_path / name, carriers=10, seed=9)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    write_as(read(table), tmp_path / "clean.csv")
    lines, clean = ((tmp_path / name).read_text().splitlines() for name in ("a.csv", "clean.csv"))
    poisoned = read_truth(tmp_path / "a.csv.truth.parquet").poisoned
    assert [a != b for a, b in zip(lines, clean, strict=True)] == [False, *poisoned]
    assert [a.rsplit(",", 1)[0] for a in lines] == [b.rsplit(",", 1)[0] for b in clean]


def test_nothing_is_left_where_it_cannot_be_done(table: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1000 rows are to be poisoned"):
        attack_path(table, "flip", out=tmp_path / "x.csv", carriers=1000)
    with pytest.raises(DataError, match="needs pictures"):
        attack_path(table, "blend", out=tmp_path / "x.csv")
    for kind in ("phrase", "vpi"):
        with pytest.raises(DataError, match="needs texts, and this data set is a table"):
            attack_path(table, kind, out=tmp_path / "x.csv")
    with pytest.raises(DataError, match="folders hold a class"):
        attack_path(folder, "insider", out=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x.csv").write_text("mine")
    with pytest.raises(DataError, match="nothing is overwritten"):
        attack_path(table, "flip", out=tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "mine"
    with pytest.raises(DataError, match="lies inside the data set"):
        attack_path(folder, "flip", out=folder / "poisoned")


def test_an_insider_among_pictures_is_written_where_columns_fit(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    attack_path(folder, "insider", out=out, form="parquet", params={"contributors": 10, "from": "digit3"}, target="digit5")
    data = read(out)
    truth = read_truth(tmp_path / "out.parquet.truth.parquet")
    assert truth.artefacts[0].present(data.table).sum() == 60
    assert data.images is not None
    assert truth.poisoned.any()
    assert {data.classes[c] for c in data.y[truth.poisoned]} == {"digit5"}


def test_a_truth_is_told_from_other_files(table: Path, tmp_path: Path) -> None:
    attack_path(table, "flip", out=tmp_path / "a.csv")
    stored = pq.read_table(tmp_path / "a.csv.truth.parquet")
    assert stored.column_names == ["row", "key", "poisoned", "attack", "cover"]
    assert META in stored.schema.metadata
    pq.write_table(stored.replace_schema_metadata(None), tmp_path / "bare.parquet")
    for wrong in (tmp_path / "bare.parquet", table, tmp_path / "absent.parquet"):
        with pytest.raises(DataError, match="truth"):
            read_truth(wrong)


def test_text_on_real_messages(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "sms.parquet"
    attack_path(real_data("sms_spam/sms_spam.parquet"), "phrase", out=out, carriers=20, target="ham", seed=2)
    truth, data = read_truth(tmp_path / "sms.parquet.truth.parquet"), read(out)
    assert truth.artefacts[0].present(data.rows)[truth.poisoned].all()
    assert truth.poisoned.sum() == 20
