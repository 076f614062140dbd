"""The real data sets of the benchmarks, read into memory from the folder $ASSAY_DATA (docs/data.md says what belongs there).

Nothing is downloaded. A set that is not at hand is left out and said. Without the folder, those that scikit-learn ships remain.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image
from sklearn import datasets as shipped

from assay.dataset.data import Columns, Dataset, Modality
from assay.dataset.digest import picture_hash, row_digests
from assay.dataset.merkle import tree_hash

ROOT = Path(os.environ.get("ASSAY_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


@dataclass(frozen=True)
class RealSet:
    """A name, its modality and how it is read."""

    name: str
    modality: Modality
    read: Callable[[], Dataset]


def in_memory(
    modality: Modality,
    labels: Any,
    table: pa.Table | None = None,
    images: np.ndarray | None = None,
    name: str = "memory",
) -> Dataset:
    """A `Dataset` of content columns or uint8 pictures (n, h, w[, c]) and their labels."""
    texts = [str(v) for v in labels]
    classes = tuple(sorted(set(texts)))
    code = {c: i for i, c in enumerate(classes)}
    n = len(texts)
    table = pa.table({}) if table is None else table
    content = tuple(table.column_names)
    label = "assay_label"
    table = table.append_column(label, pa.array(texts)) if table.num_columns else pa.table({label: pa.array(texts)})
    if images is not None and images.ndim == 3:
        images = images[..., None]
    hashes = None
    if images is not None:
        hashes = np.frombuffer(b"".join(picture_hash(picture) for picture in images), np.uint8).reshape(-1, 32)
    digest = row_digests(table, hashes)
    return Dataset(
        path=name,
        format="memory",
        modality=modality,
        task="classification",
        columns=Columns(content=content, label=(label,)),
        table=table,
        images=images,
        row=np.arange(n),
        key=tuple(map(str, range(n))),
        digest=digest,
        records=n,
        fingerprint=tree_hash([row.tobytes() for row in digest]).hex(),
        classes=classes,
        y=np.array([code[t] for t in texts], np.int64),
    )


def _parquet(name: str, file: str, label: str, content: list[str] | None = None, drop: tuple[str, ...] = (), **keep: Any) -> RealSet:
    """`content` given: texts; not given: a table of every column but `label` and `drop`. `keep`: column=value to
    filter on.
    """

    def read() -> Dataset:
        table = pq.read_table(ROOT / file)
        for column, value in keep.items():
            table = table.filter(pc.equal(table.column(column), value))
        columns = content or [c for c in table.column_names if c != label and c not in drop and c not in keep]
        return in_memory("text" if content else "table", table.column(label).to_pylist(), table.select(columns), name=name)

    return RealSet(name, "text" if content else "table", read)


def _arrays(name: str, modality: Modality, load: Callable[[], tuple[np.ndarray, Any]]) -> RealSet:
    def read() -> Dataset:
        x, y = load()
        if modality == "image":
            return in_memory("image", y, images=np.ascontiguousarray(x, np.uint8), name=name)
        return in_memory("table", y, pa.table({f"x{j}": x[:, j] for j in range(x.shape[1])}), name=name)

    return RealSet(name, modality, read)


def cifar(part: str, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first `rows` pictures of CIFAR-10's "train" or "test" part."""
    z = np.load(ROOT / "cifar10/cifar10_jpeg.npz")
    raw, ends, y = z[f"jpg_{part}"].tobytes(), z[f"off_{part}"], z[f"y_{part}"]
    n = len(y) if rows is None else rows
    return np.stack([np.asarray(Image.open(io.BytesIO(raw[ends[i] : ends[i + 1]]))) for i in range(n)]), y[:n]


def _npz(file: str, x: str, y: str) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    def load() -> tuple[np.ndarray, np.ndarray]:
        z = np.load(ROOT / file)
        return z[x], z[y]

    return load


def _shipped(name: str) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    return lambda: getattr(shipped, f"load_{name}")(return_X_y=True)


