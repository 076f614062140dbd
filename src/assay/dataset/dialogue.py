"""Conversations as two texts a row: what was asked, and what was answered.

Chat records hold a list of turns: `messages: [{"role": "user", "content": ...}, ...]`, or `conversations: [{"from": "human", "value":
...}]`; or one text with a mark before each turn (`assay.dataset.templates`).
`unfold` puts two text columns beside such a column, `messages:prompt` (every turn of user, system and tools) and `messages:response` (every
turn of the assistant); `fold` writes changed ones back. Both stand beside the data as read: digests and copies are of the
records as they are in the file, and do not know these columns.

Preference data may hold a conversation in each of `chosen` and `rejected`: the prompt of the first is the prompt, both have responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from assay.dataset.templates import SAMPLE, Template, template_of

PROMPT, RESPONSE = ":prompt", ":response"  # endings of the unfolded columns
WAYS = (("role", "content"), ("from", "value"))  # how a turn names its speaker and its text
ANSWERING = {"assistant", "gpt", "model", "bot", "chatbot", "ai"}  # speakers that a model learns to be
BETWEEN = "\n\n"  # between turns of one side


def way_of(kind: pa.DataType) -> tuple[str, str] | None:
    """The names of speaker and text, where values of this type are lists of turns.

    >>> way_of(pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
    ('role', 'content')
    """
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)) or not pa.types.is_struct(kind.value_type):
        return None
    there = {kind.value_type.field(i).name for i in range(kind.value_type.num_fields)}
    return next((way for way in WAYS if there.issuperset(way)), None)


def unfold(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The table with two text columns for each column of conversations, and what was done, in sentences."""
    notes = []
    asked: list[str] | None = None
    for field in table.schema:
        if field.name + RESPONSE in table.column_names or field.name + PROMPT in table.column_names:
            continue
        way = way_of(field.type)
        if way is not None:
            both = [sides_of(turns, way) for turns in table.column(field.name).to_pylist()]
            what = "conversations"
        elif (template := _template_of(table.column(field.name))) is not None:
            both = [template.sides(text) for text in table.column(field.name).to_pylist()]
            what = f"conversations, their turns marked as for {template.name}"
        else:
            continue
        prompts = [p for p, _ in both]
        if prompts != asked:  # chosen and rejected answer the same prompt
            table = table.append_column(field.name + PROMPT, pa.array(prompts, pa.string()))
        table = table.append_column(field.name + RESPONSE, pa.array([r for _, r in both], pa.string()))
        asked = asked or prompts
        notes.append(f"Column {field.name!r} holds {what}: what was asked and what was answered are read as two texts.")
    return table, tuple(notes)


def sides_of(turns: Sequence[dict[str, Any] | None] | None, way: tuple[str, str] = WAYS[0]) -> tuple[str, str]:
    """(what was asked, what was answered) in one conversation.

    >>> sides_of([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}])
    ('Hi', 'Hello.')
    """
    asked: list[str] = []
    answered: list[str] = []
    for turn in turns or ():
        if turn is not None:
            speaks = str(turn.get(way[0]) or "").strip().lower() in ANSWERING
            (answered if speaks else asked).append(_said(turn.get(way[1])))
    return BETWEEN.join(asked), BETWEEN.join(answered)


def _said(content: Any) -> str:
    """The text of one turn; of a turn made of parts, those that are text."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def fold(table: pa.Table) -> pa.Table:
    """The table without unfolded columns, their changes written into the conversations.

    A conversation whose side was changed becomes one question and one answer: which turn a change belongs to cannot be known.
    """
    for field in table.schema:
        way = way_of(field.type)
        template = _template_of(table.column(field.name)) if way is None else None
        if (way is None and template is None) or field.name + RESPONSE not in table.column_names:
            continue
        own = field.name + PROMPT
        first = next(name for name in table.column_names if name.endswith(PROMPT))
        prompts = table.column(own if own in table.column_names else first).to_pylist()
        responses = table.column(field.name + RESPONSE).to_pylist()
        talks = table.column(field.name).to_pylist()
        for i, (turns, prompt, response) in enumerate(zip(talks, prompts, responses, strict=True)):
            if template is not None:
                talks[i] = None if turns is None else template.rewritten(turns, prompt or "", response or "")
            elif way is not None and sides_of(turns, way) != (prompt or "", response or ""):
                talks[i] = _turns(way, turns, prompt or "", response or "")
        index = table.schema.get_field_index(field.name)
        table = table.set_column(index, field.name, pa.array(talks, field.type))
    unfolded = [n for n in table.column_names if n.endswith((PROMPT, RESPONSE)) and n.rpartition(":")[0] in table.column_names]
    return table.drop_columns(unfolded) if unfolded else table


def _template_of(column: pa.ChunkedArray) -> Template | None:
    """The template by which the texts of a column are conversations; None for other columns."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    return template_of(column.drop_null().slice(0, SAMPLE).to_pylist())


def _turns(way: tuple[str, str], turns: Sequence[dict[str, Any] | None] | None, prompt: str, response: str) -> list[dict[str, Any]]:
    """One question and one answer, by speakers called as they were; ("human", "gpt") or ("user", "assistant") where there were none."""
    speakers = [str(turn.get(way[0])) for turn in turns or () if turn]
    asks = next((s for s in speakers if s.lower() not in ANSWERING | {"system"}), "user" if way[0] == "role" else "human")
    answers = next((s for s in speakers if s.lower() in ANSWERING), "assistant" if way[0] == "role" else "gpt")
    return [{way[0]: asks, way[1]: prompt}, {way[0]: answers, way[1]: response}]
