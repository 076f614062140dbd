"""Conversations as two texts a row: what was asked, and what was answered.

Chat records hold a list of turns: `messages: [{"role": "user", "content": ...}, ...]`, or `conversations: [{"from": "human", "value":
...}]`; such a list as JSON text (a CSV file, or turns whose values share no type); or one text with a mark before each turn
(`assay.dataset.templates`).
`unfold` puts two text columns beside such a column, `messages:prompt` (every turn of user, system and tools) and `messages:response` (every
turn of the assistant, its tool calls and thoughts too); `fold` writes changed ones back. Both stand beside the data as read: digests and
copies are of the records as they are in the file, and do not know these columns. What the assistant may call (`tools` beside `messages`:
names and descriptions) is part of the prompt too: `tools:prompt`, as JSON text.

Preference data may hold a conversation in each of `chosen` and `rejected`: the prompt of the first is the prompt, both have responses. Or
the prompt is a conversation of its own, to which nobody answers in its column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from assay.dataset.formats.jsonl import whole_characters
from assay.dataset.sides import Turns, own_way, sides_of, way_of, with_sides
from assay.dataset.spoken import CALLS, THOUGHT, has_unread, written
from assay.dataset.templates import SAMPLE, TELLS, Template, template_of

PROMPT, RESPONSE = ":prompt", ":response"  # endings of the unfolded columns
TOOLS = ("tools", "functions")  # columns beside conversations that say what the assistant may call
WITHIN = "messages"  # the field of a record that holds the turns, beside tools and settings: {"messages": [...], "tools": [...]}


@dataclass(frozen=True)
class Talk:
    """How a column holds conversations."""

    way: tuple[str, str]
    written: bool = False  # as JSON text
    within: bool = False  # in the field `messages` of a record
    parts: bool = False  # what is said is a list of parts

    def sides(self, value: Any) -> tuple[str, str]:
        """(what was asked, what was answered); all of a text that is no conversation was asked."""
        return self.sides_of(value, turns_in(value))

    def sides_of(self, value: Any, turns: Turns | None) -> tuple[str, str]:
        """The same of a value whose turns are known."""
        return (value, "") if turns is None and isinstance(value, str) else sides_of(turns, self.way_in(turns))

    def way_in(self, turns: Turns | None) -> tuple[str, str]:
        """How these turns name speaker and text: sets put together from several may do so in several ways."""
        return next((way for turn in turns or () if turn and (way := own_way(turn)) is not None), self.way)

    def rewritten(self, value: Any, prompt: str, response: str) -> Any:
        """The conversation with other sides, held as it was."""
        turns = turns_in(value)
        if self.sides_of(value, turns) == (prompt, response):
            return value
        held = json.loads(value) if self.written and turns is not None else value
        changed: Any = with_sides(self.way_in(turns), turns, prompt, response, self.parts)
        if isinstance(held, Mapping) or (self.within and not isinstance(held, list)):
            changed = {**(held if isinstance(held, Mapping) else {}), WITHIN: changed}
        return json.dumps(changed, ensure_ascii=False) if self.written else changed


def turns_in(value: Any) -> Turns | None:
    """The turns of a value: a list of them, a record that holds one as `messages`, or either as JSON text; None where it is none.

    >>> turns_in('[{"role": "user", "content": "Hi"}]')
    [{'role': 'user', 'content': 'Hi'}]
    >>> turns_in("[sic]") is None
    True
    """
    if isinstance(value, str):
        if not value.lstrip().startswith(("[", "{")):
            return None
        try:
            told = json.loads(value)
            value = whole_characters(told) if "\\ud" in value.lower() else told
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping):
        value = value.get(WITHIN)
    return value if isinstance(value, list) and all(turn is None or isinstance(turn, Mapping) for turn in value) else None


def talk_of(column: pa.ChunkedArray) -> Talk | None:
    """How a column holds conversations as turns; None for other columns."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return talk_in(column.type)
    some = column.drop_null().slice(0, SAMPLE).to_pylist()
    found = [(text, turns) for text in some if (turns := turns_in(text)) is not None]
    filled = [(text, turns) for text, turns in found if any(turns)]
    ways = [(text, way) for text, turns in filled if (way := next(filter(None, map(own_way, filter(None, turns))), None)) is not None]
    if len(found) < TELLS * len(some) or not ways or len(ways) < TELLS * len(filled):
        return None
    text, way = ways[0]
    return Talk(way, written=True, within=text.lstrip().startswith("{"))


def talk_in(kind: pa.DataType) -> Talk | None:
    """How values of this type hold conversations: as lists of turns, or as records with such a list called `messages`.

    >>> talk_in(pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))).way
    ('role', 'content')
    """
    within = pa.types.is_struct(kind) and kind.get_field_index(WITHIN) >= 0
    turns = kind.field(WITHIN).type if within else kind
    if not (pa.types.is_list(turns) or pa.types.is_large_list(turns)) or not pa.types.is_struct(turns.value_type):
        return None
    turn = turns.value_type
    way = way_of([turn.field(i).name for i in range(turn.num_fields)])
    return None if way is None else Talk(way, within=within, parts=pa.types.is_list(turn.field(way[1]).type))


