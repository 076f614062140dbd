"""A torch network as a scikit-learn classifier, with every defence of this room: guards, robust losses, drills, weights, isolation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from assay.harden.inner import class_codes

Floats = NDArray[np.float64]

PIXEL = 255.0


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A network trained by `assay.harden.loop`, wherever scikit-learn takes a classifier: alone, or as a member of `PartitionedClassifier`.

    `shape=None`: rows (n, d) are numbers. `shape=(h, w, c)`: each row is a picture, its pixels of 0 .. 255 in one line, so that pictures go
    where rows go. `module`: a function of (input shape, classes) that makes the torch module; default `assay.harden.nets.network`. `loss`:
    "cross-entropy", "generalised" or "symmetric". `epochs`: more where there are too few rows for `least_steps`. `guard`: `SmallLoss(...)`,
    `GradientGroups(...)`; `drill`: a `Drill`. `checkpoint`: a file; an interrupted `fit` goes on from it, and it is removed at the end,
    unless `keep_checkpoint`: then another `fit` on the same rows gives what was learnt, at once.

    After `fit`: `net_`, `weight_` (n,) what each row counted in the last epoch. Deterministic given `random_state`, the machine and its
    number of threads.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> bool(NetworkClassifier(epochs=5).fit(x, y).score(x, y) > 0.9)
    True
    """

    def __init__(
        self,
        shape: tuple[int, int, int] | None = None,
        module: Callable[[tuple[int, ...], int], Any] | None = None,
        loss: str = "cross-entropy",
        guard: Any = None,
        drill: Any = None,
        epochs: int = 12,
        batch: int = 64,
        least_steps: int = 400,
        checkpoint: str | Path | None = None,
        keep_checkpoint: bool = False,
        random_state: int = 0,
        progress: Callable[[float, float, str], None] | None = None,
    ) -> None:
        self.shape = shape
        self.module = module
        self.loss = loss
        self.guard = guard
        self.drill = drill
        self.epochs = epochs
        self.batch = batch
        self.least_steps = least_steps
        self.checkpoint = checkpoint
        self.keep_checkpoint = keep_checkpoint
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any, weights: Any = None) -> Self:
        """Train on rows (n, d) and labels (n,); `weights` (n,) what each row counts, as `weights_of` gives them."""
        import torch

        from assay.harden.loop import Recipe, device, learn
        from assay.harden.losses import LOSSES
        from assay.harden.nets import network

        if self.loss not in LOSSES:
            raise ValueError(f"no loss {self.loss!r}; there are {', '.join(LOSSES)}")
        X, y = validate_data(self, X, y, dtype=None if self.shape else np.float64)
        self.classes_, code = class_codes(y)
        inputs = as_inputs(X, self.shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            net = (self.module or network)(tuple(inputs.shape[1:]), len(self.classes_)).to(device())
        path = None if self.checkpoint is None else Path(self.checkpoint)
        self.weight_ = learn(
            net,
            inputs,
            torch.from_numpy(code),
            Recipe(epochs=self.epochs, batch=self.batch, least_steps=self.least_steps, loss=self.loss),
            self.random_state,
            classes=len(self.classes_),
            weights=None if weights is None else torch.from_numpy(np.asarray(weights, np.float32)),
            guard=self.guard,
            drill=self.drill,
            checkpoint=path,
            progress=self.progress or (lambda *_: None),
        ).numpy()
        self.net_ = net
        if path is not None and not self.keep_checkpoint:
            path.unlink(missing_ok=True)
        return self

    def decision_function(self, X: Any) -> Floats:
        """(n, classes) scores before the softmax; (n,) of the second class less the first where there are two."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> Floats:
        """(n, classes)."""
        scores = self._scores(X)
        raised = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(raised / raised.sum(1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) classes."""
        scores = self._scores(X)
        return np.asarray(self.classes_[scores.argmax(1)])

    def inputs(self, X: Any) -> Any:
        """Rows as the network takes them: (n, d), or (n, c, h, w) in 0 .. 1."""
        check_is_fitted(self, "net_")
        return as_inputs(validate_data(self, X, dtype=None if self.shape else np.float64, reset=False), self.shape)

    def _scores(self, X: Any) -> Floats:
        inputs = self.inputs(X)
        from assay.harden.loop import scores_of

        return np.asarray(scores_of(self.net_, inputs).numpy(), np.float64)


def as_inputs(x: NDArray[Any], shape: tuple[int, ...] | None) -> Any:
    """Rows as a network takes them: numbers (n, d) as they are; pixels of 0 .. 255 in one line, of shape (h, w, c), as (n, c, h, w) in
    0 .. 1."""
    import torch

    if not shape:
        return torch.from_numpy(np.ascontiguousarray(x, np.float32))
    pictures = x.reshape(len(x), *shape).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(pictures, np.float32) / np.float32(PIXEL))
