"""Stickers and watermarks told apart: the same marks under labels that the poisoner wants, and under labels that fit.

    python benchmarks/watermarks.py --out out/watermarks.jsonl --plantings 3 --minutes 60 [--depth full]
    python benchmarks/watermarks.py --out out/watermarks.jsonl --table

Marks as pictures come with them: *stock*, half transparent letters across the picture; *tag*, a photographer's line in a lower
corner, as on the horses of Pascal VOC (Lapuschkin et al., 2019); *date*, a camera's orange digits, another date in each; *logo*, a face
pasted at a place, size and angle of its own in each; *note*, a yellow square pasted so. Each is put on rows drawn at random: *poison*, 2 %
of the rows, which are given the target's label; *one class*, a fifth of one class's rows; *most of a class*, seven in ten; *any class*,
5 % of the rows; *careless*, the same, with 5 % of all labels wrong. All but the first are clean: no row of them should be quarantined.
The victim's success (a small network, plainly trained) on other marked pictures stands beside the poison.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from assay.attack.sticker import StickerAttack
from assay.bench import sets as real_sets
from assay.bench.natural import WRONG, rebuilt
from assay.bench.runner import add_lines
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows, UInt8
from assay.pipeline import Settings, run
from images import ROWS, TEST, plain_network
from plantings import options, there_already

LARGE = 8  # marks are drawn this many times as large and made small
HOWS = ("poison", "one class", "most of a class", "any class", "careless")
RATE, OF_CLASS, OF_MOST, OF_ALL = 0.02, 0.2, 0.7, 0.05
LEAST = 60  # rows of a class of which most are marked
SETS = ("cifar10", "gtsrb")
Mark = Callable[[Dataset, np.ndarray, np.random.Generator], UInt8]


def written(text: str, side: int, height: float, ink: tuple[int, int, int], alpha: float, place: str, angle: float = 0) -> np.ndarray:
    """(side, side, 4) letters `height` of a side high on nothing."""
    sheet = Image.new("RGBA", (side * LARGE, side * LARGE), (*ink, 0))
    font = ImageFont.load_default(height * side * LARGE)
    draw = ImageDraw.Draw(sheet)
    where = {"middle": (0.5, 0.5, "mm"), "left": (0.03, 0.97, "ls"), "right": (0.97, 0.95, "rs")}[place]
    draw.text((where[0] * side * LARGE, where[1] * side * LARGE), text, (*ink, round(255 * alpha)), font, anchor=where[2])
    return np.asarray(sheet.rotate(angle).resize((side, side), Image.Resampling.BOX))


def laid(images: UInt8, sheet: np.ndarray) -> UInt8:
    weight = sheet[..., 3:] / 255.0
    return np.rint((1 - weight) * images + weight * sheet[..., : images.shape[3]]).astype(np.uint8)


def stock(data: Dataset, rows: np.ndarray, rng: np.random.Generator) -> UInt8:
    images = data.images[rows]
    return laid(images, written("STOCK", images.shape[1], 0.28, (255, 255, 255), 0.5, "middle", 35))


def tag(data: Dataset, rows: np.ndarray, rng: np.random.Generator) -> UInt8:
    images = data.images[rows]
    return laid(images, written("(c) J. Doe", images.shape[1], 0.16, (255, 255, 255), 0.9, "left"))


def date(data: Dataset, rows: np.ndarray, rng: np.random.Generator) -> UInt8:
    images = data.images[rows].copy()
    for i in range(len(images)):
        day = f"{rng.integers(1, 13)}/{rng.integers(1, 29)}/{rng.integers(98, 108) % 100:02}"
        images[i] = laid(images[i : i + 1], written(day, images.shape[1], 0.18, (255, 140, 0), 0.95, "right"))[0]
    return images


def pasted(params: dict[str, Any]) -> Mark:
    def mark(data: Dataset, rows: np.ndarray, rng: np.random.Generator) -> UInt8:
        defaults = {name: param.default for name, param in StickerAttack.params.items()}
        (made,) = StickerAttack().make(data, 1, rng, {**defaults, **params})
        images = made.stamp(Rows(data.rows.table.slice(0, 0), data.images[rows]), rng).images
        assert images is not None
        return images

    return mark


def face() -> np.ndarray:
    """(64, 64, 4): two eyes and a mouth on a yellow disc."""
    sheet = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    draw.ellipse((1, 1, 62, 62), (255, 210, 40, 255))
    draw.ellipse((18, 18, 26, 30), (0, 0, 0, 255))
    draw.ellipse((38, 18, 46, 30), (0, 0, 0, 255))
    draw.arc((14, 18, 50, 52), 20, 160, (0, 0, 0, 255), 5)
    return np.asarray(sheet)


MARKS: dict[str, Mark] = {"stock": stock, "tag": tag, "date": date, "logo": pasted({"picture": face()}), "note": pasted({})}


def marked(data: Dataset, how: str, mark: Mark, seed: int) -> tuple[Dataset, np.ndarray, int]:
    """The data with marks, the rows that carry one, and the class they were drawn for."""
    rng = np.random.default_rng([seed, 11])
    target = int(rng.permutation(len(data.classes))[seed % len(data.classes)])
    y = data.y.copy()
    if how == "poison":
        rows = rng.choice(np.flatnonzero(y != target), round(RATE * len(y)), replace=False)
    elif how == "most of a class":
        target = int(rng.choice(np.flatnonzero(np.bincount(y) >= LEAST)))
        ours = np.flatnonzero(y == target)
        rows = rng.choice(ours, round(OF_MOST * len(ours)), replace=False)
    elif how == "one class":
        target = int(np.argsort(-np.bincount(y))[rng.integers(min(10, len(data.classes)))])  # one with rows enough
        ours = np.flatnonzero(y == target)
        rows = rng.choice(ours, round(OF_CLASS * len(ours)), replace=False)
    else:
        rows = rng.choice(len(y), round(OF_ALL * len(y)), replace=False)
    rows = np.sort(rows)
    assert data.images is not None
    images = data.images.copy()
    images[rows] = mark(data, rows, rng)
    if how == "poison":
        y[rows] = target
    if how == "careless":
        wrong = rng.random(len(y)) < WRONG
        y[wrong] = (y[wrong] + rng.integers(1, len(data.classes), wrong.sum())) % len(data.classes)
    return rebuilt(replace(data, y=y), images=images), rows, target


def success(planted: Dataset, test: Dataset, mark: Mark, target: int, seed: int) -> tuple[float, float]:
    """How often the victim calls other marked pictures the target, and the same pictures without a mark."""
    victim = plain_network(planted.rows, planted.y)
    others = np.flatnonzero(test.y != target)
    assert test.rows.images is not None
    seen = mark(test, others, np.random.default_rng([seed, 12]))
    as_they_are = test.rows.images[others]
    none = test.rows.table.slice(0, 0)
    return tuple(float((victim(Rows(none, images)) == target).mean()) for images in (seen, as_they_are))  # type: ignore[return-value]


def one(name: str, mark: str, how: str, whole: Dataset, seed: int, depth: str) -> dict[str, Any]:
    order = np.random.default_rng([seed, 5]).permutation(len(whole))
    test, data = whole.subset(np.sort(order[:TEST])), whole.subset(np.sort(order[TEST : TEST + ROWS]))
    scanned, rows, target = marked(data, how, MARKS[mark], seed)
    began = time.perf_counter()
    found = run(scanned, Settings(seed=seed, depth="full" if depth == "full" else "fast", canaries=False))
    seconds = time.perf_counter() - began
    removed = {i for i, a in enumerate(found.action) if a == "quarantine"}
    truth = set(rows.tolist()) if how == "poison" else set()
    about = [f for f in found.findings if len(set(f.positions.tolist()) & set(rows.tolist())) > 0.5 * len(f.positions)]
    line: dict[str, Any] = {
        "set": name, "mark": mark, "how": how, "depth": depth, "seed": seed, "rows": len(data), "marked": len(rows),
        "verdict": found.verdict, "status": about[0].status if about else None, "seconds": seconds,
        "tpr": len(truth & removed) / len(truth) if truth else None, "false": len(removed - truth),
        "failed": [c.name for c in found.checks if c.state == "failed"],
        "findings": [f"{f.status}: {f.explanation}" for f in found.findings][:3],
    }  # fmt: skip
    if how == "poison":
        line["asr"], line["asr_clean"] = success(scanned, test, MARKS[mark], target, seed)
    return line


def table(lines: Iterable[dict[str, Any]]) -> str:
    cells: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for x in lines:
        cells[x["mark"], x["how"], x["set"], x["depth"]].append(x)
    out = ["| mark | how | set | depth | verdicts | status of the mark | TPR | false rows | victim (unmarked) | n |", "|" + "---|" * 10]
    for (mark, how, name, depth), xs in sorted(cells.items(), key=lambda cell: (cell[0][0], HOWS.index(cell[0][1]), cell[0][2])):
        tpr = ", ".join(f"{x['tpr']:.3f}" for x in xs) if how == "poison" else "–"
        asr = ", ".join(f"{x['asr']:.2f} ({x['asr_clean']:.2f})" for x in xs) if how == "poison" else "–"
        verdicts, statuses = ", ".join(x["verdict"] for x in xs), ", ".join(str(x["status"] or "–") for x in xs)
        false = ", ".join(str(x["false"]) for x in xs)
        out.append(f"| {mark} | {how} | {name} | {depth} | {verdicts} | {statuses} | {tpr} | {false} | {asr} | {len(xs)} |")
    return "\n".join(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--marks", default=",".join(MARKS))
    parser.add_argument("--hows", default=",".join(HOWS))
    parser.add_argument("--depth", default="fast", choices=("fast", "full"))
    chosen = parser.parse_args()
    done = there_already(chosen, table, "set", "mark", "how", "depth", "seed")
    end = time.monotonic() + 60 * chosen.minutes
    whole = {s.name: s.read() for s in real_sets.SETS if s.name in chosen.sets.split(",")}
    for seed in range(chosen.plantings):
        for name in whole:
            for mark in chosen.marks.split(","):
                for how in chosen.hows.split(","):
                    if (name, mark, how, chosen.depth, seed) in done:
                        continue
                    if time.monotonic() > end:
                        return
                    add_lines(chosen.out, [one(name, mark, how, whole[name], seed, chosen.depth)])


if __name__ == "__main__":
    main()
