"""Each defence of `assay train` against one drill: accuracy and attack success of the defended and the undefended twin.

python benchmarks/train.py DATA --label LABEL --content text --kind phrase --rate 0.02 --out out/train.jsonl
python benchmarks/train.py --table --out out/train.jsonl
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from assay.train.config import read_config
from assay.train.run import train
from assay.train.twins import drill

DEFENCES = {
    "weighted": 'kind = "weighted"\nreport = "{report}"',
    "trimmed 10 %": 'kind = "trimmed"\nshare = 0.1',
    "50 partitions": 'kind = "partitioned"\npartitions = 50',
    "10 partitions": 'kind = "partitioned"\npartitions = 10',
    "private, epsilon 1": 'kind = "private"\nepsilon = 1.0\ndelta = 1e-5',
    "private, epsilon 8": 'kind = "private"\nepsilon = 8.0\ndelta = 1e-5',
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--label", default="label")
    parser.add_argument("--content", default="text")
    parser.add_argument("--kind", default="phrase")
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--target", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--report", type=Path, help="of a scan of the data; the weighted twin is left out without one")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    if not chosen.table:
        for name, defence in DEFENCES.items():
            if (chosen.only and chosen.only not in name) or (name == "weighted" and chosen.report is None):
                continue
            line = {"data": chosen.data.stem, "defence": name, **measured(chosen, defence)}
            chosen.out.parent.mkdir(parents=True, exist_ok=True)
            with chosen.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
    print("| data | drill | defence | accuracy / undefended | poisoned / undefended | attack success / undefended / clean | seconds |")
    print("|---|---|---|---|---|---|---|")
    for line in map(json.loads, chosen.out.read_text().splitlines()):
        record = line["record"]
        twins = record["drill"]["models"]
        cells = [record["accuracy"], record["undefended_accuracy"], twins["defended"]["accuracy"], twins["undefended"]["accuracy"]]
        cells += [twins[name].get("attack_success", {"share": None}) for name in ("defended", "undefended", "clean")]
        said = ["–" if cell["share"] is None else f"{cell['share']:.3f}" for cell in cells]
        figures = " | ".join([" / ".join(said[:2]), " / ".join(said[2:4]), " / ".join(said[4:])])
        told = f"{record['drill']['kind']}, {record['drill']['poisoned']} of {record['drill']['rows']:,}"
        print(f"| {line['data']} | {told} | {line['defence']} | {figures} | {line['seconds']:.0f} |")


def measured(chosen: argparse.Namespace, defence: str) -> dict[str, object]:
    content = ", ".join(f'"{name}"' for name in chosen.content.split(","))
    target = f'target = "{chosen.target}"\n' if chosen.target else ""
    text = (
        f'schema = "assay.train/1"\n[data]\npath = "{chosen.data.absolute()}"\nlabel = "{chosen.label}"\ncontent = [{content}]\n[defence]\n'
    )
    report = "" if chosen.report is None else str(chosen.report.absolute())
    text += defence.format(report=report) + f'\n[drill]\nkind = "{chosen.kind}"\nrate = {chosen.rate}\n{target}'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.toml"
        path.write_text(text)
        config = read_config(path)
        began = time.perf_counter()
        outcome = train(config)
        outcome.record["drill"] = drill(config, outcome.lesson)
    return {"record": outcome.record, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()
