"""JSON lists: read as Python's parser reads them, cut so that a list stays, refused in one line that says where."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.dataset.errors import DataError
from assay.dataset.formats import json_list
from assay.dataset.limits import Limits
from assay.dataset.read import read
from assay.dataset.removal import copy_without, restore

words = st.text(max_size=12)
objects = st.fixed_dictionaries({"a": words, "b": st.one_of(words, st.none())})
ROWS = [{"text": f'number {i} says: naïve, [{{]}}"', "label": "ab"[i % 2]} for i in range(30)]


@settings(max_examples=60, deadline=None)
@given(st.lists(objects, min_size=2, max_size=12), st.sampled_from([None, 1, "\t"]), st.booleans(), st.integers(1, 40), st.data())
def test_any_list_can_be_read_cut_and_mended(rows: list[dict[str, Any]], indent: Any, plain: bool, block: int, data: st.DataObject) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=plain)
    drop = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=len(rows) - 1)))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_list, "BLOCK", block)  # values lie across blocks
        path, out = Path(name, "a.json"), Path(name, "b.json")
        path.write_text(text, encoding="utf-8")
        tables = [batch.table for batch in json_list.JsonList().batches(path, Limits())]
        assert [row for table in tables for row in table.to_pylist()] == rows
        copy_without(path, out, drop)
        assert json.loads(out.read_text(encoding="utf-8")) == [row for i, row in enumerate(rows) if i not in drop]
        restore(out)
        assert out.read_bytes() == path.read_bytes()


def refusal(path: Path, text: str | bytes, **limits: Any) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read(path, limits=Limits(**limits))
    return str(caught.value)


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (lambda s: s[:-40], "row 29: not JSON"),
        (lambda s: s + "x", "something follows the list"),
        (lambda s: s.replace("}, {", "} {", 1), "row 0: a comma or the end of the list is expected"),
        (lambda s: '{"data": ' + s + "}", "is no JSON list"),
        (lambda s: " ", "is empty"),
        (lambda s: s.encode().replace("ï".encode(), b"\xef", 1), "row 0: not UTF-8: byte 0xef at byte offset 28"),
    ],
)
def test_a_broken_list_is_refused_where_it_breaks(tmp_path: Path, cut: Any, says: str) -> None:
    assert says in refusal(tmp_path / "a.json", cut(json.dumps(ROWS, ensure_ascii=False)))


def test_values_that_are_no_objects_are_listed(tmp_path: Path) -> None:
    mixed: list[Any] = [*ROWS[:10], 17, "text", *ROWS[10:], [[[1]]]]
    (tmp_path / "a.json").write_text(json.dumps(mixed))
    data = read(tmp_path / "a.json")
    assert len(data) == 30
    assert [fault.reason for fault in data.unreadable] == [f"a JSON {kind}, not an object" for kind in ("int", "str", "list")]
    assert np.array_equal(data.row[8:12], [8, 9, 12, 13])


def test_a_value_without_an_end_is_not_read_into_memory(tmp_path: Path) -> None:
    assert "no value ends within 1,000 bytes" in refusal(tmp_path / "a.json", '[{"text": "' + "a" * 3_000_000, line=1_000)
    assert "no value ends within 1,000 bytes" in refusal(tmp_path / "a.json", '[{"text": "' + "a" * 2_000 + '"}]', line=1_000)
    assert "not JSON" in refusal(tmp_path / "a.json", "[" * 200_000)


def test_json_beside_texts_is_no_data_set_and_texts_beside_it_may_tell_about_it(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("\n".join(row["text"] for row in ROWS))
    (texts / "dataset_info.json").write_text(json.dumps(ROWS[:2]))
    assert read(texts).table.column("text").to_pylist() == [row["text"] for row in ROWS]
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "a.json").write_text(json.dumps(ROWS))
    for name in ("README.txt", "LICENSE", "readme.md"):
        (lists / name).write_text("what this is\n")
    assert len(read(lists)) == len(ROWS)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_half_a_character_is_read_as_a_replacement_and_said(tmp_path: Path, name: str) -> None:
    rows = [*ROWS[:7], {"text": "cut \ud83d", "label": "a"}, *ROWS[7:]]
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) if name == "a.jsonl" else json.dumps(rows))
    data = read(path)
    assert data.unreadable == ()
    assert any("U+FFFD" in note for note in data.notes)
    assert data.table["text"].to_pylist() == [*(row["text"] for row in ROWS[:7]), "cut \ufffd", *(row["text"] for row in ROWS[7:])]


def test_lines_of_json_and_other_encodings_get_a_remedy_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    with pytest.raises(DataError, match=r"an object a line.*call it a\.jsonl"):
        read(path)
    for name in ("b.json", "b.jsonl"):
        (tmp_path / name).write_text(json.dumps(ROWS), encoding="utf-16")
        with pytest.raises(DataError, match="iconv -f UTF-16 "):
            read(tmp_path / name)
