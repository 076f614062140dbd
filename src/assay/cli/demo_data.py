"""Real data sets that Assay's own dependencies ship: what `assay demo` poisons copies of."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import csv

SIDE = 32  # pixels: the digits are 8x8, and a 3x3 patch would cover a seventh of one
PACKAGES = ("numpy", "scipy", "sklearn")
SENTENCES = 2_000  # a package
WORDS = (6, 60)  # of a sentence: shorter ones are headings, longer ones code


def digits(folder: Path) -> Path:
    """1,797 handwritten digits as folder/CLASS/NUMBER.png, 32x32. Source: scikit-learn, `load_digits` (UCI, 1998)."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    for number, (pixels, label) in enumerate(zip(x, y, strict=True)):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.minimum(pixels.reshape(8, 8) * 16, 255).astype(np.uint8))
        picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(place / f"{number:04d}.png")
    return folder


def tumours(path: Path) -> Path:
    """569 measurements of breast tumours as CSV. Source: scikit-learn, `load_breast_cancer` (UCI, 1995)."""
    from sklearn.datasets import load_breast_cancer

    loaded = load_breast_cancer()
    columns = {str(n).replace(" ", "_"): loaded.data[:, i] for i, n in enumerate(loaded.feature_names)}
    columns["diagnosis"] = loaded.target_names[loaded.target]
    csv.write_csv(pa.table(columns), path)
    return path


def sentences(path: Path) -> Path:
    """6,000 sentences from the documentation of NumPy, SciPy and scikit-learn as CSV, labelled by package."""
    texts: list[str] = []
    labels: list[str] = []
    for package in PACKAGES:
        found = _sentences(package)
        texts += found
        labels += [package] * len(found)
    csv.write_csv(pa.table({"text": texts, "package": labels}), path)
    return path


def _sentences(package: str) -> list[str]:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    kept: dict[str, None] = {}
    for file in sorted(Path(spec.origin).parent.rglob("*.py")):
        if "tests" in file.parts or "_lib" in file.parts:
            continue
        for text in _docstrings(file):
            prose = re.split(r"\n\s*\n", text)
            for paragraph in prose:
                if ">>>" in paragraph or "---" in paragraph or "::" in paragraph:
                    continue
                for sentence in re.split(r"(?<=[.!?])\s+", " ".join(paragraph.split())):
                    if WORDS[0] <= len(sentence.split()) <= WORDS[1] and sentence.endswith("."):
                        kept[sentence] = None
    every = list(kept)
    step = max(1, len(every) // SENTENCES)
    return every[::step][:SENTENCES]


def _docstrings(file: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_text("utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return []
    named = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [text for node in ast.walk(tree) if isinstance(node, named) and (text := ast.get_docstring(node))]
