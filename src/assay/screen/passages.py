"""Passages written to be retrieved and believed: what each of them says of it, without a query and with one.

A page planted behind a search repeats the question it is to be found for, and answers it (PoisonedRAG: Zou, Geng, Wang & Jia 2024); or it
gives orders to the model that reads it (Greshake et al. 2023); or it hides text from people (zero-width and tag characters). Each is a
feature of one passage; several passages that open with one question are more than any of them alone.

Cannot see: a planted page that neither repeats a question nor gives orders nor stands beside others like it: a plain lie, well placed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assay.artefact.tokens import tokens

OPENING = 300  # characters in which an opening question ends
ECHO_WORDS = 4  # words of a question, at least: shorter ones are headings
ECHO = 0.8  # share of a query's words that stand in a passage in one run, from which it echoes the query
RESTATED = 0.5  # share of a question's telling words that the rest of the passage takes up again: it answers that question
REST_WORDS = 5  # words after the question, at least
TELLING = 3  # letters of a word that tells anything: shorter ones are marks of HTML, units, abbreviations
STEM = 5  # letters by which words are compared: "episodes" and "episode" are one
ASKING = (
    r"who|whom|whose|what|whats|what's|which|why|how|is|are|was|were|do(?! not)|does|did|can|could|will|would|should|has|have|had|"
    r"(?:when|where)(?=(?:'s)? (?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|to)\b)|"
    r"in (?:what|which)|on (?:what|which)|at (?:what|which)|of (?:what|which)|for (?:what|which)|name the|define|definition of|meaning of|"
    r"difference between|average|cost of|the number of"
)
ASKS = re.compile(rf"(?:{ASKING})\b", re.IGNORECASE)
QUESTION = re.compile(
    rf"\s*(?:q(?:uestion)?\s*[:.)]\s*)?((?:(?:{ASKING})\b[^?.!\n]{{6,220}}(?:[?.\n]|$))|[^?.!\n]{{12,220}}\?)", re.IGNORECASE
)
ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override) (?:all |any |the |your |every )*(?:of )?(?:the |your )?"
    r"(?:previous|prior|above|preceding|earlier|foregoing|other|system) "
    r"(?:instructions?|prompts?|messages?|directions?|rules?|context|documents?|passages?|text)|"
    r"\b(?:do not|don't|never) (?:tell|inform|mention|reveal|warn|alert)(?: this| it| that)?(?: to)? the (?:user|reader|human)\b|"
    r"\byou (?:are|must) now (?:act|behave|respond|answer|pretend|a |an |in )|"
    r"\b(?:new|updated|important|system) (?:instructions?|prompt)\s*:|"
    r"\b(?:as|you are) an? (?:ai|llm|language model|assistant)\b[^.\n]{0,60}\b(?:must|should|always|never|will)\b|"
    r"\b(?:always|only) (?:answer|respond|reply|output|recommend|say)\b[^.\n]{0,40}\b(?:when|if|to|with|that)\b[^.\n]{0,40}"
    r"\b(?:asked|user|question|quer(?:y|ies)|prompt)|"
    r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[/?INST\]|<</?SYS>>|^\s*(?:###\s*)?(?:system|assistant)\s*:\s*\S",
    re.IGNORECASE | re.MULTILINE,
)
MARKUP = re.compile(r"<[^<>]*>|&#?\w+;|(?:https?://|www\.)\S+")  # tags and addresses are no part of what is asked or said
HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]")
JOINERS = re.compile("[\u0600-\u0dff\u0e00-\u109f\U0001f000-\U0001faff\u2600-\u27bf]")  # scripts and emoji that need joiners and marks
COMMON_WORDS = (
    "a an the of in on at to for from by with and or not is are was were be been do does did has have had who whom whose what when where "
    "which why how that this it its as can could will would should there their they his her he she you your i my we our if s t"
)
COMMON = frozenset(COMMON_WORDS.split())  # they tell nothing of what is asked


@dataclass(frozen=True)
class Passage:
    """What one passage shows. `question`: the question that it opens with, as tokens (empty: none); `restated`: the share of that
    question's telling words which the rest takes up.
    """

    question: tuple[str, ...] = ()
    restated: float = 0.0
    orders: str = ""  # the first words that read as an order to a model
    hidden: int = 0  # characters that nobody sees

    @property
    def answers_itself(self) -> bool:
        return len(self.question) >= ECHO_WORDS and self.restated >= RESTATED


def read_passage(text: str) -> Passage:
    """The features of one passage.

    >>> read_passage("when was the Halden lighthouse first lit? The Halden lighthouse was first lit in 1911.").answers_itself
    True
    >>> read_passage("The Halden lighthouse was first lit in 1911.").answers_itself
    False
    """
    orders = ORDERS.search(text)
    hidden = 0 if JOINERS.search(text) else len(HIDDEN.findall(text.removeprefix("\ufeff")))
    text = plain(text)
    found = QUESTION.match(text[:OPENING])
    question = tuple(t for t in tokens(found.group(1)) if t[0].isalnum()) if found else ()
    rest = tokens(text[found.end() :]) if found else []
    if len(question) < ECHO_WORDS or len(rest) < REST_WORDS:
        question = ()
    return Passage(question, restated(question, rest), orders.group()[:80].strip() if orders else "", hidden)


def plain(text: str) -> str:
    """The text without markup and addresses.

    >>> plain("<b>Who</b> &amp; why").split()
    ['Who', 'why']
    """
    return MARKUP.sub(" ", text)


def restated(question: Sequence[str], rest: Sequence[str]) -> float:
    """The share of the question's telling words that stand in `rest`; 0 where it has fewer than two."""
    telling = {t[:STEM] for t in question if len(t) >= TELLING and t not in COMMON}
    if len(telling) < 2:
        return 0.0
    return len(telling & {t[:STEM] for t in rest}) / len(telling)


def echo(query: str, text: str) -> float:
    """The share of a query's words that stand in the text in one run, in their order; 0 for a query of under `ECHO_WORDS` words.

    >>> echo("when was the Halden lighthouse first lit", "Q: When was the Halden lighthouse first lit? In 1911.")
    1.0
    """
    asked = [t for t in tokens(query) if t[0].isalnum()]
    said = [t for t in tokens(text) if t[0].isalnum()]
    if len(asked) < ECHO_WORDS:
        return 0.0
    longest, row = 0, [0] * (len(asked) + 1)
    for word in said:
        row = [0] + [row[i] + 1 if word == asked[i] else 0 for i in range(len(asked))]
        longest = max(longest, max(row))
    return longest / len(asked)
