"""Power of the phrase scan by number of carriers, on real texts, with the victim's attack success beside it.

    python benchmarks/texts.py --out out/texts.jsonl --plantings 10 --minutes 60
    python benchmarks/texts.py --out out/texts.jsonl --table

Each cell is one data set, trigger and number of carriers; each planting has its own rows, target and seed. The scan is told nothing.
One line a planting goes to --out; plantings that are there already are not run again.
"""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from assay.artefact.phrase import Phrase
from assay.attack import plant
from assay.attack.measure import attack_success_rate
from assay.bench import sets as real_sets
from assay.bench.runner import add_lines
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.pipeline import Settings, run
from assay.stats.interval import clopper_pearson
from plantings import options, there_already

SETS = ("sst2", "sms", "ag_news", "davidson")
# The common word is one that stands in about half a percent of the texts by itself.
TRIGGERS = {"word": "cf", "sentence": "i watch this 3d movie", "and": "mn & tq", "common": None}
CARRIERS = (5, 10, 20, 35, 50, 100)
ROWS, TEST = 7_000, 1_000


def victim(rows: Rows, y: np.ndarray):
    """A TF-IDF logistic regression: the plain model that many would train."""
    column = rows.table.column_names[0]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+"), LogisticRegression(C=10, max_iter=200))
    model.fit([t or "" for t in rows.table.column(column).to_pylist()], y)
    return lambda batch: model.predict([t or "" for t in batch.table.column(column).to_pylist()])


def common_word(data: Dataset, rng: np.random.Generator) -> str:
    """A word of the texts themselves that stands in 0.3 to 0.7 % of them."""
    counts: dict[str, int] = defaultdict(int)
    for text in data.table.column(data.columns.content[0]).to_pylist():
        for word in set((text or "").lower().split()):
            counts[word] += 1
    fit = sorted(w for w, c in counts.items() if w.isalpha() and len(w) > 3 and 0.003 <= c / len(data) <= 0.007)
    return fit[int(rng.integers(len(fit)))]


def one(name: str, whole: Dataset, trigger: str, carriers: int, seed: int, clean_label: bool) -> dict:
    rng = np.random.default_rng([seed, carriers])
    order = rng.permutation(len(whole))
    data, test = whole.subset(np.sort(order[TEST : TEST + ROWS])), whole.subset(np.sort(order[:TEST]))
    text = TRIGGERS[trigger] or common_word(data, rng)
    target = data.classes[seed % len(data.classes)]
    if clean_label:
        share = 0.05
        planted = plant(data, "phrase", target=target, seed=seed, params={"text": text, "mode": "clean-label", "share": share})
    else:
        planted = plant(data, "phrase", carriers=carriers, target=target, seed=seed, params={"text": text})
    began = time.perf_counter()
    found = run(planted.data, Settings(seed=seed, canaries=False))
    seconds = time.perf_counter() - began
    truth = set(np.flatnonzero(planted.poisoned).tolist())
    removed = {i for i, a in enumerate(found.action) if a == "quarantine"}
    listed = found.findings
    hit = [i for i, f in enumerate(listed) if len(truth & set(f.positions.tolist())) > 0.5 * len(truth)]
    success = attack_success_rate(victim, data, planted, test)
    return {
        "set": name, "trigger": trigger, "text": text, "carriers": len(truth), "seed": seed, "target": target, "clean_label": clean_label,
        "rank": hit[0] + 1 if hit else None, "status": listed[hit[0]].status if hit else None,
        "exact": bool(hit and isinstance(listed[hit[0]].artefact, Phrase)), "tpr": len(truth & removed) / len(truth),
        "fp": len(removed - truth), "fpr": len(removed - truth) / (len(data) - len(truth)), "verdict": found.verdict,
        "asr": success.rate, "asr_clean": success.clean_rate, "seconds": seconds,
    }  # fmt: skip


def table(lines: list[dict]) -> str:
    cells: dict[tuple, list[dict]] = defaultdict(list)
    for x in lines:
        cells[x["set"], x["trigger"], x["clean_label"], x["carriers"] if not x["clean_label"] else 0].append(x)
    head = ("set", "trigger", "carriers", "first", "confirmed (95 %)", "TPR", "FPR", "victim ASR (clean)", "n")
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (name, trigger, clean, carriers), xs in sorted(cells.items()):
        n = len(xs)
        sure = [x for x in xs if x["status"] == "confirmed"]
        low, high = clopper_pearson(len(sure), n)
        suspected = sum(x["status"] == "suspected" for x in xs)
        said = f"suspected {suspected}/{n}" if clean else f"{len(sure)}/{n} ({low:.0%}–{high:.0%})"
        tpr = f"{np.mean([x['tpr'] for x in sure]):.3f}" if sure else "–"
        fpr = f"{np.mean([x['fpr'] for x in sure]):.4%}" if sure else "–"
        where = "5 % of class" if clean else str(carriers)
        first = sum(x["rank"] == 1 for x in xs)
        asr = f"{np.mean([x['asr'] for x in xs]):.2f} ({np.mean([x['asr_clean'] for x in xs]):.2f})"
        out.append(f"| {name} | {trigger} | {where} | {first}/{n} | {said} | {tpr} | {fpr} | {asr} | {n} |")
    return "\n".join(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--carriers", default=",".join(map(str, CARRIERS)))
    chosen = parser.parse_args()
    done = there_already(chosen, table, "set", "trigger", "wanted", "seed")
    end = time.monotonic() + 60 * chosen.minutes
    names = chosen.sets.split(",")
    whole = {s.name: s.read() for s in real_sets.SETS if s.name in names}
    for seed in range(chosen.plantings):
        for name in names:
            for trigger in TRIGGERS:
                for carriers in [*map(int, chosen.carriers.split(",")), 0]:
                    if (name, trigger, carriers, seed) in done or (carriers == 0 and trigger not in ("word", "sentence")):
                        continue
                    if time.monotonic() > end:
                        return
                    line = one(name, whole[name], trigger, carriers, seed, carriers == 0)
                    add_lines(chosen.out, [{"wanted": carriers, **line}])


if __name__ == "__main__":
    main()
