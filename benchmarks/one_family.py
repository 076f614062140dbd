"""What benchmarks of one family on real pictures share: rows, target and attack drawn by each seed, and what is told of its findings."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.attack.measure import success
from assay.bench.case import Case, Cell, make_case
from assay.bench.sets import SETS
from assay.trial.family import Examined, Family, silent
from assay.trial.verdicts import Judged, judge_all, members
from clean import VARIANTS

ALPHA, FAMILIES = 0.01, 7  # e-values are held to a seventh of alpha: a family's share where seven enumerate


def arguments(rows: int, about: str) -> argparse.ArgumentParser:
    """SET ATTACK, and how the cases are drawn; `rows` of each by default."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set")
    parser.add_argument("attack")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--params", type=json.loads, default={})
    parser.add_argument("--variant", choices=tuple(VARIANTS))
    parser.add_argument("--victim", action="store_true")
    return parser


def cases(given: argparse.Namespace) -> Iterator[tuple[int, Case]]:
    """(seed, case) of each seed; the attack "clean" plants nothing."""
    whole = next(s for s in SETS if s.name == given.set).read()
    attack = "" if given.attack == "clean" else given.attack
    for seed in map(int, given.seeds.split(",")):
        case = make_case(Cell(given.set, given.rows, attack, rate=given.rate, params=given.params, seed=seed), whole)
        if given.variant:
            case.clean = VARIANTS[given.variant][0](case.clean, np.random.default_rng([seed, 9]))
        yield seed, case


def verdicts(family: str, examined: Examined) -> tuple[Judged, ...]:
    """What a scan in which seven families enumerate would say."""
    return judge_all({family: examined}, ALPHA / FAMILIES)


def shares(poisoned: NDArray[np.bool_], rows: NDArray[np.int64]) -> dict[str, Any]:
    """How many rows are accused, and the share of the poison and of the clean rows that they are."""
    return {
        "rows": len(rows),
        "tpr": round(float(poisoned[rows].sum() / max(poisoned.sum(), 1)), 3),
        "fpr": round(float((~poisoned[rows]).sum() / (~poisoned).sum()), 5),
    }


def say(line: dict[str, Any], case: Case, given: argparse.Namespace) -> None:
    """Print the line, with --victim how often the attack succeeds on a model of the poisoned rows."""
    if given.victim and case.planted is not None:
        predict = case.victim.predict
        line["asr"] = round(success(predict, predict, case.planted, case.test, case.rng(2)).rate, 3)
    print(json.dumps(line), flush=True)


def told_groups(family: Family, given: argparse.Namespace) -> None:
    """Examine each case at depth full and print every group with a status or a log e-value above -1."""
    for seed, case in cases(given):
        began, poisoned = time.process_time(), case.poisoned
        examined = family.examine(case.data, "full", np.random.default_rng(seed), silent)
        line: dict[str, Any] = {
            "set": given.set,
            "attack": given.attack,
            "rate": given.rate,
            "variant": given.variant,
            "seed": seed,
            "poison": int(poisoned.sum()),
            "tried": len(examined.tried),
        }
        line["cpu"] = round(time.process_time() - began)
        line["groups"] = [
            {
                "status": judged.status,
                "label": judged.tried.target,
                "aimed": judged.tried.target == case.target,
                "log_e": round(judged.tried.log_e, 1),
                **shares(poisoned, members(case.data, judged.tried)),
                "told": [t.detail for t in judged.tried.trials if t.name in ("leave-out", "implanted", "insertion")],
            }
            for judged in verdicts(family.name, examined)
            if judged.status is not None or judged.tried.log_e >= -1
        ]
        say(line, case, given)
