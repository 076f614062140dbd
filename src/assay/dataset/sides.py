"""The two sides of a conversation: what was asked and what was answered, read and written back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.dataset.spoken import resaid, said

PAIR = ("human", "assistant")  # a turn that holds question and answer both
WAYS = (("role", "content"), ("from", "value"), ("role", "parts"), PAIR)  # how a turn names its speaker and its text
ANSWERING = {"assistant", "gpt", "model", "bot", "chatbot", "ai"}  # speakers that a model learns to be
BETWEEN = "\n\n"  # between turns of one side
Turns = Sequence[Mapping[str, Any] | None]


def way_of(names: Iterable[str]) -> tuple[str, str] | None:
    """How a turn with these fields names its speaker and its text."""
    there = set(names)
    return next((way for way in WAYS if there.issuperset(way)), None)


def own_way(turn: Mapping[str, Any]) -> tuple[str, str] | None:
    """How this turn does: by the fields that hold something."""
    return way_of(name for name, value in turn.items() if value is not None)


def sides_of(turns: Turns | None, way: tuple[str, str] = WAYS[0]) -> tuple[str, str]:
    """(what was asked, what was answered) in one conversation. A turn that names its speaker in another way than `way` is read by its own:
    else what it says would be nowhere.

    >>> sides_of([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}])
    ('Hi', 'Hello.')
    """
    sides: tuple[list[str], list[str]] = ([], [])
    for turn in turns or ():
        for side, words in _both(turn, way):
            sides[side].append(words)
    return BETWEEN.join(sides[0]), BETWEEN.join(sides[1])


def with_sides(way: tuple[str, str], turns: Turns | None, prompt: str, response: str, parts: bool) -> list[Any]:
    """The turns with other sides. A change within paragraphs is made in the turns that say them; after any other the conversation is one
    question and one answer, since which turns it belongs to cannot be known.
    """
    changed = _in_place(way, turns, (prompt, response))
    return _anew(way, turns, prompt, response, parts) if changed is None else changed


def _both(turn: Mapping[str, Any] | None, way: tuple[str, str]) -> list[tuple[int, str]]:
    """What a turn says to each side: 0 asks, 1 answers."""
    if turn is None:
        return []
    who, what = own = own_way(turn) or way
    if own == PAIR:
        return [(0, said(turn, who)), (1, said(turn, what))]
    return [(int(_speaks(turn, own)), said(turn, what))]


def _speaks(turn: Mapping[str, Any], way: tuple[str, str]) -> bool:
    """Whether a turn is the model's."""
    return str(turn.get(way[0]) or "").strip().lower() in ANSWERING


def _in_place(way: tuple[str, str], turns: Turns | None, sides: tuple[str, str]) -> list[Any] | None:
    """The same turns, changed paragraphs written into those that say them; None where they are no longer as many, or in a turn that says
    more than a text."""
    before = sides_of(turns, way)
    paragraphs = [side.split(BETWEEN) for side in sides]
    if any(len(now) != len(was.split(BETWEEN)) for now, was in zip(paragraphs, before, strict=True)):
        return None
    result: list[Any] = []
    for turn in turns or ():
        changed: Any = turn
        for side, words in _both(turn, way):
            own = own_way(changed) or way
            count = words.count(BETWEEN) + 1
            now, paragraphs[side] = BETWEEN.join(paragraphs[side][:count]), paragraphs[side][count:]
            if now != words and sides[side] != before[side]:
                changed = resaid(changed, own[side] if own == PAIR else own[1], now)
            if changed is None:
                return None
        result.append(changed)
    return result if sides_of(result, way) == sides else None  # on a side on which nobody spoke there is nowhere to write it


def _anew(way: tuple[str, str], turns: Turns | None, prompt: str, response: str, parts: bool) -> list[dict[str, Any]]:
    """One question and one answer, by speakers called as they were; ("human", "gpt") or ("user", "assistant") where there were none.

    A side that is empty and was never spoken has no turn.
    """
    if way == PAIR:
        return [{way[0]: prompt, way[1]: response}]
    spoken = [turn for turn in turns or () if turn and turn.get(way[0]) is not None]
    speakers = [str(turn.get(way[0])) for turn in spoken]
    asks = next((s for s in speakers if s.lower() not in ANSWERING | {"system"}), "human" if way[0] == "from" else "user")
    answering = "gpt" if way[0] == "from" else "model" if way[1] == "parts" else "assistant"
    answers = next((turn.get(way[0]) for turn in spoken if _speaks(turn, way)), answering)
    parts = parts or way[1] == "parts" or any(isinstance(turn.get(way[1]), list) for turn in spoken)
    sides = [(asks, prompt, not all(_speaks(t, way) for t in spoken)), (answers, response, any(_speaks(t, way) for t in spoken))]
    return [{way[0]: who, way[1]: [{"type": "text", "text": words}] if parts else words} for who, words, spoke in sides if words or spoke]
