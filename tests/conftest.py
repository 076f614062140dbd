"""Fixtures: the real data sets, where this machine has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay.dataset.data import Columns, Dataset, Modality

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """`real_data("sms_spam/sms_spam.parquet")`: its path; skipped where the data is not at hand, an error where it must be.

    The folder is $ASSAY_DATA, or ../shared/data beside the checkout. ASSAY_REQUIRE_DATA=1 turns a skip into a failure.
    """
    folder = Path(os.environ.get("ASSAY_DATA") or ROOT.parent / "shared" / "data")

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            message = f"the real data set {name} is not at hand (set ASSAY_DATA to the folder that holds it; see docs/data.md)"
            if os.environ.get("ASSAY_REQUIRE_DATA") == "1":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


@pytest.fixture(scope="session")
def memory() -> Callable[..., Dataset]:
    """`memory("text", {"text": [...]}, labels)`, `memory("image", pictures, labels)`: a `Dataset` without a file."""

    def make(modality: Modality, content: Any, labels: Any = None, y: Any = None) -> Dataset:
        """`labels` name the classes; `y` gives the codes where some are missing (-1)."""
        images = content if isinstance(content, np.ndarray) else None
        table = pa.table({} if images is not None else content)
        n = table.num_rows if images is None else len(images)
        names = [] if labels is None else [str(v) for v in labels]
        classes = tuple(sorted(set(names)))
        codes = [classes.index(v) for v in names] if y is None else y
        return Dataset(
            path="memory",
            format="memory",
            modality=modality,
            task="classification" if classes else "none",
            columns=Columns(content=tuple(table.column_names)),
            table=table,
            images=images if images is None or images.ndim == 4 else images[..., None],
            row=np.arange(n),
            key=tuple(map(str, range(n))),
            digest=np.zeros((n, 32), np.uint8),
            records=n,
            fingerprint="",
            classes=classes,
            y=np.array(codes, np.int64),
        )

    return make


@pytest.fixture(scope="session")
def in_memory() -> Callable[..., Dataset]:
    """`in_memory(y, images=..., table=..., content=...)`: a labelled data set made of arrays, no file behind it."""

    def make(
        y: Sequence[int],
        *,
        images: np.ndarray | None = None,
        table: Mapping[str, object] | None = None,
        content: Sequence[str] = (),
        classes: Sequence[str] | None = None,
        contributor: str | None = None,
    ) -> Dataset:
        codes = np.asarray(y, np.int64)
        names = tuple(classes or (f"class{c}" for c in range(int(codes.max()) + 1)))
        label = [names[c] if c >= 0 else None for c in codes]
        columns = pa.table({**(table or {}), "label": pa.array(label, pa.string())})
        n = len(codes)
        return Dataset(
            path="memory",
            format="memory",
            modality="image" if images is not None else "text" if "text" in content else "table",
            task="classification",
            columns=Columns(content=tuple(content), label=("label",), contributor=contributor),
            table=columns,
            images=images,
            row=np.arange(n),
            key=tuple(str(i) for i in range(n)),
            digest=np.zeros((n, 32), np.uint8),
            records=n,
            fingerprint="",
            classes=names,
            y=codes,
        )

    return make
