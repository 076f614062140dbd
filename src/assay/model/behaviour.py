"""One verdict on a model from all checks of its behaviour, under one bound on false alarms.

**If the classes of a clean model draw the log of each figure from one normal law, a clean model is called backdoored with a chance of
about alpha at most**: the figures of a class are summed and the sums joined into one p-value (`weighed`); all classes, and all shifts
of them, share alpha (Bonferroni). With clean twins each class is compared with itself in them instead, and the law needed is weaker
(`assay.model.twins`). How often clean models are accused is measured, not proved: docs/evidence. Nothing found is never "clean": it is
"inconclusive", and the reasons are said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError
from assay.model.extract import Extracted, extract
from assay.model.features import FEATURES, Inside, search_inside
from assay.model.margins import LEAST_CLASSES, channel_outliers, joined, last_layer, maximum_margins, pull, standing_apart, summed
from assay.model.networks import Network, accuracy, bare, predict
from assay.model.redrawn import redraw
from assay.model.search import Change, Overlaid, Patched, Searched, Warped, into_classes, reached, search, shifts
from assay.model.twins import LEAST_TWINS, against_twins
from assay.model.weights import Array

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Verdict = Literal["backdoored", "inconclusive"]
Figures = Mapping[str, Floats]

SHARE = {True: 0.9, False: 0.1}  # of alpha, for classes and for shifts of all classes, run or not: all-to-all is seldom seen
FIRST = 0.5  # of alpha, for the checks without data where there are twins: what they accuse needs no search among all classes
LEAST_FIT = 3.0  # times the accuracy of a guess: below, the network or the scale of its pixels was put together wrongly
LEAST_PICTURES = 32
AT_MOST = 128  # clean pictures used: half to search, half to measure
CHANGES: tuple[type[Change], ...] = (Patched, Overlaid, Warped)
ALONE = ("maximum margin", "last layer")
DATA_FREE = (*ALONE, "pull")  # the last one tells beside twins only: by nature classes differ much in it
NO_FEATURES = f"{FEATURES} inversion"  # a network may have no layer through which everything goes
SHIFT = "shifted patch"  # the one check of the family of shifts


@dataclass(frozen=True)
class Check:
    """One figure for every class (of the shifts: for every shift k = 1, 2, ..), and each one's p-value against the others.

    Of a search the figure is the size of the change found, over the odds that it turns a held-back picture; `sizes` are those alone.
    """

    name: str
    values: tuple[float, ...]
    p: tuple[float, ...]
    sizes: tuple[float, ...] = ()

    @property
    def target(self) -> int:
        """The class, or the shift less 1, that stands out most."""
        return int(np.argmin(self.p))


@dataclass(frozen=True)
class Behaviour:
    """What was seen. `p_class` (classes,): all checks of a class joined, that class alone; `p`: over all classes and shifts. `triggers` of
    the accused, the most telling first."""

    verdict: Verdict
    family: str
    p: float
    p_class: tuple[float, ...]
    target: int | None
    checks: tuple[Check, ...]
    triggers: tuple[Extracted, ...]
    channels: dict[str, list[int]]
    accuracy: float | None
    notes: tuple[str, ...]
    not_run: tuple[str, ...]
    twins: int = 0  # that the classes were compared with; 0: with one another

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "network": self.family,
            "p": self.p,
            "p_class": list(self.p_class),
            "target": self.target,
            "accuracy_on_clean_rows": self.accuracy,
            "twins": self.twins,
            "checks": [{"name": c.name, "p": list(c.p), "values": list(c.values), "sizes": list(c.sizes)} for c in self.checks],
            "triggers": [t.to_json() for t in self.triggers],
            "channels_with_large_constants": self.channels,
            "notes": list(self.notes),
        }


def inspect_behaviour(
    network: Network,
    weights: Mapping[str, Array],
    rng: np.random.Generator,
    *,
    images: UInt8 | None = None,
    y: Int | None = None,
    alpha: float = 0.01,
    twins: Sequence[Figures] = (),
    say: Callable[[str], None] = lambda _: None,
) -> Behaviour:
    """All checks that can be made. `images` (n, h, w, c): clean pictures in the network's own size, `y` (n,) the numbers of its outputs;
    without them the network's own answers stand in. `twins`: the figures of clean models of the same kind (`figures`).

    Deterministic given `rng`. DataError where the pictures do not fit the network, or the twins have other classes.
    """
    _alike(twins, network.classes)
    notes, not_run = list(network.notes), []
    if network.classes < LEAST_CLASSES:
        notes.append(f"{network.classes} classes: too few to compare with one another")
    say("maximum margin of every class")
    checks = [_check(DATA_FREE[0], maximum_margins(network, rng), twins)]
    named = bare(weights)
    rows = last_layer(named, network.classes)
    if len(rows):
        checks += [_check(DATA_FREE[1], rows, twins), _check(DATA_FREE[2], pull(named, network.classes), twins)]
    fits, right = True, None
    searched: dict[str, tuple[Searched, Int]] = {}
    inside: Inside | None = None
    triggers: tuple[Extracted, ...] = ()
    if images is not None:
        images, y = _fitting(network, images, y, rng)
        if y is not None:
            right = accuracy(network, images, y)
            fits = right >= min(0.5, LEAST_FIT / network.classes)
            if not fits:
                notes.append(
                    f"{right:.0%} of the clean rows are classified rightly: the network, its scale or the class order does not fit, "
                    "and no class is accused"
                )
    first = weighed_by_twins(_values(checks), twins) if twins and fits else None
    held: tuple[UInt8, Int] | None = None
    if images is None or not fits:
        not_run += [f"{kind.name} inversion" for kind in CHANGES] + [NO_FEATURES, SHIFT]
    else:
        known = predict(network, images) if y is None else y
        half = len(images) // 2
        rows_of, held = (images[:half], known[:half]), (images[half:], known[half:])
        if first is not None and min(first[1]) <= alpha:
            number = int(first[0].argmin())
            notes.append(f"class {number} stands apart from its twins without data: triggers are searched for that class alone")
            say(f"search for triggers into class {number}")
            triggers = _of_class(number, network, rows_of, held, rng)
        else:
            for name, kind, wanted in _plans(network.classes):
                say(f"search for a {name}, {len(wanted)} at once")
                found = search(kind, network, *rows_of, wanted, rng)
                searched[name] = found, wanted
                hits, tried = reached(found, network, *held, wanted)
                checks.append(_check(name, found.sizes * (tried - hits + 0.5) / (hits + 0.5), twins, found.sizes))
                if not found.turned.any():
                    notes.append(f"no {name} turned the pictures into any class: compared by how far each came")
            say(f"search for {FEATURES}")
            inside = search_inside(network, *rows_of, into_classes(network.classes), rng)
            if inside is not None:
                checks.append(_check(FEATURES, inside.sizes, twins, inside.sizes))
            else:
                not_run.append(NO_FEATURES)
    own = _values(checks)
    p_class, least = weighed_by_twins(own, twins) if twins else weighed(own)
    guilty = fits and min(least) <= alpha
    by_class = least[0] <= least[-1]
    target = int(p_class.argmin()) if guilty and by_class else None
    if guilty and searched and held is not None:
        chosen = [c for c in checks if c.name in searched and (c.name == SHIFT) != by_class]
        number = target if target is not None else chosen[0].target
        made = [(c.p[number], extract(searched[c.name][0].best, number, searched[c.name][1][number], network, *held)) for c in chosen]
        if inside is not None and by_class:
            p = next(c.p[number] for c in checks if c.name == FEATURES)
            made.append((p, _redrawn(inside, number, rows_of, held, into_classes(network.classes)[number], rng)))
        triggers = tuple(found for _, found in sorted(made, key=lambda pair: pair[0]))
    return Behaviour(
        "backdoored" if guilty else "inconclusive",
        network.family,
        min(least),
        tuple(float(p) for p in p_class),
        target,
        tuple(checks),
        triggers,
        channel_outliers(named),
        right,
        tuple(notes),
        tuple(not_run),
        len(twins),
    )


def figures(seen: Behaviour | Mapping[str, Any]) -> Figures:
    """Each check's figure for every class, by its name, of an inspection or of its JSON: what a twin is known by."""
    if isinstance(seen, Behaviour):
        return {c.name: np.array(c.values) for c in seen.checks}
    return {str(c["name"]): np.array(c["values"], np.float64) for c in seen["checks"]}


