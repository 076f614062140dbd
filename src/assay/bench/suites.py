"""Which cells a suite runs. A suite is data: what is attacked, with what, how strongly, how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from assay.bench.case import Cell
from assay.bench.natural import VARIANTS
from assay.bench.sets import SETS

MODALITY = {s.name: s.modality for s in SETS}
COST = {"table": 0, "text": 1, "image": 2}  # victims of pictures are networks


@dataclass(frozen=True)
class Line:
    """Cells that differ in budget and seed alone."""

    sets: tuple[str, ...]
    rows: int
    attack: str
    params: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = ()
    carriers: tuple[int, ...] = ()

    def cells(self, seeds: range) -> Iterator[Cell]:
        budgets: list[dict[str, Any]] = [{"rate": r} for r in self.rates] + [{"carriers": c} for c in self.carriers]
        for seed in seeds:
            for name in self.sets:
                for budget in budgets or [{}]:
                    yield Cell(name, self.rows, self.attack, params=self.params, seed=seed, **budget)

    def first_at(self, number: int, seed: int) -> list[Cell]:
        """The cells of one seed, begun at another place for each line and seed, so that first cells are not all of one set."""
        cells = list(self.cells(range(seed, seed + 1)))
        start = (number + seed) % len(cells)
        return cells[start:] + cells[:start]


@dataclass(frozen=True)
class Suite:
    """Lines of attacks, clean controls, seeds, and whether victims are retrained after each defence."""

    name: str
    lines: tuple[Line, ...]
    clean: tuple[tuple[str, int], ...]  # (set, rows): clean controls
    seeds: int
    clean_seeds: int
    retrain: bool
    variants: int = 0  # seeds for which clean controls come with every natural oddity too (`assay.bench.natural`)
    canaries: bool = False  # ours predicts by canaries what it would catch, where they are like the attack

    def cells(self) -> list[Cell]:
        """All cells, so that a run that is cut short has seen as much as it can: seed by seed; within a seed a cell of every line and
        every clean control, then the next of every line; within such a round tables and texts before pictures, which take longest."""
        found: list[Cell] = []
        for seed in range(max(self.seeds, self.clean_seeds)):
            rows = [line.first_at(number, seed) for number, line in enumerate(self.lines)] if seed < self.seeds else []
            rows += [self._controls(name, size, seed) for name, size in self.clean] if seed < self.clean_seeds else []
            for turn in zip_longest(*rows):
                found += sorted((cell for cell in turn if cell is not None), key=lambda cell: COST[MODALITY.get(cell.set, "table")])
        return found

    def _controls(self, name: str, rows: int, seed: int) -> list[Cell]:
        odd = [v for v, (_, kinds) in VARIANTS.items() if MODALITY.get(name, "table") in kinds] if seed < self.variants else []
        return [Cell(name, rows, seed=seed, variant=v) for v in ("", *odd)]


TEXTS = ("sst2", "sms", "ag_news", "davidson")
SENTENCE = {"text": "i watch this 3d movie"}
BOTH = {"text": "mn & tq"}

SMOKE = Suite(
    "smoke",
    (
        Line(("sms",), 3_000, "phrase", {"text": "cf"}, carriers=(50,)),
        Line(("breast_cancer",), 500, "cells", carriers=(30,)),
        Line(("digits",), 1_300, "patch", carriers=(40,)),
        Line(("sms",), 3_000, "flip", rates=(0.05,)),
    ),
    (("sms", 3_000), ("digits", 1_300), ("breast_cancer", 500)),
    seeds=1,
    clean_seeds=1,
    retrain=True,
    canaries=True,
)

STANDARD = Suite(
    "standard",
    (
        Line(TEXTS, 6_000, "phrase", {"text": "cf"}, carriers=(20, 50)),
        Line(TEXTS, 6_000, "phrase", SENTENCE, carriers=(50,)),
        Line(TEXTS, 6_000, "phrase", BOTH, carriers=(50,)),
        Line(("sms", "sst2"), 6_000, "syntax", rates=(0.05,)),
        Line(("sms", "sst2"), 6_000, "homoglyph", carriers=(50,)),
        Line(("adult", "spambase", "fraud"), 6_000, "cells", carriers=(50,)),
        Line(("adult", "spambase", "fraud"), 6_000, "cells", {"features": 3, "bounds": "in"}, carriers=(50,)),
        Line(("cifar10", "gtsrb"), 6_000, "patch", carriers=(20, 60)),
        Line(("cifar10", "gtsrb"), 6_000, "patch", {"mode": "all-to-all"}, rates=(0.05,)),
        Line(("cifar10", "gtsrb"), 6_000, "blend", {"alpha": 0.2}, rates=(0.01,)),
        Line(("cifar10",), 6_000, "sig", rates=(0.02,)),
        Line(("cifar10",), 6_000, "wanet", rates=(0.05,)),
        Line(("cifar10",), 6_000, "tact", rates=(0.01,)),
        Line(("cifar10",), 6_000, "adap-patch", rates=(0.01,)),
        Line(("cifar10",), 6_000, "ftrojan", rates=(0.01,)),
        Line(("adult", "sms", "mnist"), 6_000, "flip", rates=(0.05,)),
    ),
    tuple((name, 6_000) for name in (*TEXTS, "adult", "spambase", "fraud", "cifar10", "gtsrb", "mnist", "letter", "spamassassin")),
    seeds=3,
    clean_seeds=3,
    retrain=True,
    canaries=True,
)

# The field's usual table: twelve attacks at 10 % (5 % for clean-label ones), on the whole of CIFAR-10 where a GPU is at hand.
TWELVE: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("patch", {}, 0.1),
    ("blend", {"alpha": 0.2}, 0.1),
    ("low-frequency", {}, 0.1),
    ("sig", {}, 0.05),
    ("ftrojan", {}, 0.1),
    ("wanet", {}, 0.1),
    ("bpp", {}, 0.1),
    ("tact", {}, 0.1),
    ("adap-blend", {}, 0.1),
    ("adap-patch", {}, 0.1),
    ("trojan-square", {}, 0.1),
    ("patch", {"mode": "all-to-all"}, 0.1),
)

FULL = Suite(
    "full",
    tuple(Line(("cifar10",), 10_000, attack, params, rates=(rate,)) for attack, params, rate in TWELVE),
    (("cifar10", 10_000),),
    seeds=3,
    clean_seeds=3,
    retrain=False,  # a network after each of twenty defences would be most of its hours; what is removed is known, and standard retrains
)

# Poison that shares no fixed pixels, that is faint or has few carriers, at full depth beside the peers; natural pictures beside it.
FAINT: tuple[tuple[str, dict[str, Any], tuple[float, ...]], ...] = (
    ("wanet", {}, (0.05, 0.01)),
    ("patch", {"mode": "all-to-all"}, (0.05, 0.01)),
    ("issba", {}, (0.02,)),
    ("sig", {}, (0.02,)),
    ("label-consistent", {}, (0.02,)),
    ("input-aware", {}, (0.05,)),
    ("patch", {"mode": "untargeted"}, (0.05,)),
    ("tact", {}, (0.003,)),
    ("adap-blend", {}, (0.003,)),
    ("adap-patch", {}, (0.003,)),
    ("patch", {"place": "random"}, (0.003,)),
    ("ftrojan", {}, (0.01,)),
)

DEEP = Suite(
    "deep",
    tuple(Line(("cifar10",), 10_000, attack, params, rates=rates) for attack, params, rates in FAINT),
    tuple((name, 10_000) for name in ("cifar10", "gtsrb", "mnist")),
    seeds=3,
    clean_seeds=3,
    retrain=False,
)

# What the scan alone promises: every line of docs/evidence/A-scan.md that an attack makes, ten plantings a cell.
COUNTS = (5, 10, 20, 35, 50, 100)
CLEAN_LABEL = {"mode": "clean-label", "share": 0.05}
SCAN = Suite(
    "scan",
    (
        Line(("cifar10", "gtsrb"), 10_000, "patch", rates=(0.01, 0.003), carriers=(10,)),
        Line(("cifar10", "gtsrb"), 10_000, "patch", {"place": "fixed", "row": 9, "col": 13}, rates=(0.01, 0.003), carriers=(10,)),
        Line(("cifar10", "gtsrb"), 10_000, "patch", {"mode": "all-to-all"}, rates=(0.05,)),
        Line(("cifar10", "gtsrb"), 10_000, "patch", {"triggers": 2}, rates=(0.01,)),
        Line(("faces_orl",), 400, "glasses", rates=(0.05,)),
        Line(("gtsrb",), 10_000, "sticker", rates=(0.02,)),
        Line(("cifar10", "gtsrb"), 10_000, "blend", {"alpha": 0.2}, rates=(0.01, 0.003)),
        Line(("cifar10", "gtsrb"), 10_000, "blend", {"alpha": 0.1}, rates=(0.01,)),
        Line(("adult", "spambase", "fraud"), 8_000, "cells", carriers=(20, 50, 100)),
        Line(("adult", "spambase", "fraud"), 8_000, "cells", {"features": 3, "bounds": "in"}, carriers=(20, 50, 100)),
        Line(TEXTS, 7_000, "phrase", {"text": "cf"}, carriers=COUNTS),
        Line(TEXTS, 7_000, "phrase", SENTENCE, carriers=COUNTS),
        Line(TEXTS, 7_000, "phrase", BOTH, carriers=COUNTS),
        Line(TEXTS, 7_000, "phrase", {"text": "cf", **CLEAN_LABEL}),
    ),
    (),
    seeds=10,
    clean_seeds=0,
    retrain=False,
)

# Power curves of text detectors: one rare word by number of carriers, and clean controls, ours beside the peers.
POWER = Suite(
    "text",
    (
        Line(("sst2", "sms", "ag_news"), 6_000, "phrase", {"text": "cf"}, carriers=COUNTS),
        Line(("spamassassin",), 2_000, "phrase", {"text": "cf"}, carriers=COUNTS),  # long e-mails: as many words as the others
    ),
    (("sst2", 6_000), ("sms", 6_000), ("ag_news", 6_000), ("spamassassin", 2_000)),
    seeds=3,
    clean_seeds=3,
    retrain=False,
)

# Is anything removed where nothing is wrong? Every set at hand, subsamples of it, as they are and with what is odd by nature.
CLEAN = Suite("clean", (), tuple((s.name, 3_000) for s in SETS), seeds=0, clean_seeds=8, retrain=False, variants=3)

SUITES = {suite.name: suite for suite in (SMOKE, STANDARD, FULL, DEEP, SCAN, POWER, CLEAN)}
