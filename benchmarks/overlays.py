"""Blended overlays found in real pictures: rows quarantined by rate, strength and kind, with the victim's attack success beside.

    python benchmarks/overlays.py --out overlays.jsonl --plantings 10 --minutes 60 [--sets cifar10,gtsrb] [--cells noise] [--victims 1]
    python benchmarks/overlays.py --out adaptive.jsonl --sets cifar10 --cells adap-blend,adap-patch --plantings 3
    python benchmarks/overlays.py --out overlays.jsonl --table

Each planting has its own rows, target, seed, and noise or photograph (another picture each, of ants and bees). The family is told
nothing; its e-values are held to a third of alpha = 0.01, its share where three families enumerate. The adaptive attacks lay theirs
over cover rows too, which keep their label: those that have the target's count as false rows; how many are others stands in brackets.
The victim is a small convolutional network, 12 plain epochs without augmentation (needs torch), trained for the first --victims plantings
of a cell.
One line a planting goes to --out; plantings that are there already are not run again.
"""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections import defaultdict
from functools import cache

import numpy as np
from PIL import Image

from assay.attack import plant
from assay.attack.measure import attack_success_rate
from assay.bench import sets as real_sets
from assay.bench.runner import add_lines
from assay.dataset.data import Dataset
from assay.dataset.rows import Rows
from assay.stats.interval import clopper_pearson
from assay.trial.family import silent
from assay.trial.overlays import OverlayFamily
from assay.trial.verdicts import judge_all, members
from plantings import options, there_already

ALPHA, FAMILIES = 0.01, 3
TEST = 1_000
EPOCHS, BATCH, WIDTH, RATE = 12, 128, 16, 0.1
CELLS = (  # what, alpha, rate
    ("clean", 0.0, 0.0),
    ("noise", 0.2, 0.01),
    ("noise", 0.2, 0.003),
    ("noise", 0.1, 0.01),
    ("photograph", 0.2, 0.005),
    ("photograph", 0.2, 0.01),
    ("photograph", 0.2, 0.02),
    ("photograph", 0.2, 0.05),
    ("photograph", 0.1, 0.01),
    *(("adap-blend", 0.2, rate) for rate in (0.003, 0.02, 0.05, 0.1)),  # as strong as at test time: .15 in training
    *(("adap-photograph", 0.2, rate) for rate in (0.02, 0.1)),
    *(("adap-patch", 0.5, rate) for rate in (0.003, 0.02, 0.05, 0.1)),  # the strongest: .5, .2, .5 and .3
)
KINDS = {"adap-blend": "adap-blend", "adap-photograph": "adap-blend", "adap-patch": "adap-patch"}  # the others blend


@cache
def pictures(name: str) -> tuple[Dataset, Dataset]:
    """Rows to poison and rows to test the victim on: 10,000 of CIFAR-10, 7,879 of GTSRB; and 1,000."""
    if name == "cifar10":
        x, y = real_sets.cifar("train", 10_000)
        more, labels = real_sets.cifar("test", TEST)
        whole = real_sets.in_memory("image", np.concatenate([y, labels]), images=np.concatenate([x, more]), name=name)
        return whole.subset(np.arange(len(x))), whole.subset(np.arange(len(x), len(x) + TEST))
    whole = next(s for s in real_sets.SETS if s.name == name).read()
    order = np.random.default_rng(0).permutation(len(whole))
    return whole.subset(np.sort(order[TEST:])), whole.subset(np.sort(order[:TEST]))


def photograph(seed: int) -> np.ndarray:
    """The middle square of a photograph of an ant or a bee, 64x64."""
    with zipfile.ZipFile(real_sets.ROOT / "natural_images/hymenoptera.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.lower().endswith(".jpg"))
        image = Image.open(io.BytesIO(archive.read(names[(37 * seed + 11) % len(names)]))).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.crop((left, top, left + side, top + side)).resize((64, 64), Image.Resampling.LANCZOS))


def network(channels: int, classes: int):
    import torch.nn as nn

    def block(i: int, o: int, stride: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

    w = WIDTH
    sizes = ((channels, w, 2), (w, w, 1), (w, 2 * w, 2), (2 * w, 2 * w, 1), (2 * w, 4 * w, 2), (4 * w, 4 * w, 1))
    return nn.Sequential(*(block(*s) for s in sizes), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * w, classes))


VICTIMS: dict[str, object] = {}