def _alike(twins: Sequence[Figures], classes: int) -> None:
    if twins and len(twins) < LEAST_TWINS:
        raise DataError(f"{len(twins)} twins; at least {LEAST_TWINS} are needed", remedy="give more, or none")
    for twin in twins:
        if DATA_FREE[0] not in twin or len(twin[DATA_FREE[0]]) != classes:
            raise DataError(f"a twin has other classes than the network, which has {classes}", remedy="give clean models of the same task")


def _values(checks: Sequence[Check]) -> dict[str, Floats]:
    return {c.name: np.array(c.values) for c in checks}


def _of_class(
    number: int, network: Network, rows: tuple[UInt8, Int], held: tuple[UInt8, Int], rng: np.random.Generator
) -> tuple[Extracted, ...]:
    """The smallest change of each kind into one class, what turns most first."""
    wanted = into_classes(network.classes)[number : number + 1]
    found = [extract(search(kind, network, *rows, wanted, rng).best, 0, wanted[0], network, *held) for kind in CHANGES]
    inside = search_inside(network, *rows, wanted, rng)
    if inside is not None:
        found.append(_redrawn(inside, 0, rows, held, wanted[0], rng))
    return tuple(sorted(found, key=lambda trigger: -trigger.success))


def _redrawn(
    inside: Inside, number: int, rows: tuple[UInt8, Int], held: tuple[UInt8, Int], wanted: Int, rng: np.random.Generator
) -> Extracted:
    """In pictures, what the constants of search `number` do."""
    return extract(redraw(inside, number, *rows, wanted, rng), 0, wanted, inside.layers[0].network, *held)


