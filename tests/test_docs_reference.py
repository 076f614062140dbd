"""Every name on the reference pages is there, public, and has a docstring."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "reference").glob("*.md"))
NAMES = [(page.stem, name) for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M)]


def found(name: str) -> object:
    """The module of that name, or what a module holds under it."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        above, _, last = name.rpartition(".")
        return getattr(import_module(above), last)


@pytest.mark.parametrize("name", [name for _, name in NAMES])
def test_the_name_is_there_and_says_what_it_is(name):
    assert not any(part.startswith("_") for part in name.split("."))
    assert len(inspect.getdoc(found(name)) or "") > 15


def test_each_name_stands_once():
    assert len({name for _, name in NAMES}) == len(NAMES) > 50
