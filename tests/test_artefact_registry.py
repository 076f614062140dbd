"""Every kind is found by its name, and third parties' kinds beside ours."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

import assay.artefact.registry as registry
from assay import plugins
from assay.artefact.group import Group


def test_every_kind_names_its_class() -> None:
    for kind in registry.KINDS:
        assert registry.artefact_class(kind).kind == kind


def test_third_parties_are_found_and_cannot_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = [EntryPoint(n, "assay.artefact.group:Group", registry.GROUP) for n in ("ring", "patch")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: theirs if group == registry.GROUP else [])
    assert registry.artefact_class("ring") is Group
    assert registry.artefact_class("patch") is not Group
    assert "ring" in registry.kinds()


def test_unknown_kinds_list_the_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError, match="cells, characters, cluster"):
        registry.from_json({"kind": "smell"})
    wrong = [EntryPoint("smell", "pathlib:Path", registry.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: wrong)
    with pytest.raises(TypeError, match="no Artefact"):
        registry.artefact_class("smell")
