"""What a column looks like: its kind of values, and the roles that its name suggests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.dataset.dialogue import PROMPT, RESPONSE
from assay.dataset.numbers import as_doubles

Kind = Literal["empty", "bool", "integer", "float", "string", "time", "list", "other"]

# Names that people give to labels, the plainest first: the first of these that is there is taken.
LABELS = (
    "label", "labels", "target", "class", "y", "category", "sentiment", "income", "outcome", "species", "diagnosis",
    "survived", "churn", "fraud", "spam", "toxic", "is_fraud", "is_spam", "is_toxic", "is_phishing", "fine_label",
    "coarse_label", "label_name", "class_name", "class_label", "true_label", "answer_label", "ground_truth", "gold",
    "intent", "topic", "emotion", "result", "default", "digit", "quality",
)  # fmt: skip
STRONG = LABELS[:7]  # names that mean nothing but a label
TOPICS = ("category", "topic", "intent", "quality")  # beside prompts with replies: what a prompt is about, how good a reply is; no label
IDS = (
    "id", "key", "uid", "uuid", "guid", "index", "idx", "rowid", "row_id", "sample_id", "record_id", "item_id",
    "unnamed: 0", "__index_level_0__",
)  # fmt: skip
CONTRIBUTORS = (
    "contributor", "contributor_id", "annotator", "annotator_id", "worker", "worker_id", "labeler", "labeller",
    "labeled_by", "labelled_by", "rater", "rater_id", "submitter", "submitted_by", "uploader", "uploaded_by",
    "added_by", "created_by", "user_id", "username", "user_name", "client", "client_id", "vendor",
)  # fmt: skip
SOURCES = (
    "source", "source_id", "domain", "origin", "provenance", "site", "dataset", "crawl", "feed", "publisher",
    "batch", "batch_id",
)  # fmt: skip
TIMES = (
    "time", "timestamp", "date", "datetime", "created", "created_at", "added_at", "date_utc", "time_utc",
    "submitted_at", "uploaded_at", "updated_at", "ingested_at", "collected_at", "published_at", "published", "when",
)  # fmt: skip
# which part of the data set a row belongs to: not content
SPLITS = (
    "split", "fold", "subset", "partition", "part", "set", "usage",
)  # fmt: skip
# the truth of an experiment: never content
ANSWERS = (
    "poisoned", "is_poisoned", "backdoored", "is_backdoored", "is_poison",
)  # fmt: skip
PAIRS = (
    ("premise", "hypothesis"), ("sentence1", "sentence2"), ("text1", "text2"), ("question1", "question2"),
    ("question", "sentence"),
)  # fmt: skip
PROMPTS = ("instruction", "prompt", "question", "query", "input", "source_text", "user", "human", "problem")
SYSTEM = ("system", "system_prompt")
REPLIES = (
    "output", "response", "completion", "answer", "reply", "target_text", "chosen", "rejected", "assistant", "outputs", "responses",
    "completions", "answers", "solution", "chosen_response", "rejected_response", "response_chosen", "response_rejected",
)  # fmt: skip

SAMPLE = 20_000  # values looked at to tell text from names; every value is read for what must hold for all
UNNAMED_CLASSES = 100  # most classes of a label that is guessed without its name saying so
FEWEST_COUNTS = 100  # with more different whole numbers than this,
ONCE = 0.05  # and more than this share of them in one row each, a column counts something (11 % of bicycles hired)
MEAN_TOKENS = 3.0  # a text has at least this many tokens on average; the name of a category has one or two
EPOCH = (631_152_000, 4_102_444_800)  # 1990 to 2100 in seconds: whole numbers that can be moments in time


def is_prompt(lower: str) -> bool:
    """Whether a column so called holds what was asked."""
    return lower in PROMPTS or lower.endswith(PROMPT)


def is_reply(lower: str) -> bool:
    """Whether a column so called holds what a model learns to answer.

    >>> is_reply("chosen"), is_reply("messages:response"), is_reply("input")
    (True, True, False)
    """
    return lower in REPLIES or lower.endswith(RESPONSE)


@dataclass(frozen=True)
class Column:
    """One column of a table, looked at. Everything is computed when first asked for."""

    name: str
    values: pa.ChunkedArray

    @property
    def lower(self) -> str:
        return self.name.strip().lower()

    @cached_property
    def kind(self) -> Kind:
        kind = self.values.type
        if self.values.null_count == len(self.values):
            return "empty"
        if pa.types.is_boolean(kind):
            return "bool"
        if pa.types.is_integer(kind):
            return "integer"
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return "float"
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return "string"
        if pa.types.is_temporal(kind):
            return "time"
        return "list" if pa.types.is_list(kind) or pa.types.is_large_list(kind) else "other"

    @cached_property
    def present(self) -> int:
        """Values that are there."""
        return len(self.values) - int(self.values.null_count)

    @cached_property
    def distinct(self) -> int:
        """Different values, missing ones not counted."""
        if self.kind in ("list", "other"):
            return self.present
        return int(pc.count_distinct(self.values, mode="only_valid").as_py())

    @cached_property
    def sample(self) -> Sequence[Any]:
        """Some values that are there, spread over the column."""
        values = self.values.drop_null()
        step = max(1, len(values) // SAMPLE)
        return values.take(pa.array(np.arange(0, len(values), step)[:SAMPLE])).to_pylist()

    @cached_property
    def whole(self) -> bool:
        """Numbers without fractions."""
        if self.kind != "float":
            return self.kind in ("integer", "bool")
        numbers = as_doubles(self.values.drop_null())
        numbers = numbers[np.isfinite(numbers)]
        return bool(np.array_equal(numbers, np.floor(numbers)))

    @cached_property
    def text(self) -> bool:
        """Whether people wrote it: several words a value, or mostly different strings with spaces, and not a few
        categories.
        """
        if self.kind != "string" or self.distinct <= min(50, self.present / 2):
            return False
        sample = self.sample
        tokens = sum(len(v.split()) for v in sample) / len(sample)
        if tokens >= MEAN_TOKENS:
            return True
        varied = self.distinct > 0.5 * self.present
        spaced = sum(" " in v.strip() for v in sample) > 0.5 * len(sample)
        unspaced = sum(len(v) >= 6 and not v.isascii() for v in sample) > 0.5 * len(sample)  # scripts without spaces
        return varied and (spaced or unspaced)

    @cached_property
    def categorical(self) -> bool:
        """Few enough different values to be classes: at least two, and 10 rows each or 20 in all."""
        if self.kind not in ("bool", "integer", "float", "string") or self.distinct < 2:
            return False
        return self.distinct <= max(20, self.present / 10) and not self.continuous

    @cached_property
    def continuous(self) -> bool:
        """A measurement: fractions or very many numbers, in many different values."""
        if self.kind not in ("integer", "float"):
            return False
        if not self.whole:
            return self.distinct > max(10, 0.02 * self.present)
        return self.distinct > max(1000, 0.2 * self.present) or (self.distinct > 50 and self.distinct > 0.5 * self.present)

    @cached_property
    def counts(self) -> bool:
        """Whole numbers of how many there are of something: many values, and many of them in one row only, as classes seldom are."""
        if self.kind != "integer" or self.distinct <= FEWEST_COUNTS:
            return False
        each = pc.value_counts(self.values.drop_null()).field("counts")
        return bool(pc.mean(pc.cast(pc.equal(each, 1), pa.float64())).as_py() > ONCE)

    @cached_property
    def binary(self) -> bool:
        """Zeros and ones, or true and false."""
        if self.kind == "bool":
            return True
        return self.kind in ("integer", "float") and self.distinct <= 2 and set(pc.unique(self.values).to_pylist()) <= {0, 1, None}

    @cached_property
    def unique(self) -> bool:
        return self.present == len(self.values) and self.distinct == len(self.values)

    @cached_property
    def counter(self) -> bool:
        """A row number: 0, 1, 2, ... or 1, 2, 3, ..."""
        if self.kind != "integer" or self.present < max(20, len(self.values)):
            return False
        numbers = self.values.to_numpy()  # of its own width: a hash may be beyond 2^63; differences would go round in 8 bits
        return bool(numbers[0] in (0, 1) and np.array_equal(numbers, np.arange(len(numbers)) + int(numbers[0])))

    @cached_property
    def moments(self) -> bool:
        """Moments in time: dates, ISO 8601 text, or seconds since 1970 under a name that says time."""
        if self.kind == "time":
            return True
        if self.kind == "integer":
            bounds = pc.min_max(self.values)
            low, high = bounds["min"].as_py(), bounds["max"].as_py()
            return any(EPOCH[0] <= low / unit and high / unit <= EPOCH[1] for unit in (1, 1000))
        if self.kind != "string":
            return False
        sample = self.sample[:500]
        return sum(bool(re.match(r"\d{4}-\d\d(-\d\d|$)", v.strip())) for v in sample) > 0.95 * len(sample)
