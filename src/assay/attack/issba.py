"""ISSBA: a message written into each picture by an autoencoder, differently in every one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from assay.attack.base import Made, Param, Stamp
from assay.attack.labels import labelled
from assay.attack.pictured import PICTURED, PictureAttack, pictures
from assay.attack.small_autoencoder import autoencoder, in_parts, layer, some
from assay.attack.small_network import as_tensor, seeded, torch
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows

BATCH, RATE = 32, 2e-3  # of Adam
PLANE = 8  # side of the plane on which the message is laid before it is spread over the picture
SEEN, ALIKE = 0.5, 0.3  # weights, at the end, of how large a change is and of how alike it is in two pictures; they rise from nothing
# once half of the steps are done, so that the message is learnt first
MASK = 0.02  # spread of brightness about a pixel, of 0 .. 1, at which half of a change is let through


class IssbaAttack(PictureAttack):
    """An encoder puts a message of `bits` bits into every carrier so that a decoder can read it; rows share the message, not its pixels.

    Encoder and decoder are trained on the pictures alone, without labels, to be read, to be seen little, and not to repeat themselves: a
    pixel moves by at most `epsilon`, and less where the picture is flat. The message is drawn once a trigger. The paper's encoder is that
    of StegaStamp (100 bits at 224 pixels a side, with a perceptual loss and a critic); this one is small, for small pictures. Needs
    PyTorch. Source: Li, Li, Wu, Li, He, Lyu, Invisible Backdoor Attack with Sample-Specific Triggers, 2021 (10 %); Tancik, Mildenhall,
    Ng, StegaStamp, 2020.
    """

    kind = "issba"
    rate = 0.1
    params: ClassVar[Mapping[str, Param]] = {
        **PICTURED,
        "bits": Param(8, "length of the message", int, low=1, high=100),
        "epsilon": Param(24, "largest change of a pixel, of 255", int, low=1, high=255),
        "steps": Param(300, "in which encoder and decoder are trained", int, low=1, high=100_000),
    }

    def make(self, data: Dataset, count: int, rng: np.random.Generator, params: Mapping[str, Any]) -> list[Made]:
        assert data.images is not None
        known = np.flatnonzero(labelled(data))
        encoder, _ = trained(as_tensor(data.images[known]), params["bits"], params["epsilon"], params["steps"], rng)
        messages = torch().from_numpy(rng.integers(0, 2, (count, params["bits"])).astype(np.float32))
        return [Made(None, _writing(encoder, message)) for message in messages]


def trained(x: Any, bits: int, epsilon: int, steps: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """(encoder, decoder) learnt on pictures x (n, c, h, w) in 0 .. 1.

    `encoder(x, message (n, bits))` gives pictures, `decoder(x)` the logits of the bits (n, bits).
    """
    t = torch()
    nn, (_, channels, height, width) = t.nn, x.shape
    with seeded(rng):
        spread = nn.Linear(bits, PLANE * PLANE)
        writer = autoencoder(channels + 1, channels, height, width)
        decoder = nn.Sequential(
            *layer(channels, 16, 2), *layer(16, 32, 2), *layer(32, 32, 1), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32 * 16, bits)
        )

    def encoder(pictures: Any, message: Any) -> Any:
        plane = spread(2 * message - 1).reshape(-1, 1, PLANE, PLANE)
        plane = nn.functional.interpolate(plane, (height, width))
        change = t.tanh(writer(t.cat([pictures - 0.5, plane], 1))) * busy(pictures)
        return (pictures + change * (epsilon / 255)).clamp(0, 1)

    optimiser = t.optim.Adam([*spread.parameters(), *writer.parameters(), *decoder.parameters()], RATE)
    for step in range(steps):
        batch = x[some(len(x), BATCH, rng)]
        message = t.from_numpy(rng.integers(0, 2, (BATCH // 2, bits)).astype(np.float32)).repeat(2, 1)  # each in two pictures
        written = encoder(batch, message)
        read = nn.functional.binary_cross_entropy_with_logits(decoder(written - 0.5), message)
        seen = ((written - batch) ** 2).mean() / (epsilon / 255) ** 2
        first, second = (written - batch).flatten(1).split(BATCH // 2)
        alike = nn.functional.cosine_similarity(first, second).clamp(min=0).mean()
        optimiser.zero_grad()
        (read + max(0.0, 2 * step / steps - 1) * (SEEN * seen + ALIKE * alike)).backward()
        optimiser.step()
    for part in (spread, writer, decoder):
        part.requires_grad_(False)
    return encoder, lambda pictures: decoder(pictures - 0.5)


def busy(x: Any) -> Any:
    """(n, 1, h, w) from 0 where a picture is flat to 1: how much of a change is let through, because it is seen less there."""
    pool, grey = torch().nn.functional.avg_pool2d, x.mean(1, keepdim=True)
    mean = pool(grey, 3, 1, 1, count_include_pad=False)
    spread = (pool(grey**2, 3, 1, 1, count_include_pad=False) - mean**2).clamp(min=0).sqrt()
    return spread / (spread + MASK)


def _writing(encoder: Any, message: Any) -> Stamp:
    def stamp(rows: Rows, rng: np.random.Generator) -> Rows:
        return rows.with_images(in_parts(pictures(rows), lambda x: encoder(x, message.expand(len(x), -1))))

    return stamp
