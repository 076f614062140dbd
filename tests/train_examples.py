"""What tests of training share: reviews whose words say what they are, and a configuration that votes in partitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

WORDS = {"good": ["warm", "funny", "great", "lovely", "witty"], "bad": ["dull", "awful", "boring", "weak", "stale"]}
PLAIN = ["the", "film", "plot", "and", "a", "scene", "with", "actor", "in", "that", "story", "city"]


def write_reviews(folder: Path, rows: int, people: int, rng: np.random.Generator) -> pa.Table:
    """reviews.csv: text, label, user."""
    label = np.where(rng.random(rows) < 0.5, "good", "bad")
    texts = [" ".join(rng.permutation([*rng.choice(WORDS[y], 3), *rng.choice(PLAIN, 8)])) for y in label]
    table = pa.table({"text": texts, "label": label, "user": [f"user{i % people}" for i in range(rows)]})
    csv.write_csv(table, folder / "reviews.csv")
    return table


def configured(folder: Path, defence: str) -> Path:
    """train.toml, for reviews.csv beside it; `defence`: lines beside its kind."""
    path = folder / "train.toml"
    path.write_text(
        'schema = "assay.train/1"\n[data]\npath = "reviews.csv"\nlabel = "label"\ncontent = ["text"]\ncontributor = "user"\n'
        f'[defence]\nkind = "partitioned"\n{defence}\n'
    )
    return path
