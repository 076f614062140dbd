"""The gate's own model: a linear classifier on hashed words or on numbers, which learns row by row and is kept as arrays.

It stands for the model behind the gate, where that one cannot be asked to try things out; what it let through is what the other
may learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

from assay.dataset.errors import DataError
from assay.watch.events import column_of, numbers, words

Floats = NDArray[np.float64]
BITS = 15  # of hashed words: 32,768 weights a class are 256 kB, of which the gate keeps some twenty
# Step sizes of plain online learning, neither of them fitted to anything: rows of words have length 1, numbers have spread 1 each.
STEP, DECAY = {"text": 1.0, "numbers": 0.01}, {"text": 1e-5, "numbers": 1e-3}


@dataclass(frozen=True)
class View:
    """What the gate's model sees of a row: one column of `text`, or columns of numbers, with their `middle` and `spread`."""

    text: str | None
    features: tuple[str, ...] = ()
    middle: Floats | None = None
    spread: Floats | None = None

    @classmethod
    def of(cls, table: pa.Table, text: str | None, features: Sequence[str]) -> View:
        """Fitted on trusted rows. Raises DataError where columns are missing or hold no numbers."""
        if (text is None) == (not features):
            raise DataError("the gate looks at text or at numbers", remedy="give --text COLUMN, or --feature COLUMN,COLUMN")
        for name in [text] if text is not None else features:
            if name not in table.column_names:
                raise DataError("there is no such column", column=name, remedy=f"there are: {', '.join(table.column_names)}")
        if text is not None:
            return cls(text)
        x = np.stack([numbers(column_of(table, name), name) for name in features], axis=1)
        with np.errstate(invalid="ignore"):
            middle, spread = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
        return cls(None, tuple(features), middle, np.where(spread > 0, spread, 1.0))

    def of_rows(self, table: pa.Table) -> Any:
        """(n, width) what the model sees, sparse for text; a missing number is taken for the middle."""
        if self.text is not None:
            said = [t or "" for t in words(column_of(table, self.text))]
            return HashingVectorizer(n_features=1 << BITS, alternate_sign=False).transform(said)
        assert self.middle is not None
        assert self.spread is not None
        x = np.stack([numbers(column_of(table, name), name) for name in self.features], axis=1)
        return np.nan_to_num((x - self.middle) / self.spread, nan=0.0)

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        kept = {} if self.middle is None or self.spread is None else {"middle": self.middle.tolist(), "spread": self.spread.tolist()}
        return {"text": self.text, "features": list(self.features), **kept}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> View:
        """The inverse of `to_json`."""
        if "middle" not in data:
            return cls(data["text"])
        return cls(data["text"], tuple(data["features"]), np.array(data["middle"], float), np.array(data["spread"], float))

    def model(self) -> SGDClassifier:
        """A model that has learnt nothing."""
        kind = "numbers" if self.text is None else "text"
        return SGDClassifier(loss="log_loss", alpha=DECAY[kind], learning_rate="constant", eta0=STEP[kind], random_state=0)


def arrays_of(model: SGDClassifier) -> dict[str, NDArray[Any]]:
    """What a model has learnt."""
    return {"coef": model.coef_, "intercept": model.intercept_, "t": np.array(model.t_)}


def model_of(view: View, arrays: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> SGDClassifier:
    """The inverse of `arrays_of`: learns on, and answers, as the model did."""
    model = view.model()
    model.coef_, model.intercept_, model.t_ = arrays["coef"], arrays["intercept"], float(arrays["t"])
    model.classes_, model.n_features_in_ = np.array(classes), arrays["coef"].shape[1]
    return model
