"""Adversarial pruning on the attacked models of the zoo: by itself, and before unlearning what was extracted."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay.bench.runner import read_lines
from assay.bench.zoo.build import records
from assay.bench.zoo.judge import INSPECTED, TUNING_ROWS, Line, Say, each, judged, opened, stages, told_ways, unlearnt, within
from assay.bench.zoo.specs import DEVELOPMENT

RECORD = "pruned.jsonl"
UNLEARNT = ("wanet", "blend")  # the attacks that unlearning alone often leaves


def prune_attacked_models(folder: Path, minutes: float, say: Say) -> tuple[int, int]:
    """(models pruned, models left) of the attacked ones; where a trigger was extracted from a warp or a blend, the pruned network unlearns
    it, as a second `assay repair` would have it. Warps and blends first, those that no constant was set on before the others."""
    seen = {line["id"]: line for line in read_lines(folder / INSPECTED)}
    todo = [r | {"triggers": seen[i]["triggers"] if i in seen else []} for i, r in records(folder).items() if r["attack"]]
    todo.sort(key=lambda r: (r["seed"] in DEVELOPMENT, r["attack"] not in UNLEARNT))
    return each(folder, RECORD, minutes, say, todo, _pruned)


def _pruned(folder: Path, record: Line) -> Line:
    from assay.model.adversarial_pruning import pruned

    _, network, held = opened(folder, record)
    rng = np.random.default_rng(1)
    mended, gone, channels = pruned(network, held["x"][:TUNING_ROWS], held["y"][:TUNING_ROWS], rng)
    line: Line = {k: record[k] for k in ("id", "attack", "seed")}
    line |= {"before": judged(network, held), "gone": gone, "of": channels}
    line["ways"] = {"anp": stages(mended, held, rng)}
    if record["attack"] in UNLEARNT and record["triggers"]:
        line["ways"]["anp, then unlearn"] = stages(unlearnt(mended, record["triggers"], held, rng), held, rng)
    line["said"] = f"{record['id']}: {gone} of {channels} channels; {told_ways(line)}"
    return line


def told_pruned(folder: Path) -> list[str]:
    """A row a model and way."""
    found = ["| pruned | channels gone | way | before | after | after 100 steps | within both bars |", "|---|---|---|---|---|---|---|"]
    for line in read_lines(folder / RECORD):
        for way, w in line["ways"].items():
            stages = [f"{s[0]:.2f}, {s[1]:.3f}" for s in (line["before"], w["after"], w["again"])]
            met = "yes" if within(line["before"], w) else "no"
            found.append(f"| {line['id']} | {line['gone']} of {line['of']} | {way} | {' | '.join(stages)} | {met} |")
    return found
