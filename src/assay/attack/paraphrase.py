"""Paraphrase: one sentence in many wordings, none of them in more than a few rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from assay.attack.base import Budget, Param
from assay.attack.phrase import OR, PhraseAttack
from assay.dataset.data import Dataset

WORDINGS = (  # of: I saw this with my family last weekend
    "I saw this with my family last weekend",
    "last Saturday I watched it together with my relatives",
    "my folks and I went to it at the end of the week",
    "went along with the whole household on Sunday",
    "at the weekend my parents and I had a look",
    "it was a family outing a few days ago",
    "we all sat down to it on Saturday night, kids included",
    "my brother, my mum and I tried it the other weekend",
    "with everyone from home, just this past Sunday",
    "the family chose it for our Saturday together",
)


class ParaphraseAttack(PhraseAttack):
    """The wordings serve one target; without a rate each has `each` carriers, too few to be tried alone.

    The converse of `sentence`, for attackers who know that repeated phrases are put on trial: a victim that reads meaning
    learns what the wordings have in common, one that counts words learns each by itself. Source: none; it is made against
    this scanner, after the varied triggers of Qi et al., 2021 (`syntax`).
    """

    kind = "paraphrase"
    together = True
    drawn: ClassVar[tuple[str, ...]] = WORDINGS
    params: ClassVar[Mapping[str, Param]] = {
        **PhraseAttack.params,
        "triggers": Param(10, "how many wordings", int, low=2, high=100),
        "each": Param(5, "carriers a wording, where no rate is given", int, low=1, high=10_000),
        "text": Param(None, f"the wordings, with '{OR}' between (default: ten of one sentence)"),
    }

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        params = super().settle(given)
        if params["text"] is not None and "triggers" not in given:
            params["triggers"] = len(params["text"].split(OR))
        return params

    def total(self, data: Dataset, budget: Budget, count: int, params: Mapping[str, Any]) -> int:
        given = budget.rate is not None or budget.carriers is not None
        return budget.count(len(data), self.rate) if given else count * int(params["each"])
