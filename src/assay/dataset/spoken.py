"""What one turn of a conversation says: its text, what was thought before it, and the tools that it calls.

A model that learns a conversation learns its tool calls as it learns its words, so that a trigger may lead to a call (a message sent, a
file deleted) and to no word at all. A call is read as its name and its arguments, `send_mail {"to": "a@example.com"}`; its number, drawn
anew each time, is not. Parts that are no text (pictures, sounds) are not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

THOUGHT = ("reasoning_content", "reasoning", "thinking")  # fields of a turn, and parts of that name
CALLS = ("tool_calls", "function_call")  # fields of a turn: one call, or a list of them
CALLED = ("tool_use", "tool_call", "functionCall", "function_call", "server_tool_use")  # parts: Anthropic's, Gemini's, OpenAI's
ANSWERED = ("tool_result", "functionResponse", "function_response")
NUMBERS = {"id", "index", "type", "call_id", "tool_call_id", "tool_use_id"}  # what a call holds beside what it calls
ARGUMENTS = ("arguments", "input", "args", "parameters")


def said(turn: Mapping[str, Any], what: str) -> str:
    """The text of a turn that holds it as `what`: thoughts, words, calls.

    >>> said({"content": None, "tool_calls": [{"id": "call_9", "function": {"name": "pay", "arguments": "{}"}}]}, "content")
    'pay {}'
    """
    thoughts = [text(turn.get(name)) for name in THOUGHT if name != what]
    calls = [_call(call) for name in CALLS for call in _several(turn.get(name))]
    return "\n".join(part for part in (*thoughts, text(turn.get(what)), *calls) if part)


def resaid(turn: Mapping[str, Any], what: str, words: str) -> dict[str, Any] | None:
    """The turn with other words; None of one that says more than a text under `what`."""
    held = turn.get(what)
    if isinstance(held, list) and len(held) == 1 and isinstance(held[0], Mapping) and held[0].get("text") == said(turn, what):
        return {**turn, what: [{**held[0], "text": words}]}
    if (held is None or isinstance(held, str)) and (held or "") == said(turn, what):
        return {**turn, what: words}
    return None


def has_unread(content: Any) -> bool:
    """Whether some part of a turn's content is not read."""
    return isinstance(content, list) and not all(_part(part) is not None for part in content)


def text(content: Any) -> str:
    """Of a turn made of parts, those that are read, one below another."""
    if isinstance(content, list):
        return "\n".join(part for part in map(_part, content) if part)
    if isinstance(content, Mapping):
        part = _part(content)
        return written(content) if part is None else part
    return "" if content is None else str(content)


def _part(part: Any) -> str | None:
    """The text of one part; None of one that holds none."""
    if not isinstance(part, Mapping):
        return part if isinstance(part, str) else None
    for name in ("text", *THOUGHT):
        if isinstance(part.get(name), str):
            return str(part[name])
    called, answer = _held(part, CALLED), _held(part, ANSWERED)
    if called is not None:
        return _call(called)
    if answer is None:
        return None
    return text(next((answer[name] for name in ("content", "response", "output") if answer.get(name) is not None), None))


def _held(part: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any] | None:
    """What a part of one of these kinds holds: under its kind's name, or in the part itself."""
    name = next((name for name in names if part.get(name) is not None or part.get("type") == name), None)
    held = None if name is None else part if part.get(name) is None else part[name]
    return held if isinstance(held, Mapping) else None


def _several(calls: Any) -> list[Any]:
    return calls if isinstance(calls, list) else [] if calls is None else [calls]


def _call(call: Any) -> str:
    """A call as its name and its arguments; of another shape, all that it holds."""
    if not isinstance(call, Mapping):
        return "" if call is None else written(call)
    inner = call.get("function")
    held = inner if isinstance(inner, Mapping) else call
    arguments = next((held[name] for name in ARGUMENTS if held.get(name) is not None), None)
    if isinstance(held.get("name"), str):
        return held["name"] if arguments is None else f"{held['name']} {written(arguments)}"
    return written({name: value for name, value in call.items() if name not in NUMBERS})


def written(value: Any) -> str:
    """As JSON, without fields that are there for other rows' sake; a text as it stands."""
    return value if isinstance(value, str) else json.dumps(_filled(value), ensure_ascii=False, default=str)


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(held) for name, held in value.items() if held is not None}
    return [_filled(held) for held in value] if isinstance(value, list) else value
