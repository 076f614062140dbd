"""What came of the zoo, in Markdown: false alarms with their bound, detections, targets, triggers, seconds; beside two published ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from assay.bench.runner import read_lines
from assay.bench.zoo import arrived, tables, texts
from assay.bench.zoo.asked import told_asked
from assay.bench.zoo.guards import told_guards
from assay.bench.zoo.judge import ALPHA, IMPLANTED, PEERS, REPAIRED, Line, looked_at, twins_of, within
from assay.bench.zoo.oracles import far_out, outlying
from assay.bench.zoo.pruning import told_pruned
from assay.bench.zoo.specs import DEVELOPMENT
from assay.model.behaviour import ALONE as ALONE_CHECKS
from assay.model.behaviour import CHANGES, DATA_FREE, figures, weighed, weighed_by_twins
from assay.stats.interval import clopper_pearson

ALONE, FREE, TWINS = "alone", "twins, no data", "with twins"
SIZES, MARGINS = "its sizes by Neural Cleanse's rule", "its margins by MM-BD's rule"
CLEANSE, MARGIN = "Neural Cleanse", "MM-BD"
WAYS = (ALONE, FREE, TWINS, SIZES, MARGINS, CLEANSE, MARGIN)


def table(folder: Path) -> str:
    """All figures, apart for the seed that constants were set on. Verdicts are reckoned anew from the figures of each check, which are
    what takes the time; a clean model's twins are the other clean ones of its set and architecture."""
    lines = looked_at(folder)
    peers = {line["id"]: line for line in read_lines(folder / PEERS)}
    judged = [line | {"by": _verdicts(line, lines, peers)} for line in lines]
    parts = []
    for title, chosen in (
        ("held out", [x for x in judged if x["seed"] not in DEVELOPMENT]),
        ("seed 0", [x for x in judged if x["seed"] in DEVELOPMENT]),
    ):
        parts.append(f"**{title}**: clean models accused\n\n| way | accused | of | 95 % interval |\n|---|---|---|---|")
        parts += [_alarms(way, [x for x in chosen if not x["attack"]]) for way in WAYS]
        parts.append(
            f"\n| attack | implanted of | {' | '.join(WAYS)} | patch IoU | success of the trigger |\n"
            "|---|---|---|---|---|---|---|---|---|---|"
        )
        parts += [_row(a, [x for x in chosen if x["attack"] == a]) for a in dict.fromkeys(x["attack"] for x in chosen if x["attack"])]
        parts.append(_row("all", [x for x in chosen if x["attack"]]) + "\n")
    parts.append("detected (right target) of those implanted that were looked at\n")
    for architecture in dict.fromkeys(x["architecture"] for x in judged):
        cpu = [x["cpu"] for x in judged if x["architecture"] == architecture and len(x["checks"]) > len(DATA_FREE)] or [0.0]
        parts.append(f"{architecture}: {np.median(cpu):.1f} CPU seconds a model ({min(cpu):.1f} to {max(cpu):.1f})")
    parts += ["", *_repairs(read_lines(folder / REPAIRED), {x["id"]: x for x in judged}), "", *told_pruned(folder), ""]
    return "\n".join(
        [*parts, *_of_tables(folder), "", *_of_texts(folder), "", *told_asked(folder), "", *told_guards(folder), "", *_arrived(folder)]
    )


def _verdicts(line: Line, lines: list[Line], peers: dict[str, Line]) -> dict[str, tuple[bool, int | None]]:
    """Whether each way accuses, and the class; what was not looked at is missing."""
    own = figures(line)
    whole = any(kind.name in own for kind in CHANGES)
    found = {ALONE: _accused(*weighed(own))} if whole else {}
    twins = twins_of(line, lines)
    if twins:
        found[FREE] = _accused(*weighed_by_twins({name: own[name] for name in DATA_FREE if name in own}, twins))
        if whole or found[FREE][0]:  # what is accused without data is not searched any further
            found[TWINS] = _accused(*weighed_by_twins(own, twins))
    sizes = next((c.get("sizes") for c in line["checks"] if c["name"] == "patch"), None)
    ways: dict[str, int | None] = {SIZES: outlying(np.array(sizes)).target} if sizes else {}
    ways[MARGINS] = far_out(own[ALONE_CHECKS[0]]).target
    if line["id"] in peers:
        ways |= {CLEANSE: peers[line["id"]]["cleanse"]["target"], MARGIN: peers[line["id"]]["margin"]["target"]}
    return found | {way: (target is not None, target) for way, target in ways.items()}


def _accused(p_class: Any, least: list[float]) -> tuple[bool, int | None]:
    guilty = min(least) <= ALPHA
    return guilty, int(p_class.argmin()) if guilty and least[0] == min(least) else None


def _alarms(way: str, clean: list[Line]) -> str:
    seen = [x["by"][way][0] for x in clean if way in x["by"]]
    if not seen:
        return f"| {way} | - | 0 | |"
    low, high = clopper_pearson(sum(seen), len(seen))
    return f"| {way} | {sum(seen)} | {len(seen)} | {low:.0%} to {high:.0%} |"


