"""A torch network trained with differential privacy, as a scikit-learn classifier; needs Opacus (extra `private`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from assay.harden.inner import class_codes
from assay.harden.network import as_inputs
from assay.harden.privacy import raised

Floats = NDArray[np.float64]

RATE = 0.01  # of Adam: noise is averaged away by small steps, and DP needs few of them


class PrivateNetworkClassifier(ClassifierMixin, BaseEstimator):
    """**Guarantee**: the weights are (epsilon, delta)-differentially private in every row, or with `groups` in every contributor, by
    Opacus's accountant; so k poisoned units raise the chance of what they are meant for no further than `raised(probability, k)`.

    DP-SGD by `assay.harden.private_steps`. `epsilon=None`: gradients are clipped and no noise is added, which bounds what a unit can do in
    a step and promises nothing. `shape`, `module` as in `NetworkClassifier`; inputs must be of like scale by other means than these rows.
    Public: as in `PrivateClassifier`. `random_state=None` draws noise from the system. `checkpoint`: a file, written after each pass; an
    interrupted `fit` goes on from it, and it is removed at the end. Keep it as you keep the rows: it names them by a digest. Given a
    `random_state` a run that goes on ends as one that never stopped; else it goes on with new noise, which promises the same.

    After `fit`: `epsilon_` as the accountant counted it, `noise_multiplier_`, `steps_`, `sample_rate_`, `net_`.
    """

    def __init__(
        self,
        epsilon: float | None = 8.0,
        delta: float = 1e-5,
        clip: float = 1.0,
        shape: tuple[int, int, int] | None = None,
        module: Callable[[tuple[int, ...], int], Any] | None = None,
        epochs: int = 20,
        batch: int = 128,
        random_state: int | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[float, float, str], None] | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.delta = delta
        self.clip = clip
        self.shape = shape
        self.module = module
        self.epochs = epochs
        self.batch = batch
        self.random_state = random_state
        self.checkpoint = checkpoint
        self.progress = progress

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:
        """Train on rows (n, d) and labels (n,); `groups` (n,), one contributor a row, makes contributors the unit of privacy."""
        import torch

        from assay.harden.loop import device, held_state, keep_state
        from assay.harden.losses import cross_entropy
        from assay.harden.nets import network
        from assay.harden.private_steps import PrivateSteps

        if self.epsilon is not None and not 0 < self.epsilon < np.inf:
            raise ValueError(f"epsilon is {self.epsilon!r}; give a number above 0, or None for clipping alone")
        if not 0 < self.delta < 1 or self.clip <= 0:
            raise ValueError(f"delta is {self.delta} and clip {self.clip}; give a share in (0, 1) and a length above 0")
        X, y = validate_data(self, X, y, dtype=None if self.shape else np.float64)
        self.classes_, code = class_codes(y)
        unit = np.arange(len(code)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        if len(unit) != len(code):
            raise ValueError(f"groups has {len(unit)} entries for {len(code)} rows")
        inputs, truth, where = as_inputs(X, self.shape), torch.from_numpy(code), device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state or 0)
            shape = tuple(inputs.shape[1:])
            net = self.module(shape, len(self.classes_)) if self.module else network(shape, len(self.classes_), private=True)
        net.to(where)
        units = int(unit.max()) + 1
        self.sample_rate_ = min(1.0, self.batch / units)
        self.steps_ = max(1, round(self.epochs / self.sample_rate_))
        steps = PrivateSteps(
            net, torch.optim.Adam(net.parameters(), RATE), unit,
            epsilon=None if self.epsilon is None else float(self.epsilon), delta=float(self.delta), count=self.steps_,
            rate=self.sample_rate_, clip=float(self.clip), seed=self.random_state,
        )  # fmt: skip
        kept = None if self.checkpoint is None else Path(self.checkpoint)
        run = self._run(inputs, truth, unit)
        if kept is not None and kept.exists():
            steps.resume(held_state(kept, run))
        net.train()
        a_pass = max(1, round(1 / self.sample_rate_))
        for rows in steps:
            losses = cross_entropy(steps(inputs[rows].to(where)), truth[rows].to(where)) if len(rows) else None
            steps.take(losses, rows)
            if steps.done % a_pass == 0:
                if kept is not None:
                    keep_state(kept, run, steps.state())
                if self.progress is not None:
                    self.progress(steps.done, steps.count, "training")
        self.epsilon_, self.noise_multiplier_ = steps.epsilon, steps.noise
        self.net_ = steps.close().eval()
        if kept is not None:
            kept.unlink(missing_ok=True)
        return self

    def raised(self, probability: float, poisons: int) -> float:
        """What `poisons` units can make of an outcome that has this probability without them, at the most."""
        check_is_fitted(self, "net_")
        return raised(probability, poisons, self.epsilon_, self.delta)

    def predict_proba(self, X: Any) -> Floats:
        """(n, classes)."""
        import torch

        from assay.harden.loop import AT_ONCE

        check_is_fitted(self, "net_")
        inputs = as_inputs(validate_data(self, X, dtype=None if self.shape else np.float64, reset=False), self.shape)
        where = next(self.net_.parameters()).device
        with torch.inference_mode():
            parts = [self.net_(inputs[i : i + AT_ONCE].to(where)).softmax(1).cpu() for i in range(0, len(inputs), AT_ONCE)]
        return np.asarray(torch.cat(parts).numpy(), np.float64)

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) classes."""
        said = self.predict_proba(X)
        return np.asarray(self.classes_[said.argmax(1)])

    def _run(self, x: Any, y: Any, unit: NDArray[np.int64]) -> str:
        """What tells one run from another: the rows, whose they are, and every setting."""
        settings = (self.epsilon, self.delta, self.clip, self.shape, self.epochs, self.batch, self.random_state)
        said = sha256(repr(settings).encode())
        for array in (x.numpy(), y.numpy(), unit):
            said.update(np.ascontiguousarray(array).tobytes())
        return said.hexdigest()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        tags.classifier_tags.poor_score = True  # on the some hundred rows of the checks noise is as large as what there is to learn
        return tags
