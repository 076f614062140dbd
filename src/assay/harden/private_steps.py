"""Differentially private steps for any torch loop, through Opacus: a few lines change, and the accountant says what was spent.

    steps = PrivateSteps(net, torch.optim.SGD(net.parameters(), 0.1), contributors, epsilon=8.0, delta=1e-5, count=500, rate=0.05)
    for rows in steps:                                  # positions of the rows whose units were drawn
        steps.take(row_losses(net(x[rows]), y[rows]), rows)
    steps.epsilon

A *unit* is what privacy is promised to: a row, or a contributor with all their rows, however many. Each step draws every unit with chance
`rate` (Poisson sampling), clips the sum of each unit's gradients to `clip`, adds Gaussian noise, and is counted by Opacus's Renyi
accountant (Abadi et al. 2016; Mironov, Talwar & Zhang 2019; McMahan et al. 2018 for whole contributors). Neighbours and what is public:
`assay.harden.privacy`; noise is PyTorch's, in single precision, not cryptographic. The network must not look at a batch as a whole: batch
normalisation is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Int = NDArray[np.int64]


@lru_cache(maxsize=64)
def noise_for(epsilon: float, delta: float, rate: float, count: int) -> float:
    """The noise multiplier at which Opacus's accountant counts no more than `epsilon`; found anew, it takes a second."""
    from opacus.accountants.utils import get_noise_multiplier

    return float(get_noise_multiplier(target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=count, accountant="rdp"))


class PrivateSteps:
    """`unit` (n,): whose each row is, 0 .. units - 1. `epsilon=None`: clipping alone, with no noise and no promise. `seed=None` draws noise
    from the system's entropy; a seed that others may learn undoes the promise. ValueError where the network cannot be made private.
    """

    def __init__(
        self,
        net: Any,
        optimiser: Any,
        unit: Int,
        *,
        epsilon: float | None,
        delta: float,
        count: int,
        rate: float,
        clip: float = 1.0,
        seed: int | None = None,
    ) -> None:
        from opacus import GradSampleModule
        from opacus.accountants import RDPAccountant
        from opacus.optimizers import DPOptimizer
        from opacus.validators import ModuleValidator

        wrong = ModuleValidator.validate(net, strict=False)
        if wrong:
            raise ValueError(f"the network cannot be trained privately: {wrong[0]}")
        self.unit = np.asarray(unit, np.int64)
        self.units = int(self.unit.max()) + 1
        self.rate, self.delta, self.count = rate, delta, count
        self.noise = 0.0
        if epsilon is not None:
            self.noise = noise_for(epsilon, delta, rate, count)
        entropy = np.random.SeedSequence(seed)
        self._seeded, self.done = seed is not None, 0
        self._drawn = np.random.default_rng(entropy)
        self._noise = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))
        self.net = GradSampleModule(net, loss_reduction="sum")
        self.optimiser = DPOptimizer(
            optimiser, noise_multiplier=self.noise, max_grad_norm=clip, expected_batch_size=rate * self.units, generator=self._noise
        )
        self.accountant = RDPAccountant()
        self.optimiser.attach_step_hook(self.accountant.get_optimizer_hook_fn(sample_rate=rate))
        self._order = np.argsort(self.unit, kind="stable")
        self._start = np.searchsorted(self.unit[self._order], np.arange(self.units + 1))

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self.done, self.count):
            drawn = np.flatnonzero(self._drawn.random(self.units) < self.rate)
            parts = [self._order[self._start[u] : self._start[u + 1]] for u in drawn]
            yield torch.from_numpy(np.concatenate(parts) if parts else self._order[:0])

    def __call__(self, x: Any) -> Any:
        """Scores of a batch, through the network as it is watched; a batch without rows too."""
        return self.net(x)

    def take(self, losses: Any, rows: Any) -> None:
        """One step down the losses (m,) of the rows (m,) that were drawn."""
        self.optimiser.zero_grad()
        if len(rows):
            losses.sum().backward()
            self._by_unit(rows)
        else:  # nobody was drawn: noise all the same, or the step would tell so
            for parameter in self.optimiser.params:
                parameter.grad_sample = torch.zeros(1, *parameter.shape, device=parameter.device)
        self.optimiser.step()
        self.done += 1

    def state(self) -> dict[str, Any]:
        """Where it stands, for a checkpoint. Weights and moments are as private as the model. Of a seeded run it also holds where the
        draws stand, from which noise to come could be told; of an unseeded one it does not: that goes on with noise of its own."""
        held = {"done": self.done, "net": self.net.state_dict(), "optimiser": self.optimiser.original_optimizer.state_dict()}
        return held | ({"drawn": json.dumps(self._drawn.bit_generator.state), "noise": self._noise.get_state()} if self._seeded else {})

    def resume(self, held: Mapping[str, Any]) -> None:
        """Go on from a `state`; the accountant counts the steps that were taken before."""
        self.done = int(held["done"])
        self.net.load_state_dict(held["net"])
        self.optimiser.original_optimizer.load_state_dict(held["optimiser"])
        self.accountant.history = [(self.noise, self.rate, self.done)] if self.done else []
        if self._seeded:
            self._drawn.bit_generator.state = json.loads(held["drawn"])
            self._noise.set_state(held["noise"])

    @property
    def epsilon(self) -> float:
        """What the accountant has counted so far; infinite without noise."""
        return float(self.accountant.get_epsilon(self.delta)) if self.noise else float("inf")

    def close(self) -> Any:
        """The network without its watch, as it was given."""
        return self.net.to_standard_module()

    def _by_unit(self, rows: Any) -> None:
        """Gradients of rows as gradients of units: the sum over each unit's rows, which is then clipped as one."""
        owners, place = np.unique(self.unit[rows.numpy()], return_inverse=True)
        if len(owners) == len(rows):
            return
        where = torch.from_numpy(place)
        for parameter in self.optimiser.params:
            of_rows = parameter.grad_sample
            parameter.grad_sample = torch.zeros(len(owners), *parameter.shape, device=of_rows.device).index_add_(
                0, where.to(of_rows.device), of_rows
            )
