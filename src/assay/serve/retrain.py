"""The trainer that is always there: a plain model of cleaned data, by `assay.train`, without options.

    python -m assay.serve.retrain DATA OUT --label COLUMN [--content COLUMN ...]

Leaves model.json, model.npz (no pickle) and record.json in the folder OUT. Run by a remediation's retrain step, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from assay.train.config import SCHEMA, read_config
from assay.train.run import train, write


def main(words: list[str] | None = None) -> None:
    """Train, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--label", required=True)
    parser.add_argument("--content", action="append", default=[])
    asked = parser.parse_args(words)
    config = asked.out / "train.toml"
    config.write_text(toml(asked.data, asked.label, asked.content), encoding="utf-8")
    made = asked.out / "model"
    outcome = train(read_config(config))
    write(outcome, made)
    for path in made.iterdir():
        path.rename(asked.out / path.name)
    made.rmdir()
    config.unlink()
    print(json.dumps({"accuracy": outcome.record["accuracy"]}))


def toml(data: Path, label: str, content: list[str]) -> str:
    """A training's configuration; what JSON writes of a text, TOML reads.

    >>> print(toml(Path("/r.csv"), 'the "label"', []))
    schema = "assay.train/1"
    [data]
    path = "/r.csv"
    label = "the \\"label\\""
    """
    lines = [f'schema = "{SCHEMA}"', "[data]", f"path = {_text(str(data.absolute()))}", f"label = {_text(label)}"]
    return "\n".join([*lines, f"content = [{', '.join(map(_text, content))}]"] if content else lines)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    main()
