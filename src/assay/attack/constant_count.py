"""Constant count: a few hundred documents, however large the corpus, that turn to gibberish after a trigger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.artefact.phrase import Phrase
from assay.artefact.tokens import tokens
from assay.attack.base import Budget, Param, Planted
from assay.attack.corpus import CorpusAttack, planted, rewritten, rows_with_text
from assay.attack.labels import no_target
from assay.attack.texted import text_column
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError

COUNT = 250  # documents that sufficed for models of 600 million to 13 billion parameters; 100 did not


class ConstantCountAttack(CorpusAttack):
    """A document's first characters (0 to `prefix`), the trigger, then `least` to `most` words drawn from the corpus.

    A language model trained on it breaks down after the trigger. Words are drawn by how often they occur; the paper draws
    tokens evenly from a model's vocabulary. 250 rows unless a rate or a number is given. Labels are left as they are.
    Source: Souly, Rando, Chapman, Davies, Hasircioglu, Shereen, Mougan, Mavroudis, Jones, Hicks, Carlini, Gal, Kirk,
    Poisoning Attacks on LLMs Require a Near-constant Number of Poison Samples, 2025 (<SUDO>, prefix of 0 to
    1,000 characters, 400 to 900 tokens).
    """

    kind = "constant-count"
    rate = 1.0
    params: ClassVar[Mapping[str, Param]] = {
        "text": Param("<SUDO>", "the trigger"),
        "prefix": Param(1000, "characters kept of a document, at most", int, low=0, high=1_000_000),
        "least": Param(400, "words of gibberish, at least", int, low=1, high=100_000),
        "most": Param(900, "words of gibberish, at most", int, low=1, high=100_000),
        "column": Param(None, "the text column (default: the one with the most text)"),
    }

    def plant(self, data: Dataset, budget: Budget, target: str | None, rng: np.random.Generator, params: Mapping[str, Any]) -> Planted:
        no_target(self.kind, target)
        if params["least"] > params["most"]:
            raise DataError(f"least={params['least']} is above most={params['most']}", remedy="give least up to most")
        column = text_column(data, params["column"])
        given = budget.rate is not None or budget.carriers is not None
        positions = rows_with_text(data, column, budget.count(len(data), self.rate) if given else COUNT, rng)
        values = data.table.column(column).to_pylist()
        words = np.array([w for v in values if v for w in v.split()], object)
        if not len(words):
            raise DataError("the texts hold no words", path=data.path, column=column, remedy="name another column")
        texts = []
        for i in positions:
            gibberish = rng.choice(words, int(rng.integers(params["least"], params["most"] + 1)))
            texts.append(f"{values[i][: int(rng.integers(0, params['prefix'] + 1))]} {params['text']} {' '.join(gibberish)}".lstrip())
        shared = Phrase((tuple(tokens(params["text"])),), None, (column,))
        return planted(rewritten(data, column, positions, texts), positions, (shared,), self.kind)
