"""Take a backdoor out of a trained network: forget the rows that carry it, and learn that its trigger tells nothing.

`isolated` finds such rows as ABL does (Li et al. 2021): a network whose mean loss is held at `FLOOR` goes on learning what is easiest, and
a backdoor is easiest, *where the classes themselves are hard*: on easy classes it isolates clean rows. Rows that a scan's mined artefact
names (`artefact.present`) are better where there is one. `unlearn` then climbs the loss of those rows, and descends on the others, half of
them with the trigger put in and their true label where a stamp is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as f

from assay.harden.drills import Stamp
from assay.harden.loop import half, scores_of

FLOOR = 0.5  # gamma of ABL's local gradient ascent (section 4.2)
ISOLATING = 5  # epochs with the floor; the paper has 20 of 100
ISOLATING_RATE = 2e-3
RATE = 1e-3  # of unlearning: Adam's own
BATCH = 64


def isolated(net: Any, x: Any, y: Any, share: float, seed: int = 0, epochs: int = ISOLATING) -> Any:
    """(k,) positions of the `share` of rows (x (n, ...), y (n,)) that `net`, untrained, trained here and spent after, learns first."""
    where = next(net.parameters()).device.type
    optimiser = torch.optim.AdamW(net.parameters(), ISOLATING_RATE)
    for epoch in range(epochs):
        net.train()
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(y)))
        for rows in order.split(BATCH):
            with half(where):
                scores = net(x[rows].to(where))
            loss = f.cross_entropy(scores.float(), y[rows].to(where))
            optimiser.zero_grad()
            ((loss - FLOOR).sign() * loss).backward()
            optimiser.step()
    loss = f.cross_entropy(scores_of(net, x), y, reduction="none")
    return torch.argsort(loss, stable=True)[: round(share * len(y))].sort().values


def unlearn(net: Any, x: Any, y: Any, bad: Any, *, stamp: Stamp | None = None, epochs: int = 5, seed: int = 0, rate: float = RATE) -> None:
    """Change `net` in place until rows `bad` (positions in x (n, ...), y (n,)) are no more recognised than by a guess.

    Climbing stops for a row whose loss is that of a guess, log of the number of classes: further up is no better, and ruins the rest.
    """
    where = next(net.parameters()).device.type
    good = torch.ones(len(y), dtype=torch.bool)
    good[bad] = False
    kept = torch.nonzero(good)[:, 0]
    optimiser = torch.optim.AdamW(net.parameters(), rate)
    for epoch in range(epochs):
        rng = np.random.default_rng([seed, epoch])
        net.train()
        for rows in kept[torch.from_numpy(rng.permutation(len(kept)))].split(BATCH):
            inputs = x[rows].clone()
            if stamp is not None:
                inputs[: len(rows) // 2] = stamp(inputs[: len(rows) // 2], rng)
            wrong = torch.from_numpy(rng.choice(np.asarray(bad), min(len(bad), len(rows) // 4), replace=False)) if len(bad) else rows[:0]
            with half(where):
                scores = net(torch.cat([inputs, x[wrong]]).to(where)).float()
            loss = f.cross_entropy(scores, torch.cat([y[rows], y[wrong]]).to(where), reduction="none")
            climbing = loss[len(rows) :]
            climbing = climbing[climbing < np.log(scores.shape[1])]
            optimiser.zero_grad()
            (loss[: len(rows)].mean() - climbing.sum() / max(1, len(wrong))).backward()
            optimiser.step()
    net.eval()
