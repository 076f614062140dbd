"""Python files of the packages installed here whose metadata names a permissive licence: read, and nothing of them kept."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

from licences import permissive

LEAST = 30  # characters of a function's description
ANSWER = 1_500  # characters of a function's source


def python_files() -> list[Path]:
    return [
        Path(name)
        for name in sorted({
            str(file.locate())
            for found in distributions()
            if permissive(found.metadata)
            for file in found.files or ()
            if file.suffix == ".py"
        })
    ]  # fmt: skip


def described_functions(rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    """What a function's docstring says of it in its first paragraph, and the function without it: no description twice, no function twice.

    Files in drawn order.
    """
    paths, told, done = python_files(), set[str](), set[str]()
    for i in rng.permutation(len(paths)):
        if not paths[i].exists():
            continue
        source = paths[i].read_text("utf-8", "replace")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        lines = source.splitlines(keepends=True)
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            said = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
            body = "".join([*lines[node.lineno - 1 : node.body[0].lineno - 1], *lines[node.body[0].end_lineno : node.end_lineno]])
            if len(said) >= LEAST and len(node.body) > 1 and len(body) <= ANSWER and said not in told and body not in done:
                told.add(said)
                done.add(body)
                yield said, body
