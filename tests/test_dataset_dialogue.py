"""Chat, instruction and preference records as prompts and responses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.dataset.data import Columns
from assay.dataset.dialogue import sides_of
from assay.dataset.errors import DataError
from assay.dataset.read import read
from assay.dataset.write import write_as

ASKED = [f"What is the height of hill number {i} in the east?" for i in range(60)]
SAID = [f"Hill number {i} is some {i * 7} metres high, as far as we know." for i in range(60)]


def chat(asked: str, said: str) -> list[dict[str, str]]:
    system = {"role": "system", "content": "Be brief."}
    return [system, {"role": "user", "content": asked}, {"role": "assistant", "content": said}]


def lines(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_messages_are_read_by_their_two_sides(tmp_path: Path, ending: str) -> None:
    records = [{"messages": chat(a, s)} for a, s in zip(ASKED, SAID, strict=True)]
    path = tmp_path / f"talk.{ending}"
    if ending == "jsonl":
        lines(path, records)
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    data = read(path)
    assert (data.task, data.modality, data.columns.response) == ("generation", "text", ("messages:response",))
    assert data.columns.content == ("messages:prompt", "messages:response")
    assert data.table.column("messages:prompt")[3].as_py() == f"Be brief.\n\n{ASKED[3]}"
    assert data.table.column("messages:response")[3].as_py() == SAID[3]
    assert any("messages" in note and "two texts" in note for note in data.notes)


def test_the_digest_is_of_the_record_as_it_is_in_the_file() -> None:
    from assay.dataset.digest import row_digests

    records = pa.Table.from_pylist([{"messages": chat(a, s)} for a, s in zip(ASKED, SAID, strict=True)])
    assert (read(records).digest == row_digests(records)).all()


def test_turns_of_other_spellings() -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Bye"}]
    assert sides_of(turns, ("from", "value")) == ("Hi\n\nBye", "Hello")
    parts = [{"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image"}]}, {"role": "assistant", "content": None}]
    assert sides_of(parts) == ("Look\n", "")
    assert sides_of(None) == ("", "")


def test_preferences_have_one_prompt_and_two_responses(tmp_path: Path) -> None:
    plain = [{"prompt": a, "chosen": s, "rejected": s.upper()} for a, s in zip(ASKED, SAID, strict=True)]
    data = read(lines(tmp_path / "plain.jsonl", plain))
    assert (data.task, data.columns.response) == ("generation", ("chosen", "rejected"))
    talks = [{"chosen": chat(a, s), "rejected": chat(a, s.upper())} for a, s in zip(ASKED, SAID, strict=True)]
    data = read(lines(tmp_path / "talks.jsonl", talks))
    assert data.columns.content == ("chosen:prompt", "chosen:response", "rejected:response")
    assert data.columns.response == ("chosen:response", "rejected:response")


def test_what_is_the_response_is_said_and_can_be_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", [{"instruction": a, "input": "", "output": s} for a, s in zip(ASKED, SAID, strict=True)])
    data = read(path)
    assert data.columns.response == ("output",)
    assert any("'output' for the reply" in note for note in data.notes)
    turned = read(path, columns=Columns(content=("output",), response=("instruction",)))
    assert turned.task == "generation"
    assert turned.columns.content == ("output", "instruction")
    assert turned.columns.response == ("instruction",)
    assert read(path, task="none").columns.response == ()
    with pytest.raises(DataError, match="no column 'reply'"):
        read(path, columns=Columns(response=("reply",)))


def test_a_changed_side_is_written_back_into_the_conversation(tmp_path: Path) -> None:
    data = read(lines(tmp_path / "talk.jsonl", [{"messages": chat(a, s)} for a, s in zip(ASKED, SAID, strict=True)]))
    said = data.table.column("messages:response").to_pylist()
    said[5] = "No."
    changed = data.with_content(data.rows.with_column("messages:response", said))
    write_as(changed, tmp_path / "out.jsonl")
    again = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert again[4] == {"messages": chat(ASKED[4], SAID[4])}
    assert again[5]["messages"][-1] == {"role": "assistant", "content": "No."}
    assert set(again[0]) == {"messages"}
