"""What a person holds in memory reads as the same records as the file they would have saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from assay.dataset.errors import DataError
from assay.dataset.read import read

N = 60


@pytest.fixture
def table() -> pa.Table:
    return pa.table({"text": [f"a message with number {i}" for i in range(N)], "label": [i % 2 for i in range(N)]})


def test_frames_tables_and_records_are_the_same_data_set(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    want = read(tmp_path / "a.parquet")
    pandas, polars, datasets = (pytest.importorskip(name) for name in ("pandas", "polars", "datasets"))
    sources: list[Any] = [
        table,
        table.combine_chunks().to_batches()[0],
        table.to_pylist(),
        table.to_pydict(),
        {name: np.asarray(column.to_pylist()) for name, column in zip(table.column_names, table.columns, strict=True)},
        list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True)),
        pandas.DataFrame(table.to_pydict()),
        polars.DataFrame(table.to_pydict()),
        datasets.Dataset(table),
    ]
    for source in sources:
        data = read(source)
        assert (data.fingerprint, data.format) == (want.fingerprint, "memory"), type(source)
        assert (data.modality, data.task, data.columns) == (want.modality, want.task, want.columns), type(source)
        assert "memory" in data.path


class Digits:
    """As torch data sets are: items by number, a length."""

    classes = tuple("zero one two three four five six seven eight nine".split())  # noqa: SIM905

    def __init__(self, as_type: Any) -> None:
        self.as_type, self.digits = as_type, load_digits()

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.as_type(self.digits.images[i].astype(np.uint8)), int(self.digits.target[i])


def test_pictures_are_the_same_data_set(tmp_path: Path) -> None:
    digits = load_digits()
    x, y = digits.images[:N].astype(np.uint8), digits.target[:N]
    np.savez(tmp_path / "a.npz", x=x, y=y)
    want = read(tmp_path / "a.npz")
    assert want.images is not None
    torch = pytest.importorskip("torch")
    sources: list[Any] = [
        (x, y),
        (x[:, None], y),
        {"x": x, "y": y},
        (np.repeat(x[..., None], 3, axis=3), y),
        (x / 255, y),
        Digits(np.asarray),
        Digits(Image.fromarray),
        Digits(lambda a: torch.from_numpy(a[None].astype(np.float32) / 255)),
    ]
    for source in sources:
        data = read(source)
        assert data.fingerprint == want.fingerprint
        assert data.images is not None
        assert np.array_equal(data.images[..., :1], want.images)
    assert read(Digits(np.asarray)).classes == Digits.classes
    assert np.shares_memory(read((x, y)).images, x)  # one copy of the pixels, the caller's


def test_a_png_folder_is_the_npz_of_its_pixels(tmp_path: Path) -> None:
    data = read((load_digits().images[:N].astype(np.uint8), load_digits().target[:N]))
    assert data.images is not None
    for i in range(N):
        place = tmp_path / "set" / str(data.classes[data.y[i]])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[i, ..., 0]).convert("RGB" if i % 2 else "L").save(place / f"{i:03d}.png")
    folder = read(tmp_path / "set")
    order = [int(Path(key).stem) for key in folder.key]
    assert np.array_equal(folder.digest, data.digest[order])
    assert folder.classes == data.classes
    again = read((data.images[order], data.table["label"].to_numpy()[order]))
    assert again.fingerprint == folder.fingerprint


def test_a_matrix_is_a_table() -> None:
    data = read((load_digits().data, load_digits().target))
    assert (data.modality, len(data.columns.content), len(data.classes)) == ("table", 64, 10)


def test_pictures_in_hugging_face_data(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(Digits.classes))})
    digits = load_digits()
    rows = [{"image": Image.fromarray(digits.images[i].astype(np.uint8)), "label": int(digits.target[i])} for i in range(N)]
    made = datasets.Dataset.from_list(rows, features=features)
    made.save_to_disk(tmp_path / "saved")
    made.to_parquet(tmp_path / "a.parquet")
    want = read((digits.images[:N].astype(np.uint8), digits.target[:N]))
    for source in (made, tmp_path / "saved", tmp_path / "a.parquet"):
        data = read(source)
        assert data.fingerprint == want.fingerprint
        assert data.classes == Digits.classes
        assert data.modality == "image"


@pytest.mark.parametrize("source", [3, object(), [], {}, [1, 2], iter([1])])
def test_other_objects_are_refused(source: Any) -> None:
    with pytest.raises(DataError, match="Remedy: give"):
        read(source)