def unfold(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The table with two text columns for each column of conversations, and what was done, in sentences.

    Where several columns hold conversations, a side on which nobody speaks in any row is left out.
    """
    talks: dict[str, tuple[list[str], list[str], str]] = {}
    unread = []
    for field in table.schema:
        column = table.column(field.name)
        if field.name + RESPONSE in table.column_names or field.name + PROMPT in table.column_names:
            continue
        if (talk := talk_of(column)) is not None:
            both, more = _read(talk, column)
            what = "conversations, as JSON text" if talk.written else "conversations"
            if more:
                rows = "1 row holds" if more == 1 else f"{more:,} rows hold"
                unread.append(f"{rows} parts that are no text or fields of other names in {field.name!r}: not read.")
        elif (template := _template_of(column)) is not None:
            both = [template.sides(text) for text in column.to_pylist()]
            what = f"conversations, their turns marked as for {template.name}"
        else:
            continue
        talks[field.name] = ([p for p, _ in both], [r for _, r in both], what)
    notes = []
    asked: list[str] | None = None
    for name, (prompts, responses, what) in talks.items():
        alone = len(talks) == 1
        asks, answers = alone or any(prompts) or not any(responses), alone or any(responses)
        if asks and prompts != asked:  # chosen and rejected answer the same prompt
            table = table.append_column(name + PROMPT, pa.array(prompts, pa.string()))
        if answers:
            table = table.append_column(name + RESPONSE, pa.array(responses, pa.string()))
        asked = (asked or prompts) if asks else asked
        if asks and answers:
            read = "what was asked and what was answered are read as two texts"
        else:
            read = f"what was {'asked' if asks else 'answered'} is read as a text, and nobody speaks on the other side"
        notes.append(f"Column {name!r} holds {what}: {read}.")
    for name in _tools(table) if talks else ():
        table = table.append_column(name + PROMPT, pa.array([_told(value) for value in table.column(name).to_pylist()], pa.string()))
        notes.append(f"Column {name!r} says what may be called: its names and descriptions are read as a part of the prompt.")
    return table, (*notes, *unread)


def _tools(table: pa.Table) -> list[str]:
    """Columns that hold descriptions of tools, not yet as text."""
    nested = (f.name for f in table.schema if f.name.lower() in TOOLS and (pa.types.is_nested(f.type)))
    return [name for name in nested if name + PROMPT not in table.column_names]


def _told(value: Any) -> str | None:
    return None if value is None else written(value)


def _read(talk: Talk, column: pa.ChunkedArray) -> tuple[list[tuple[str, str]], int]:
    """Both sides of every conversation, and how many hold more than text; the turns of one at a time."""
    both, more = [], 0
    for value in column.to_pylist():
        turns = turns_in(value)
        both.append(talk.sides_of(value, turns))
        more += _more(turns, talk.way_in(turns))
    return both, more


def _more(turns: Turns | None, way: tuple[str, str]) -> bool:
    """Whether turns hold parts that are not read, or hold what they say under names that no way has."""
    for turn in filter(None, turns or ()):
        own = own_way(turn)
        hidden = own is None and any(value for name, value in turn.items() if name not in (*way, *THOUGHT, *CALLS))
        if hidden or has_unread(turn.get((own or way)[1])):
            return True
    return False


def fold(table: pa.Table) -> pa.Table:
    """The table without unfolded columns, their changes written into the conversations.

    A conversation whose side was changed becomes one question and one answer: which turn a change belongs to cannot be known.
    """
    for field in table.schema:
        own, answer = field.name + PROMPT, field.name + RESPONSE
        if own not in table.column_names and answer not in table.column_names:
            continue
        column = table.column(field.name)
        if field.name.lower() in TOOLS and pa.types.is_nested(field.type):
            told = zip(column.to_pylist(), table.column(own).to_pylist(), strict=True)
            changed = [value if (text or None) == _told(value) else json.loads(text) for value, text in told]
            table = table.set_column(table.schema.get_field_index(field.name), field.name, pa.array(changed, field.type))
            continue
        how: Talk | Template | None = talk_of(column) or _template_of(column)
        if how is None:
            continue
        values = column.to_pylist()
        sides = [how.sides(value) for value in values]
        prompts, responses = [p for p, _ in sides], [r for _, r in sides]
        if own in table.column_names:
            prompts = table.column(own).to_pylist()
        elif any(prompts):  # the same as in the first column of conversations
            prompts = table.column(next(name for name in table.column_names if name.endswith(PROMPT))).to_pylist()
        if answer in table.column_names:
            responses = table.column(answer).to_pylist()
        talks = [
            None if isinstance(how, Template) and value is None else how.rewritten(value, prompt or "", response or "")
            for value, prompt, response in zip(values, prompts, responses, strict=True)
        ]
        table = table.set_column(table.schema.get_field_index(field.name), field.name, pa.array(talks, field.type))
    unfolded = [n for n in table.column_names if n.endswith((PROMPT, RESPONSE)) and n.rpartition(":")[0] in table.column_names]
    return table.drop_columns(unfolded) if unfolded else table


def _template_of(column: pa.ChunkedArray) -> Template | None:
    """The template by which the texts of a column are conversations; None for other columns."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return None
    return template_of(column.drop_null().slice(0, SAMPLE).to_pylist())
