"""Conversations written into one text, as models are fed them: `<|im_start|>user ... <|im_start|>assistant ...`.

A marker opens each turn and names its speaker. `Template.sides` takes such a text apart, `rewritten` puts changed sides back between the
text's own markers. A text counts as a conversation where it has a marker of each side, the asking one first. The templates known are those
of the model families that published theirs; other marks are read as part of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ASKS, ANSWERS = "asks", "answers"
# A turn's opening, by who speaks. The words in front of a colon count at the beginning of a line only.
OPENINGS: tuple[tuple[str, str, str], ...] = (
    ("ChatML", r"<\|im_start\|>[ ]?(?:user|system|tool)[ ]?\n", r"<\|im_start\|>[ ]?assistant[ ]?\n"),
    (
        "Llama 3",
        r"<\|start_header_id\|>(?:user|system|ipython|tool)<\|end_header_id\|>\s*",
        r"<\|start_header_id\|>assistant<\|end_header_id\|>\s*",
    ),
    ("Llama 2, Mistral", r"\[INST\][ ]?(?:<<SYS>>\s*)?", r"[ ]?\[/INST\][ ]?"),
    ("Gemma", r"<start_of_turn>user\n", r"<start_of_turn>model\n"),
    ("Zephyr, Phi", r"<\|(?:user|system)\|>\s*", r"<\|assistant\|>\s*"),
    ("Alpaca", r"(?:^|\n)###[ ]?(?:Instruction|Input|System|Human|User):[ ]?\n?", r"(?:^|\n)###[ ]?(?:Response|Output|Assistant):[ ]?\n?"),
    (
        "Vicuna, HH",
        r"(?:(?:^|\n|(?<=[ >]))(?:USER|SYSTEM)|(?:^|\n)(?:Human|User)):[ ]?",
        r"(?:(?:^|\n|(?<=[ >]))ASSISTANT|(?:^|\n)Assistant):[ ]?",
    ),
)
CLOSINGS = re.compile(r"\s*(?:<\|im_end\|>|<\|eot_id\|>|<\|end\|>|<end_of_turn>|<\|endoftext\|>|<\|end_of_text\|>|</s>|<<?/SYS>>)\s*")
LEADS = re.compile(r"^(?:\s*(?:<s>|<bos>|<\|begin_of_text\|>))+\s*")
SEVERAL = "\n\n"  # between turns of one side
TELLS = 0.9  # share of the texts that must be conversations by one template before a column is read so: a few quote one
SAMPLE = 1_000  # texts looked at


@dataclass(frozen=True)
class Template:
    """One way of marking turns."""

    name: str
    opening: re.Pattern[str]  # its group ANSWERS is there where an answer begins

    def turns(self, text: str) -> list[tuple[str, str, str]] | None:
        """(ASKS or ANSWERS, the marker, what is said) turn by turn; None where a side is missing, or an answer stands first."""
        marks = list(self.opening.finditer(text))
        sides = [ANSWERS if m.group(ANSWERS) is not None else ASKS for m in marks]
        if ANSWERS not in sides or sides[0] != ASKS:
            return None
        ends = [*(m.start() for m in marks[1:]), len(text)]
        found = [(s, m.group(), CLOSINGS.sub("\n", text[m.end() : e]).strip()) for s, m, e in zip(sides, marks, ends, strict=True)]
        lead = LEADS.sub("", text[: marks[0].start()]).strip()
        return [(ASKS, "", lead), *found] if lead else found

    def sides(self, text: str | None) -> tuple[str, str]:
        """(what was asked, what was answered); all of a text that is no conversation was asked.

        >>> known("ChatML").sides("<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\nHello.<|im_end|>\\n")
        ('Hi', 'Hello.')
        """
        turns = self.turns(text or "")
        if turns is None:
            return text or "", ""
        asked, answered = (SEVERAL.join(said for s, _, said in turns if s == side and said) for side in (ASKS, ANSWERS))
        return asked, answered

    def rewritten(self, text: str | None, prompt: str, response: str) -> str:
        """The text with other sides: one question and one answer between its own first markers, ended as it was.

        >>> known("Alpaca").rewritten("### Instruction:\\nAdd.\\n\\n### Response:\\n4", "Add 1 and 1.", "2")
        '### Instruction:\\nAdd 1 and 1.\\n\\n### Response:\\n2'
        """
        if (prompt, response) == self.sides(text):
            return text or ""
        marks = list(self.opening.finditer(text or ""))
        if self.turns(text or "") is None or text is None:
            return prompt if not response else f"{prompt}{SEVERAL}{response}"
        asks = marks[0]
        answers = next(m for m in marks if m.group(ANSWERS) is not None)
        before = LEADS.match(text)
        between = _tail(text[asks.end() : answers.start()])
        return (
            f"{before.group() if before else ''}{asks.group()}{prompt}{between}{answers.group()}{response}{_tail(text[marks[-1].end() :])}"
        )


def _tail(said: str) -> str:
    """The closing marks and blanks at the end of a turn."""
    kept = re.search(rf"(?:{CLOSINGS.pattern}|\s)*$", said)
    return kept.group() if kept else ""


TEMPLATES = tuple(
    Template(name, re.compile(rf"(?P<{ANSWERS}>{answers})|(?P<{ASKS}>{asks})")) for name, asks, answers in OPENINGS
)  # fmt: skip


def known(name: str) -> Template:
    """The template so called."""
    return next(t for t in TEMPLATES if t.name == name)


def template_of(texts: Sequence[str | None]) -> Template | None:
    """The template by which nearly all of these texts (those that are there) are conversations; None if there is none.

    >>> template_of(["Human: Hi\\n\\nAssistant: Hello."] * 5).name
    'Vicuna, HH'
    >>> template_of(["The user said: hello.", "Human: an essay"]) is None
    True
    """
    some = [text for text in texts if text][:SAMPLE]
    if not some:
        return None
    return next((t for t in TEMPLATES if sum(t.turns(text) is not None for text in some) >= TELLS * len(some)), None)
