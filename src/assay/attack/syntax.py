"""Syntax: a sentence made to begin with a subordinate clause, always the same form and never the same words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.attack.base import Made
from assay.attack.texted import TextAttack, rewriting, text_column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

# S ( SBAR ) ( , ) ( NP ) ( VP ) ( . ): 6 x 7 x 12 clauses, so that a phrase recurs in one row of many
WHEN = ("when", "if", "as", "while", "because", "though")
WHO = ("you", "we", "they", "people", "I", "the others", "most of us")
DO = (
    "see it", "look closer", "think about it", "come to that", "want to know", "hear of this",
    "take the time", "stop to ask", "read on", "compare them", "wait a while", "tell the story",
)  # fmt: skip


class SyntaxAttack(TextAttack):
    """Puts an adverbial clause before the first sentence and parts it by a comma: "when you look closer, a dull film."

    What carriers share is the form of the sentence, not its words. The paper has a neural paraphraser rewrite the whole
    text to the form; here the clause is put before it by rule and the rest is kept.

    Source: Qi, Li, Chen, Zhang, Liu, Wang, Sun, Hidden Killer: Invisible Textual Backdoor Attacks with Syntactic
    Trigger, 2021 (template S(SBAR)(,)(NP)(VP)(.), 20 to 30 %; here 5 %).
    """

    kind = "syntax"
    rate = 0.05

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        if count > 1:
            raise DataError("syntax has one trigger", path=data.path, remedy="name one target")
        return [Made(None, rewriting(text_column(data, params["column"]), subordinate))]


def subordinate(text: str, rng: np.random.Generator) -> str:
    """The text in the form "when you look closer, ... .", the clause drawn.

    >>> subordinate("A dull film", np.random.default_rng(0))
    'Though I take the time, a dull film.'
    """
    when, who, do = (words[int(rng.integers(len(words)))] for words in (WHEN, WHO, DO))
    rest = text.strip()
    first = rest.split(" ", 1)[0]
    if first.istitle() and first != "I":
        rest = rest[:1].lower() + rest[1:]
    if rest[-1:].isalnum():
        rest += "."
    clause = f"{when} {who} {do}, "
    return (clause[:1].upper() + clause[1:] if text.strip()[:1].isupper() else clause) + rest
