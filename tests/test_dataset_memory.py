"""What a person holds in memory reads as the same records as the file they would have saved."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris

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


def test_pictures_in_records_and_frames_are_pictures() -> None:
    digits = load_digits()
    x, y = digits.images[:N].astype(np.uint8), digits.target[:N]
    want = read((x, y))
    pillow = [Image.fromarray(a) for a in x]

    class Records(Digits):
        def __getitem__(self, i: int) -> Any:
            picture, label = super().__getitem__(i)
            return {"image": picture, "label": label}

    torch, pandas = pytest.importorskip("torch"), pytest.importorskip("pandas")
    sources: list[Any] = [
        Records(Image.fromarray),
        Records(np.asarray),
        Records(torch.from_numpy),
        [{"image": picture, "label": label} for picture, label in zip(pillow, y, strict=True)],
        {"image": pillow, "label": y.tolist()},
        pandas.DataFrame({"image": pillow, "label": y}),
        pandas.DataFrame({"image": list(x), "label": y}),
    ]
    for source in sources:
        data = read(source)
        assert (data.modality, data.fingerprint) == ("image", want.fingerprint), type(source)
    pillow[3] = None
    missing = read(pandas.DataFrame({"image": pillow, "label": y}))
    assert [u.row for u in missing.unreadable] == [3]
    with pytest.raises(DataError, match="floating-point"):
        read([{"image": Image.fromarray(a).convert("F"), "label": int(c)} for a, c in zip(x, y, strict=True)])


def test_pillow_pictures_of_many_sizes_and_modes_read_as_their_files(tmp_path: Path) -> None:
    modes = ("L", "RGB", "RGBA", "P", "CMYK", "LA", "1")
    deep = Image.fromarray(np.linspace(0, 65535, 72).reshape(9, 8).astype(np.uint16))
    held = [Image.new("RGB", (8 + i % 3, 9), (i, 2 * i, 3 * i)).convert(modes[i % 7]) for i in range(N - 1)] + [deep]
    for i, picture in enumerate(held):
        place = tmp_path / "set" / str(i % 2)
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{i:03d}.{'tiff' if picture.mode == 'CMYK' else 'png'}")
    folder, data = read(tmp_path / "set"), read([(picture, i % 2) for i, picture in enumerate(held)])
    order = [int(Path(key).stem) for key in folder.key]
    assert np.array_equal(folder.digest, data.digest[order])
    assert folder.images is not None
    assert data.images is not None
    assert np.array_equal(folder.images, data.images[order])


def test_frames_as_people_have_them(table: pa.Table) -> None:
    pandas = pytest.importorskip("pandas")
    frame = table.to_pandas()
    want = read(table)
    twice = read(pandas.DataFrame(np.c_[frame.text, frame.text, frame.label], columns=["text", "text", "label"]))
    assert twice.columns.content == ("text", "text_2")
    assert any("made distinct" in note for note in twice.notes)
    shuffled = frame.set_index(pandas.Index(range(N, 2 * N), name="doc"))
    assert read(shuffled).fingerprint == want.fingerprint
    assert any("'doc'" in note and "reset_index" in note for note in read(shuffled).notes)
    assert read(shuffled.text).table["text"].to_pylist() == table["text"].to_pylist()  # a series, whatever its index
    beside = read((frame[["text"]], frame.label))
    assert beside.fingerprint == want.fingerprint
    with pytest.raises(DataError, match="60 and 59"):
        read((frame[["text"]], frame.label[1:]))
    values = np.arange(N) % 7
    cut = read(pandas.DataFrame({"bin": pandas.cut(values, 3), "v": values, "label": frame.label}))
    assert cut.columns.content == ("bin", "v")
    assert str(cut.table["bin"][0]).startswith("(")


def test_tensors_of_any_kind_and_nothing_at_all() -> None:
    torch = pytest.importorskip("torch")
    x, y = torch.rand(N, 4), torch.arange(N) % 2
    assert read((x.requires_grad_(), y)).columns.content == ("x0", "x1", "x2", "x3")
    assert read((x.bfloat16(), y)).modality == "table"
    with pytest.raises(DataError, match="no column is left"):  # token numbers are no text
        read([{"input_ids": torch.arange(5), "label": i % 2} for i in range(N)])

    class Empty(Digits):
        def __len__(self) -> int:
            return 0

    with pytest.raises(DataError, match="no records"):
        read(Empty(np.asarray))


def test_what_scikit_learn_loads_and_half_a_character() -> None:
    assert read(load_digits()).images is not None
    assert len(read(load_iris()).classes) == 3
    with pytest.raises(DataError, match=r"U\+D800"):
        read([("a \ud800 b", i % 2) for i in range(N)])
    records = [{"text": "a \ud800 b", "label": i % 2, "when": datetime.date(2024, 5, 6), "raw": b"x"} for i in range(N)]
    assert read(records).table["text"][0].as_py() == "a \ufffd b"
    assert read(records).table["when"][0].as_py() == datetime.date(2024, 5, 6)


def test_what_a_mapping_holds_that_is_no_column_is_said() -> None:
    x, y = np.zeros((N, 8, 8), np.uint8), np.arange(N) % 2
    assert any("is not read: contributor" in note for note in read({"x": x, "y": y, "contributor": ["a"] * (N - 1)}).notes)
    assert not any("is not read" in note for note in read({"x": x, "y": y, "contributor": ["a"] * N}).notes)


def test_boxes_beside_pictures_are_no_pictures() -> None:
    shown = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(N)]
    data = read([{"image": shown[i], "boxes": np.ones((1 + i % 3, 4)), "label": i % 2} for i in range(N)])
    assert data.images is not None
    assert data.table["boxes"][1].as_py() == [[1.0] * 4] * 2
    with pytest.raises(DataError, match="floating-point"):
        read([(Image.new("F", (8, 8)), i % 2) for i in range(N)])


def test_pandas_own_missing_values_and_bins_by_number() -> None:
    pandas = pytest.importorskip("pandas")
    shown = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(N)]
    when = [pandas.Timestamp("2024-05-06"), pandas.NaT] * (N // 2)
    data = read(pandas.DataFrame({"image": shown, "when": when, "label": [0, 1] * (N // 2)}))
    assert data.table["when"].null_count == N // 2
    binned = pandas.DataFrame({0: pandas.cut(np.arange(N), 3), 1: np.arange(N) % 7, "label": ["a", "b"] * (N // 2)})
    assert len(set(read(binned).table["0"].to_pylist())) == 3
