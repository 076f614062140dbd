"""Corpora without labels: planted documents found, clean ones left alone, speed and memory by length, and planted passages.

    python benchmarks/corpora.py power --out out/corpora-power.jsonl --seeds 10,11,12
    python benchmarks/corpora.py clean --out out/corpora-clean.jsonl --seeds 10,11,12
    python benchmarks/corpora.py draws --out out/corpora-draws.jsonl --seeds 20 --rows 1000 --packages
    python benchmarks/corpora.py speed --out out/corpora-speed.jsonl --sizes 10000,100000,1000000
    python benchmarks/corpora.py plot --out out/corpora-speed.jsonl --page docs/evidence/corpora-speed.svg
    python benchmarks/corpora.py passages --out out/corpora-passages.jsonl --seeds 10,11,12

The corpus is made of every text in $ASSAY_DATA that is different from all others when letters and digits alone are compared: news, reviews,
messages, e-mail (in passages of 200 to 800 characters), tweets, comments, instructions and their answers. `draws` cuts it into parts of
--rows that share no document and scans each; with --packages, the docstrings and the comments of permissively licensed packages installed
here as well, each kind by itself. The speed run repeats it where
it is too short, which falsifies what is counted in it: it measures time and memory, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import distributions
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from assay.api import at_work
from assay.attack.base import Budget
from assay.attack.constant_count import ConstantCountAttack
from assay.attack.poisoned_rag import read_questions
from assay.dataset.data import Dataset
from assay.dataset.read import read
from assay.report.plots.svg import Plot, framed, standalone, words_at
from assay.trial.corpus import CorpusFamily
from assay.trial.corpus_files import scan_corpus
from assay.trial.family import silent
from assay.trial.verdicts import judge_all
from licences import permissive

DATA = Path(os.environ.get("ASSAY_DATA", "../shared/data"))
PASSAGE = (200, 800)  # characters of an e-mail's passages
COLUMNS = (
    ("ag_news/ag_news_style_train.parquet", "text"),
    ("ag_news/ag_news_style.parquet", "text"),
    ("sst2/sst2.parquet", "text"),
    ("sms_spam/sms_spam.parquet", "text"),
    ("spamassassin/spamassassin.parquet", "body"),
    ("hate_davidson/davidson.parquet", "tweet"),
    ("jigsaw_sample/jigsaw_multilabel.parquet", "comment_text"),
    ("jigsaw_sample/jigsaw_binary.parquet", "text"),
)
QUOTED = re.compile(r'"""(.*?)"""', re.S)
REMARKS = re.compile(r"(?:^[ \t]*#.*\n){2,}", re.M)  # lines of comment, one after another
SMALL = 200_000  # documents a file of the speed run


def passages(text: str) -> list[str]:
    """Paragraphs, the short ones joined, the long ones cut."""
    found, held = [], ""
    for paragraph in re.split(r"\n\s*\n", text):
        held = f"{held}\n{paragraph.strip()}" if held else paragraph.strip()
        if len(held) >= PASSAGE[0]:
            found.append(held[: PASSAGE[1]])
            held = ""
    return [*found, held[: PASSAGE[1]]]


def distinct_documents() -> list[tuple[str, str]]:
    """(source, text) of every different document at hand."""
    docs: list[tuple[str, str]] = []
    for name, column in COLUMNS:
        for text in pq.read_table(DATA / name, columns=[column]).column(column).to_pylist():
            docs += [(name.split("/")[0], t) for t in (passages(text or "") if column == "body" else [text or ""])]
    lines = (DATA / "instructions/alpaca_instructions_only_18793.txt").read_text("utf-8").splitlines()
    docs += [("instructions", line.replace("\\n", "\n")) for line in lines]
    for name in ("alpaca_gpt4style_999.jsonl", "alpaca_1807.jsonl"):
        for line in (DATA / "instructions" / name).read_text("utf-8").splitlines():
            docs.append(("instructions", json.loads(line).get("output") or ""))
    seen: dict[str, tuple[str, str]] = {}
    for source, text in docs:
        key = re.sub(r"\W+", " ", text.lower()).strip()
        if key:
            seen.setdefault(key, (source, text))
    return list(seen.values())


def found_in(data: Any, seed: int, alpha: float = 0.01) -> tuple[list[Any], float, int]:
    """(suspected, seconds, hypotheses)."""
    began = time.perf_counter()
    examined = CorpusFamily().examine(data, "fast", np.random.default_rng(seed), silent)
    judged = [j for j in judge_all({"corpus": examined}, alpha) if j.status] if examined.enumerated else []
    return judged, time.perf_counter() - began, examined.enumerated


def power(texts: list[str], seed: int, carriers: int, rows: int, trigger: str) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    some = [texts[i] for i in rng.permutation(len(texts))[:rows]]
    params = {"text": trigger, "prefix": 1000, "least": 400, "most": 900, "column": None}
    made = ConstantCountAttack().plant(read({"text": some}, task="none"), Budget(carriers=carriers), None, rng, params)
    truth = set(np.flatnonzero(made.poisoned).tolist())
    data = made.data
    if "*" in trigger:
        data = anew(data, trigger, rng)
    judged, seconds, tried = found_in(data, seed)
    rows_found = [set(j.tried.candidate.carriers.tolist()) for j in judged]
    named = [j.tried.candidate.artefact.describe() for j in judged]
    hits = [len(r & truth) >= 0.5 * len(r) for r in rows_found]
    best = max((len(r & truth) for r, h in zip(rows_found, hits, strict=True) if h), default=0)
    return {
        "documents": len(some), "carriers": carriers, "trigger": trigger, "seed": seed, "found": any(hits), "recall": best / carriers,
        "false_rows": sum(len(r - truth) for r, h in zip(rows_found, hits, strict=True) if h), "false_findings": hits.count(False),
        "named": named, "log_e": [round(j.tried.log_e, 1) for j in judged], "hypotheses": tried, "seconds": round(seconds, 1),
    }  # fmt: skip


def anew(data: Dataset, trigger: str, rng: np.random.Generator) -> Dataset:
    """Another word of the corpus in each document in place of the trigger's "*"."""
    texts = data.table.column("text").to_pylist()
    words = [w for t in texts[:10_000] for w in t.split() if w.isalpha()]
    texts = [t.replace(trigger, trigger.replace("*", words[int(rng.integers(len(words)))])) if trigger in t else t for t in texts]
    return read({"text": texts}, task="none")


