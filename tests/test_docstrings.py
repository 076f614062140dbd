"""Every public function and class at the top of a module says what it is; command-line adapters and HTTP handlers say it in their help."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import assay

ROOT = Path(assay.__file__).parent
ADAPTERS = ("cli", "serve")  # their words are what --help and the API's description show
LONGEST = 500  # lines of a file: from 400 on it asks to be two


@cache
def trees() -> list[tuple[str, ast.Module]]:
    return [(p.relative_to(ROOT).as_posix(), ast.parse(p.read_text(encoding="utf-8"))) for p in sorted(ROOT.rglob("*.py"))]


def test_public_names_have_docstrings():
    lacking = [
        f"{name}: {node.name}"
        for name, tree in trees()
        if not name.startswith(ADAPTERS)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert lacking == []


def test_modules_say_the_one_thing_they_hold():
    assert [name for name, tree in trees() if tree.body and not ast.get_docstring(tree)] == []


def test_no_file_is_longer_than_it_should_be():
    assert [p.name for p in sorted(ROOT.rglob("*.py")) if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST] == []