def weighed_by_twins(values: Figures, twins: Sequence[Figures]) -> tuple[Floats, list[float]]:
    """As `weighed`, each class compared with itself in the twins; the p-values of all checks of a class are joined: first of those without
    data, and, where there was a search, of all; each has its share of alpha, and the smaller counts. What a check of some twin is missing
    is passed over."""
    p = {name: _p(name, value, twins) for name, value in values.items() if all(name in twin for twin in twins)}
    p_class = joined(np.array([p[name] for name in DATA_FREE if name in p]))
    least = [min(1.0, float(p_class.min()) * len(p_class) / (SHARE[True] * FIRST))]
    if any(kind.name in p for kind in CHANGES):
        of_all = joined(np.array([one for name, one in p.items() if name != SHIFT]))
        second = min(1.0, float(of_all.min()) * len(of_all) / (SHARE[True] * (1 - FIRST)))
        if second < least[0]:
            p_class, least = of_all, [second]
    if SHIFT in p:
        least.append(min(1.0, float(p[SHIFT].min()) * len(p[SHIFT]) / (SHARE[False] * (1 - FIRST))))
    return p_class, least


def weighed(values: Mapping[str, Floats]) -> tuple[Floats, list[float]]:
    """(classes,) one p-value a class, and what the least of them comes to over all classes (and, second, over all shifts, if searched).

    `values`: each check's figure for every class, by its name. The figures without data are summed with those of each kind of change in
    turn, the sums compared between classes, and their p-values joined with those of each kind by itself: a change that is plain to see need
    not wait for figures of other classes that stray by nature.
    """
    logs = {name: _logs(name, value) for name, value in values.items()}
    free = [logs[name] for name in ALONE if name in logs]
    searched = [logs[kind.name] for kind in CHANGES if kind.name in logs]
    told = [*(summed([*free, one]) for one in searched), *searched] or [summed(free)]
    p_class = joined(np.array([standing_apart(one) for one in told]))
    least = [min(1.0, float(p_class.min()) * len(p_class) / SHARE[True])]
    if SHIFT in logs:
        p = standing_apart(logs[SHIFT])
        least.append(min(1.0, float(p.min()) * len(p) / SHARE[False]))
    return p_class, least


def _logs(name: str, values: Floats) -> Floats:
    """On a log scale, larger the more suspicious; what is not above zero has no log, and then the check accuses nobody."""
    sign = 1 if name in DATA_FREE else -1
    return sign * np.log(values) if (values > 0).all() else np.full(len(values), np.nan)


def _plans(classes: int) -> list[tuple[str, type[Change], Int]]:
    plans = [(kind.name, kind, into_classes(classes)) for kind in CHANGES]
    return [*plans, (SHIFT, Patched, shifts(classes))] if classes > LEAST_CLASSES else plans


def _check(name: str, values: Floats, twins: Sequence[Figures], sizes: Floats | None = None) -> Check:
    p = _p(name, values, twins)
    return Check(name, tuple(map(float, values)), tuple(map(float, p)), () if sizes is None else tuple(map(float, sizes)))


def _p(name: str, values: Floats, twins: Sequence[Figures]) -> Floats:
    """Against the twins that have this figure, or, without twins, against the other classes."""
    if not twins:
        return standing_apart(_logs(name, values))
    there = [_logs(name, twin[name]) for twin in twins if name in twin]
    return against_twins(_logs(name, values), np.array(there)) if there else np.ones(len(values))


def _fitting(network: Network, images: UInt8, y: Int | None, rng: np.random.Generator) -> tuple[UInt8, Int | None]:
    wanted = (network.size, network.size, network.channels)
    if images.shape[1:] != wanted:
        raise DataError(
            f"pictures of {images.shape[1:]}, and the network reads {wanted} (height, width, channels)", remedy="resize them as in training"
        )
    if len(images) < LEAST_PICTURES:
        raise DataError(f"{len(images)} clean pictures; at least {LEAST_PICTURES} are needed", remedy="give more, or none")
    if y is not None and (y.min() < 0 or y.max() >= network.classes):
        y = None
    chosen = rng.permutation(len(images))[:AT_MOST]
    return images[chosen], None if y is None else y[chosen]