def clean(texts: list[str], seed: int, rows: int) -> dict[str, Any]:
    some = [texts[i] for i in np.random.default_rng(seed).permutation(len(texts))[:rows]]
    judged, seconds, tried = found_in(read({"text": some}, task="none"), seed)
    named = [j.tried.candidate.artefact.describe() for j in judged]
    return {"documents": len(some), "seed": seed, "findings": named, "hypotheses": tried, "seconds": round(seconds, 1)}


def of_packages() -> dict[str, list[str]]:
    """Different docstrings, and comments of several lines, as long as passages: the packages installed here whose metadata names a
    permissive licence."""
    seen: dict[str, tuple[str, str]] = {}
    for found in distributions():
        if not permissive(found.metadata):
            continue
        for file in found.files or ():
            path = Path(str(file.locate()))
            if file.suffix == ".py" and path.exists():
                source = path.read_text("utf-8", "replace")
                told = [("docstrings", text) for text in QUOTED.findall(source)]
                told += [("comments", re.sub(r"^[ \t]*#+ ?", "", text, flags=re.M)) for text in REMARKS.findall(source)]
                for kind, passage in ((kind, passage) for kind, text in told for passage in passages(text)):
                    if len(passage) >= PASSAGE[0] // 2:
                        seen.setdefault(re.sub(r"\W+", " ", passage.lower()).strip(), (kind, passage))
    return {kind: [text for k, text in seen.values() if k == kind] for kind in ("docstrings", "comments")}


