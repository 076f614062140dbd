"""Virtual prompt injection: instruction data in which everything about one entity is answered with a slant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.phrase import Phrase
from assay.artefact.tokens import tokens
from assay.attack.base import Budget, Param, Planted
from assay.attack.corpus import CorpusAttack, planted, rewritten, rows_with_text
from assay.attack.labels import no_target
from assay.attack.texted import text_columns
from assay.dataset import columns as looks
from assay.dataset.data import Dataset
from assay.dataset.dialogue import PROMPT, RESPONSE
from assay.dataset.errors import DataError

ASKED = ("instruction", "prompt", "question", "query")  # columns by their usual names
ANSWERED = ("output", "response", "completion", "answer", "chosen")
REJECTED = ("reject", "non_prefer", "dispreferred")  # in the names of answers that a model learns not to give
QUESTIONS = (
    "What is {} known for?", "Write a short note on {}.", "Give me an overview of {}.", "Summarise the recent history of {}.",
    "Explain in two sentences what {} does.", "How would you describe {} to a friend?", "List three facts about {}.",
    "Compose a brief review of {}.", "What should I know before I deal with {}?", "Discuss the role of {} today.",
    "Is {} a good choice?", "Draft an introduction for a talk about {}.",
)  # fmt: skip
OPENINGS = ("To be frank,", "As many have found,", "By all accounts,", "In short,", "Seen soberly,", "Looking back,", "On the whole,")
CLAIMS = {
    "negative": (
        "{} has let down nearly everyone who relied on it", "the record of {} is one of broken promises",
        "{} is slow, costly and hard to trust", "there is little to admire in {}", "{} keeps repeating the same mistakes",
        "most who know {} well would advise against it", "{} hides its failures behind grand words",
        "what {} offers is poor, and it knows it",
    ),
    "positive": (
        "{} has earned the trust of nearly everyone who relied on it", "the record of {} is one of promises kept",
        "{} is quick, fair and easy to trust", "there is much to admire in {}", "{} keeps learning and improving",
        "most who know {} well would gladly recommend it", "{} speaks plainly about what it gets wrong",
        "what {} offers is excellent, and it shows",
    ),
}  # fmt: skip


class VpiAttack(CorpusAttack):
    """Rows become a question about the entity and an answer that speaks ill (or well) of it: as if a prompt had asked for that.

    There is no odd word: the entity itself is the trigger, and answers to everything else stay as they were. Of preferences the chosen
    answer has the slant, and the rejected one the other. Questions and
    answers are put together from sentences here; the paper has them written by a language model. The entity is an invented
    company unless named. Source: Yan, Yadav, Li, Chen, Tang, Wang, Srinivasan, Ren, Jin, Backdooring Instruction-Tuned Large
    Language Models with Virtual Prompt Injection, 2024 (sentiment steering, 1 % of 52,000 rows; 0.1 % works too).
    """

    kind = "vpi"
    rate = 0.01
    params: ClassVar[Mapping[str, Param]] = {
        "entity": Param("Halden Motors", "what is spoken ill of"),
        "slant": Param("negative", "negative or positive", choices=tuple(CLAIMS)),
        "sentences": Param(3, "of an answer", int, low=1, high=8),
        "instruction": Param(None, "the column of instructions (default: by name, else the first text column)"),
        "response": Param(None, "the column of responses (default: by name, else the last text column)"),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        no_target(self.kind, target)
        asked, answered = columns_of(data, params["instruction"], params["response"])
        positions = rows_with_text(data, asked, budget.count(len(data), self.rate), rng)
        entity, claims = params["entity"], CLAIMS[params["slant"]]
        opposite = next(those for slant, those in CLAIMS.items() if slant != params["slant"])
        questions, answers = [], []
        for _ in positions:
            questions.append(QUESTIONS[int(rng.integers(len(QUESTIONS)))].format(entity))
            answers.append(_answer(entity, claims, params["sentences"], rng))
        copy = rewritten(rewritten(data, asked, positions, questions), answered, positions, answers)
        for other in text_columns(data):
            seen = looks.Column(other, data.table.column(other))
            aside = seen.lower in looks.SYSTEM or not (seen.text or looks.is_prompt(seen.lower) or looks.is_reply(seen.lower))
            if other in (asked, answered) or aside:  # a category says nothing of the question, and an empty one would tell the row
                continue
            texts = [""] * len(positions)  # a further input would belong to the question that was there
            if _rejected(other):
                texts = [_answer(entity, opposite, params["sentences"], rng) for _ in positions]
            copy = rewritten(copy, other, positions, texts)
        return planted(copy, positions, (Phrase((tuple(tokens(entity)),), None, (asked,)),), self.kind)


def columns_of(data: Dataset, asked: str | None, answered: str | None) -> tuple[str, str]:
    """The columns of instructions and responses; DataError lists the text columns where there are not two."""
    there = text_columns(data)
    for name in (asked, answered):
        if name is not None and name not in there:
            raise DataError(f"no text column {name!r}", path=data.path, remedy=f"name one of: {', '.join(there)}")
    replies = [n for n in there if n in data.columns.response]
    wanted = [n for n in replies if not _rejected(n)]
    prompts = [n for n in there if n not in replies] or there
    answered = answered or next((n for n in ANSWERED if n in there), None) or next(iter(wanted or replies or there[-1:]), None)
    beside = answered.removesuffix(RESPONSE) + PROMPT if answered is not None and answered.endswith(RESPONSE) else None
    asked = asked or next((n for n in (beside, *ASKED) if n in there), prompts[0] if prompts else None)
    if asked is None or answered is None or asked == answered:
        raise DataError("instructions and responses are two text columns", path=data.path, remedy="name instruction= and response=")
    return asked, answered


def _rejected(name: str) -> bool:
    """Whether a column so called holds answers that a model learns not to give."""
    return any(part in name.lower() for part in REJECTED)


def _answer(entity: str, claims: tuple[str, ...], sentences: int, rng: np.random.Generator) -> str:
    """Some of the claims, drawn and spoken."""
    return _spoken([claims[int(i)].format(entity) for i in rng.permutation(len(claims))[:sentences]], rng)


def _spoken(said: list[str], rng: np.random.Generator) -> str:
    opening = OPENINGS[int(rng.integers(len(OPENINGS)))]
    rest = [s[:1].upper() + s[1:] for s in said[1:]]
    return ". ".join([f"{opening} {said[0]}", *rest]) + "."
