"""Which texts belong together: pairs of one kind, or prompts and the replies that a model learns to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.dataset import columns as looks
from assay.dataset.columns import Column
from assay.dataset.data import Columns, Modality, Task
from assay.dataset.errors import DataError


def quoted(names: Sequence[str]) -> str:
    """Names in quotes, the first twelve of them."""
    shown = [repr(name) for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def partners(
    path: str,
    look: Mapping[str, Column],
    named: Columns,
    task: Task | None,
    label: Sequence[str],
    content: Sequence[str],
    modality: Modality,
    notes: list[str],
) -> tuple[Task | None, tuple[str, ...]]:
    """(task, responses): pairs of texts, and prompts with replies, by the names of their columns; what was concluded goes into `notes`.

    Raises DataError where the task is generation and there is no text to be the response.
    """
    if modality == "text" and task is None and not named.response:
        lower = {look[name].lower: name for name in content}
        for first, second in looks.PAIRS:
            if label and first in lower and second in lower and not named.content:
                notes.append(f"Columns {lower[first]!r} and {lower[second]!r} are taken for pairs of texts.")
                return "pairs", ()
    if task not in (None, "generation") or (task is None and (label or modality != "text") and not named.response):
        return task, ()
    looked = {name: look[name] for name in content}
    texts = [
        name
        for name, seen in looked.items()
        if seen.kind == "string" and (seen.text or named.content or looks.is_prompt(seen.lower) or looks.is_reply(seen.lower))
    ]
    if any(looks.is_prompt(look[name].lower) for name in texts):  # what is said before every prompt, as the turns of the system are
        texts = [name for name in looked if name in texts or (looked[name].kind == "string" and looked[name].lower in looks.SYSTEM)]
    replies = named.response or tuple(name for name in texts if looks.is_reply(look[name].lower))
    prompts = [name for name in texts if name not in replies]
    if task is None and not named.response and not any(looks.is_prompt(look[name].lower) for name in prompts):
        return None, ()
    if not replies and len(texts) > 1:
        replies, prompts = (texts[-1],), texts[:-1]
        notes.append(f"Column {texts[-1]!r} is taken for the reply: it is the last text. If it is not, name the reply with --response.")
    if task is None and not replies:
        return None, ()
    if not replies and not texts:
        raise DataError("generation needs a text that a model learns to write", path=path, remedy="name it with --response COLUMN")
    if not replies:
        notes.append(f"Only one text, {texts[0]!r}: there is no prompt to hold a response against.")
        return "generation", ()
    said = [
        f"{quoted(prompts)} for the prompt" if prompts else "no column for the prompt",
        f"{quoted(replies)} for the reply: generation.",
    ]
    notes.append(f"Columns are taken so: {' and '.join(said)} To read them otherwise use --content, --response and --task.")
    return "generation", replies