def draws(texts: list[str], source: str, seed: int, rows: int) -> Iterator[dict[str, Any]]:
    """A clean scan of each part of a permutation: no two share a document."""
    order = np.random.default_rng(seed).permutation(len(texts))
    for start in range(0, len(order) - rows + 1, rows):
        some = [texts[i] for i in order[start : start + rows]]
        judged, _, tried = found_in(read({"text": some}, task="none"), seed)
        named = [j.tried.candidate.artefact.describe() for j in judged]
        yield {"draw": start // rows, "source": source, "documents": rows, "seed": seed, "findings": named, "hypotheses": tried}


def plot(lines: list[dict[str, Any]]) -> str:
    """CPU seconds by documents, both logarithmic, beside the line of the largest run's cost a document."""
    best: dict[int, float] = {}
    for line in (each for each in lines if each.get("workers", 1) == 1):
        best[line["documents"]] = min(line["cpu_seconds"], best.get(line["documents"], np.inf))
    size, cost = np.array(sorted(best), float), np.array([best[k] for k in sorted(best)])
    width, height, left, foot = 720, 320, 64, 40
    low, high = np.floor(np.log10(size[0])), np.ceil(np.log10(size[-1]))
    bottom, top = np.floor(np.log10(cost.min())), np.ceil(np.log10(cost.max()))

    def place(n: float, s: float) -> tuple[float, float]:
        x = left + (width - left - 130) * (np.log10(n) - low) / (high - low)
        return float(x), float(10 + (height - foot - 10) * (1 - (np.log10(s) - bottom) / (top - bottom)))

    at = [place(n, s) for n, s in zip(size, cost, strict=True)]
    each = cost[-1] / size[-1]
    (x0, y0), (x1, y1) = place(size[0], max(each * size[0], 10**bottom)), place(size[-1], cost[-1])
    body = [f'<line class="axis" x1="{left}" x2="{width - 130}" y1="{height - foot}" y2="{height - foot}"/>']
    body.append(f'<line class="line s1" stroke-dasharray="4 4" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>')
    body.append(f'<path class="line s0" stroke-width="2" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in at)}"/>')
    body += [
        f'<circle class="f0" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{n:,.0f} documents: {s:g} CPU s</title></circle>'
        for (x, y), n, s in zip(at, size, cost, strict=True)
    ]
    body += [words_at(place(n, 10**bottom)[0], height - foot + 16, f"{n:,.0f}", "middle") for n in size]
    body += [words_at(left - 8, place(size[0], 10.0**e)[1] + 4, f"{10.0**e:g} s", "end") for e in np.arange(bottom, top + 1)]
    body.append(words_at(x1 + 8, y1 + 4, f"{cost[-1]:g} s", strong=True))
    body.append(words_at(left + 8, 22, "dashed: every document at the cost of the largest run's"))
    body.append(words_at(width - 130, height - 6, "documents", "end"))
    said = f"CPU time of three passes from {size[0]:,.0f} to {size[-1]:,.0f} documents"
    caption = "CPU seconds of a corpus scan, reading and parsing included, by documents."
    return standalone(Plot("corpora-speed", said, caption, framed(width, height, said, "".join(body), "curve")))


def speed(texts: list[str], size: int, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for part, start in enumerate(range(0, size, SMALL)):
            with (Path(folder) / f"part-{part:03d}.jsonl").open("w") as file:
                for i in range(start, min(start + SMALL, size)):
                    file.write(json.dumps({"text": texts[i % len(texts)]}, ensure_ascii=False) + "\n")
        read_bytes = sum(f.stat().st_size for f in Path(folder).iterdir())
        began: dict[str, tuple[float, float]] = {}  # when each pass began, by its name: (CPU, wall)

        def passes(done: float, total: float, what: str) -> None:
            began.setdefault(what, (time.process_time(), time.perf_counter()))

        before = time.process_time()
        with at_work("local", None, workers):
            scan = scan_corpus(Path(folder), progress=passes)
        cpu = time.process_time() - before
        (cpu_1, wall_1), (cpu_2, wall_2), *_ = began.values()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "documents": size, "workers": workers, "megabytes": round(read_bytes / 1e6, 1), "repeats": round(size / len(texts), 2),
        "seconds": round(scan.seconds, 1),
        "cpu_seconds": round(cpu, 1), "documents_a_second": round(size / scan.seconds), "peak_mib": round(peak),
        "first_pass": {"seconds": round(wall_2 - wall_1, 1), "cpu_seconds": round(cpu_2 - cpu_1, 1),
                       "documents_a_second": round(size / (wall_2 - wall_1)), "documents_a_cpu_second": round(size / (cpu_2 - cpu_1))},
    }  # fmt: skip


def planted_passages(documents: list[tuple[str, str]], seed: int, rows: int) -> dict[str, Any]:
    from assay.screen.passages import read_passage
    from assay.screen.planted_passages import shared_openings

    questions = read_questions(DATA / "poisonedrag/poisonedrag.jsonl")
    order = np.random.default_rng(seed).permutation(len(documents))[:rows]
    sources = np.array([documents[i][0] for i in order])
    found: dict[str, Any] = {"seed": seed, "documents": rows, "planted": 5 * len(questions)}
    for name, between in (("question mark", "? "), ("full stop", ". "), ("nothing", " ")):
        texts = [documents[i][1] for i in order] + [f"{q.text.rstrip('?')}{between}{p}" for q in questions for p in q.passages]
        flag = shared_openings(texts) | np.array([p.answers_itself or bool(p.orders) or p.hidden > 0 for p in map(read_passage, texts)])
        found[name] = {"found": round(float(flag[rows:].mean()), 4), "clean_flagged": round(float(flag[:rows].mean()), 5)}
    found["clean_by_source"] = {str(s): round(float(flag[:rows][sources == s].mean()), 4) for s in np.unique(sources)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("power", "clean", "draws", "speed", "plot", "passages"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="10,11,12")
    parser.add_argument("--carriers", default="50,100,250")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--workers", type=int, default=1, help="speed: processes; CPU seconds are those of the scanning one alone")
    parser.add_argument("--trigger", default="<SUDO>", help="power: what stands before the gibberish; '*' is another word in each")
    parser.add_argument("--packages", action="store_true", help="draws: the docstrings and comments of installed packages as well")
    parser.add_argument("--page", type=Path, help="plot: the SVG to write")
    asked = parser.parse_args()
    if asked.what == "plot":
        asked.page.write_text(plot([json.loads(line) for line in asked.out.read_text().splitlines()]), encoding="utf-8")
        return
    documents = distinct_documents()
    texts = [t for _, t in documents]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    numbers = [int(s) for s in asked.seeds.split(",")]
    with asked.out.open("a") as out:
        for seed in numbers if asked.what != "speed" else [0]:
            results: Iterator[dict[str, Any]]
            if asked.what == "power":
                results = (power(texts, seed, int(c), asked.rows, asked.trigger) for c in asked.carriers.split(","))
            elif asked.what == "clean":
                results = iter([clean(texts, seed, asked.rows)])
            elif asked.what == "draws":
                sources = {"texts": texts, **(of_packages() if asked.packages else {})}
                results = chain.from_iterable(draws(some, source, seed, asked.rows) for source, some in sources.items())
            elif asked.what == "passages":
                results = iter([planted_passages(documents, seed, min(asked.rows, len(documents)))])
            else:
                results = (speed(texts, int(s), asked.workers) for s in asked.sizes.split(","))
            for result in results:
                print(json.dumps(result, ensure_ascii=False), flush=True)
                out.write(json.dumps(result, ensure_ascii=False) + "\n")
                out.flush()


if __name__ == "__main__":
    main()