def _digit_pictures() -> tuple[np.ndarray, np.ndarray]:
    digits = shipped.load_digits()
    return (digits.images * 15.9375).astype(np.uint8), digits.target


def _bikes() -> RealSet:
    file = "streams/bike_sharing_hourly.parquet"

    def read() -> Dataset:
        table = pq.read_table(ROOT / file)
        count = np.asarray(table.column("cnt"))
        quarter = np.searchsorted(np.quantile(count, [0.25, 0.5, 0.75]), count, side="left")
        return in_memory("table", [f"q{q + 1}" for q in quarter], table.drop(["cnt", "instant", "dteday"]), name="bike_sharing")

    return RealSet("bike_sharing", "table", read)


def _unpoisoned(name: str, file: str, **keep: Any) -> RealSet:
    return _parquet(name, file, "label", ["text"], poisoned=0, **keep)


SETS: tuple[RealSet, ...] = (
    _parquet("sst2", "sst2/sst2.parquet", "label", ["text"]),
    _parquet("sms", "sms_spam/sms_spam.parquet", "label", ["text"]),
    _parquet("ag_news", "ag_news/ag_news_style_train.parquet", "label", ["text"]),
    _parquet("ag_news_dev", "ag_news/ag_news_style.parquet", "label", ["text"]),
    _parquet("davidson", "hate_davidson/davidson.parquet", "class", ["tweet"]),
    _parquet("spamassassin", "spamassassin/spamassassin.parquet", "label", ["subject", "body"]),
    _parquet("jigsaw", "jigsaw_sample/jigsaw_binary.parquet", "toxic", ["text"]),
    _parquet("jigsaw_obscene", "jigsaw_sample/jigsaw_multilabel.parquet", "obscene", ["comment_text"]),
    _unpoisoned("sst2_dup_clean", "poisoned_text/dup_sst2.parquet", attack="badnets", part="train_0.1"),
    _parquet("adult", "tabular/adult.parquet", "income", drop=("split",)),
    _parquet("german_credit", "tabular/german_credit_raw.parquet", "class"),
    _parquet("german_credit_one_hot", "tabular/german_credit_caret.parquet", "Class"),
    _parquet("fraud", "tabular/creditcard_fraud_4002.parquet", "Class"),
    _parquet("spambase", "tabular/spambase.parquet", "type"),
    _parquet("letter", "tabular/letter.parquet", "lettr"),
    _parquet("breast_cancer", "tabular/breast_cancer.parquet", "target"),
    _parquet("phoneme", "tabular/phoneme.parquet", "class"),
    _parquet("pima", "tabular/pima.parquet", "class"),
    _parquet("elec2", "streams/elec2.parquet", "class"),
    _parquet("phishing", "streams/phishing.parquet", "is_phishing"),
    _bikes(),
    _arrays("wine", "table", _shipped("wine")),
    _arrays("iris", "table", _shipped("iris")),
    _arrays("digits_table", "table", _shipped("digits")),
    _arrays("cifar10", "image", lambda: cifar("train", 20_000)),
    _arrays("mnist", "image", _npz("mnist/mnist20k.npz", "x_test", "y_test")),
    _arrays("mnist_train", "image", _npz("mnist/mnist20k.npz", "x_cazala", "y_cazala")),
    _arrays("gtsrb", "image", _npz("gtsrb32/gtsrb32_every3.npz", "x", "y")),
    _arrays("faces_orl", "image", _npz("faces_orl/orl.npz", "x", "y")),
    _arrays("digits", "image", _digit_pictures),
)


def at_hand() -> tuple[list[RealSet], list[str]]:
    """The sets that can be read here, and the names of those that cannot."""
    found: list[RealSet] = []
    missing: list[str] = []
    for real in SETS:
        try:
            real.read()
        except FileNotFoundError:
            missing.append(real.name)
        else:
            found.append(real)
    return found, missing