def _row(name: str, lines: list[Line]) -> str:
    real = [x for x in lines if x["success"] >= IMPLANTED]
    cells = []
    for way in WAYS:
        seen = [(x["by"][way], x["really"]) for x in real if way in x["by"]]
        caught = sum(guilty for (guilty, _), _ in seen)
        right = sum(guilty and target == really for (guilty, target), really in seen)
        cells.append(f"{caught} ({right}) of {len(seen)}")
    handed = [x for x in real if x["triggers"] and x["target"] == x["really"]]
    ious = [x["iou"] for x in handed if x["iou"] is not None]
    success = [x["triggers"][0]["attack_success"] for x in handed]
    return f"| {name} | {len(real)} of {len(lines)} | {' | '.join(cells)} | {_mean(ious)} | {_mean(success)} |"


def _mean(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({len(values)})" if values else "-"


def _repairs(lines: list[Line], judged: dict[str, Line]) -> list[str]:
    """Each repair that was made: how many models keep to the bounds, and those that do not, by name."""
    found = []
    for way in dict.fromkeys(w for line in lines for w in line["ways"]):
        mine = [line for line in lines if way in line["ways"] and judged[line["id"]]["success"] >= IMPLANTED]
        bad = [line["id"] for line in mine if not within(line["before"], line["ways"][way])]
        found.append(f"{way}: {len(mine) - len(bad)} of {len(mine)} models mended; not: {', '.join(bad) or 'none'}")
    return found


def _held_out(path: Path) -> Iterator[tuple[str, str, list[Line], list[Line]]]:
    """(kind of model, attack, its models that no constant was set on, those of them in which it implanted)."""
    lines = [x for x in read_lines(path) if x["seed"] not in DEVELOPMENT]
    for model, attack in dict.fromkeys((x["model"], x["attack"]) for x in lines):
        mine = [x for x in lines if (x["model"], x["attack"]) == (model, attack)]
        yield model, attack, mine, [x for x in mine if not attack or x["success"] >= IMPLANTED]


def _of_tables(folder: Path) -> list[str]:
    """Trees: accused at the level, alone and with twins, and whether the rule holds a planted column and leads to the target."""
    found = ["| trees, held out | attack | models | implanted | alone (right) | with twins (right) | CPU s | with twins |"]
    found.append("|---|---|---|---|---|---|---|---|")
    for model, attack, mine, real in _held_out(folder / tables.RECORD):
        cells = [
            f"{sum(x[p] <= ALPHA for x in real)} ({sum(x[p] <= ALPHA and x[right] for x in real)}) of {len(real)}"
            for p, right in (("p", "right"), ("p_twins", "right_twins"))
        ]
        cpu = [f"{np.median([x[key] for x in mine]):.1f}" for key in ("cpu", "cpu_twins")]
        found.append(f"| {model} | {attack or 'clean'} | {len(mine)} | {len(real) if attack else '-'} | {' | '.join([*cells, *cpu])} |")
    return found


def _of_texts(folder: Path) -> list[str]:
    """Texts: accused, with a word of the trigger and its target."""
    found = ["| texts, held out | attack | models | implanted | alone (right) | with twins (right) | accuracy | CPU s | questions |"]
    found.append("|---|---|---|---|---|---|---|---|---|")
    for model, attack, mine, real in _held_out(folder / texts.RECORD):
        cells = []
        for way in ("alone", "twins"):
            caught = [x for x in real if x[way]["verdict"] == "backdoored"]
            right = [x for x in caught if attack and set(x[way]["found"]) & set(x["true"]) and x[way]["target"] == x["target"]]
            cells.append(f"{len(caught)} ({len(right)}) of {len(real)}")
        cpu, asked = (float(np.median([x["alone"][key] for x in mine])) for key in ("cpu", "queries"))
        accuracy = np.median([x["accuracy"] for x in mine])
        count = len(real) if attack else "-"
        found.append(
            f"| {model} | {attack or 'clean'} | {len(mine)} | {count} | {' | '.join(cells)} | {accuracy:.2f} | {cpu:.0f} | {asked:,.0f} |"
        )
    return found


def _arrived(folder: Path) -> list[str]:
    """The published networks, one by one."""
    found = ["| published model | really | verdict | p | class | success, accuracy before | unlearnt | after 100 steps | CPU s |"]
    found.append("|---|---|---|---|---|---|---|---|---|")
    for x in read_lines(folder / arrived.RECORD):
        stages = [f"{x[k][0]:.1%}, {x[k][1]:.1%}" if k in x else "-" for k in ("before", "after", "again")]
        found.append(
            f"| {x['file']} | {x['really']} | {x['verdict']} | {x['p']:.2g} | {x['target']} | {' | '.join(stages)} | {x['cpu']:.0f} |"
        )
    return found