def victim(rows: Rows, y: np.ndarray):
    """Trained once for the same rows: the clean one serves every planting."""
    import torch

    name = hashlib.sha256(rows.images.tobytes() + y.tobytes()).hexdigest()
    classes = int(y.max()) + 1

    def seen(images: np.ndarray) -> torch.Tensor:
        values = torch.tensor(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        return values.contiguous(memory_format=torch.channels_last)

    if name not in VICTIMS:
        torch.manual_seed(0)
        model = network(rows.images.shape[3], classes).to(memory_format=torch.channels_last)
        descent = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
        x, labels, batches = seen(rows.images), torch.tensor(y), len(y) // BATCH
        pace = torch.optim.lr_scheduler.OneCycleLR(descent, RATE, total_steps=EPOCHS * batches)
        for _ in range(EPOCHS):
            for part in torch.randperm(len(y))[: batches * BATCH].reshape(batches, BATCH):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = torch.nn.functional.cross_entropy(model(x[part]).float(), labels[part])
                descent.zero_grad()
                loss.backward()
                descent.step()
                pace.step()
        VICTIMS[name] = model.eval()
    model = VICTIMS[name]

    def predict(batch: Rows) -> np.ndarray:
        with torch.no_grad():
            parts = [model(seen(batch.images[i : i + 500])).argmax(1) for i in range(0, len(batch.images), 500)]
        return torch.cat(parts).numpy()

    return predict


def one(name: str, what: str, alpha: float, rate: float, seed: int, with_victim: bool) -> dict:
    data, test = pictures(name)
    planted = None
    if what != "clean":
        picture = photograph(seed) if "photograph" in what else "noise"
        params = {} if what == "adap-patch" else {"alpha": alpha, "picture": picture}
        planted = plant(data, KINDS.get(what, "blend"), rate=rate, seed=seed, params=params)
    dirty = planted.data if planted else data.subset(np.sort(np.random.default_rng(seed).permutation(len(data))[: len(data) * 7 // 10]))
    began, cpu = time.perf_counter(), time.process_time()
    examined = OverlayFamily().examine(dirty, "fast", np.random.default_rng(seed), silent)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    judged = judge_all({"overlay": examined}, ALPHA / FAMILIES)
    firm = [j.tried for j in judged if j.status == "confirmed"]
    removed = set().union(*(set(members(dirty, t).tolist()) for t in firm))
    truth = set(np.flatnonzero(planted.poisoned).tolist()) if planted else set()
    covers = set(np.flatnonzero(planted.cover).tolist()) if planted and planted.cover is not None else set()
    effects = [t.effect.rate for t in firm if t.effect]
    line = {
        "set": name, "what": what, "alpha": alpha, "rate": rate, "seed": seed, "carriers": len(truth), "confirmed": len(firm),
        "suspected": sum(j.status == "suspected" for j in judged), "enumerated": examined.enumerated,
        "tpr": len(truth & removed) / max(len(truth), 1),
        "fp": len(removed - truth), "fp_cover": len(removed & covers), "fpr": len(removed - truth) / (len(dirty) - len(truth)),
        "log_e": round(max((t.log_e for t in firm), default=0.0), 1),
        "alpha_found": [round(t.candidate.artefact.alpha, 3) for t in firm], "effect": effects[0] if effects else None,
        "seconds": round(seconds, 1), "cpu": round(cpu, 1),
    }  # fmt: skip
    if planted and with_victim:
        success = attack_success_rate(victim, data, planted, test)
        line |= {"asr": success.rate, "asr_clean": success.clean_rate, "accuracy": success.accuracy}
    return line


def table(lines: list[dict]) -> str:
    cells: dict[tuple, list[dict]] = defaultdict(list)
    for x in lines:
        cells[x["set"], x["what"], -x["alpha"], x["rate"]].append(x)
    head = (
        "set",
        "overlay",
        "alpha",
        "rate",
        "confirmed (95 %)",
        "TPR",
        "TPR, least",
        "FPR",
        "most false rows (no cover)",
        "victim ASR (clean)",
        "CPU s",
        "n",
    )
    out = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (name, what, minus, rate), xs in sorted(cells.items()):
        sure, n = sum(x["confirmed"] > 0 for x in xs), len(xs)
        low, high = clopper_pearson(sure, n)
        asked = [x for x in xs if "asr" in x]
        asr = f"{np.mean([x['asr'] for x in asked]):.2f} ({np.mean([x['asr_clean'] for x in asked]):.2f})" if asked else "–"
        untouched = max(x["fp"] - x.get("fp_cover", 0) for x in xs)
        false = f"{max(x['fp'] for x in xs)} ({untouched})"
        tpr, least = (f"{np.mean([x['tpr'] for x in xs]):.3f}", f"{min(x['tpr'] for x in xs):.3f}") if what != "clean" else ("–", "–")
        out.append(
            f"| {name} | {what} | {-minus:g} | {rate:.1%} | {sure}/{n} ({low:.0%}–{high:.0%}) | {tpr} | {least} | "
            f"{np.mean([x['fpr'] for x in xs]):.4%} | {false} | {asr} | {np.mean([x['cpu'] for x in xs]):.1f} | {n} |"
        )
    return "\n".join(out)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sets", default="cifar10,gtsrb")
    parser.add_argument("--cells", default="clean,noise,photograph", help="kinds of cells to run")
    parser.add_argument("--victims", type=int, default=1, help="plantings of a cell for which a victim is trained")
    chosen = parser.parse_args()
    done = there_already(chosen, table, "set", "what", "alpha", "rate", "seed")
    end = time.monotonic() + 60 * chosen.minutes
    for seed in range(chosen.plantings):
        for name in chosen.sets.split(","):
            for what, alpha, rate in CELLS:
                if what not in chosen.cells.split(",") or (name, what, alpha, rate, seed) in done:
                    continue
                if time.monotonic() > end:
                    return
                add_lines(chosen.out, [one(name, what, alpha, rate, seed, seed < chosen.victims)])


if __name__ == "__main__":
    main()
