"""What `assay train` is asked to do: a TOML file, read strictly, so that a misspelt defence is never no defence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.dataset.errors import DataError

SCHEMA = "assay.train/1"
LARGEST = 1 << 20  # bytes
LEARNERS = ("linear", "boosting", "forest", "network")
GUARDS, LOSSES = ("small-loss", "gradient-groups"), ("generalised", "symmetric")
SHARE = 0.2  # of the rows that are held out

KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "data": {"path": (str,), "content": (list,), "label": (str,), "contributor": (str,), "held_out": (int, float)},
    "model": {"learner": (str,), "seed": (int,), "epochs": (int,)},
    "features": {"bits": (int,), "bounds": (dict,), "sentences": (str,), "cache": (str,)},
    "defence": {},  # by kind, below
    "drill": {"kind": (str,), "rate": (int, float), "target": (str,), "params": (dict,)},
}
DEFENCES: dict[str, dict[str, tuple[type, ...]]] = {
    "none": {},
    "weighted": {"report": (str,)},
    "trimmed": {"share": (str, int, float)},
    "partitioned": {"partitions": (int,), "spread": (int,), "election": (str,), "by": (str,)},
    "private": {"epsilon": (int, float), "delta": (int, float), "by": (str,)},
    "guarded": {
        "loss": (str,), "guard": (str,), "share": (int, float), "early": (int, float),
        "triggered": (int, float), "attacked": (int, float), "reach": (int, float), "report": (str,),
    },
}  # fmt: skip
NEEDED = {"weighted": ("report",), "trimmed": ("share",), "partitioned": ("partitions",), "private": ("epsilon", "delta")}
NAMES = {str: "text", int: "a whole number", float: "a number", list: "a list of texts", dict: "a section"}

EXAMPLE = """\
schema = "assay.train/1"

[data]
path = "reviews.csv"       # relative to this file
label = "sentiment"
# content = ["text"]       # inferred where it is not given
# contributor = "user"
# held_out = 0.2           # share of rows that accuracy is measured on

[model]
learner = "linear"         # linear; for tables also boosting, forest; network (pictures, tables, sentences)
seed = 0
# epochs = 12              # of a network; more for few rows where it is not given

[defence]
kind = "partitioned"       # none, weighted, trimmed, partitioned, private; networks also guarded
partitions = 50
# spread = 4               # Finite Aggregation
# election = "run-off"     # or "plurality"
# by = "contributor"       # the unit of the certificate, or of epsilon: "row" or "contributor"
# report = "reviews.assay" # weighted, guarded: what assay scan wrote
# share = 0.1              # trimmed, small-loss: what you expect to be poisoned; trimmed also "choose"
# epsilon = 1.0            # private
# delta = 1e-6             # private: far below 1 / rows
# guard = "small-loss"     # guarded: or "gradient-groups"; early = 0.05 cuts what is learnt first, too
# loss = "generalised"     # guarded: or "symmetric"
# triggered = 0.25         # guarded: share of pictures that are drilled with triggers; attacked: with adversarial noise up to reach

# [features]
# sentences = "minilm"     # texts by a sentence encoder in this folder (config.json, model.safetensors, tokenizer.json)
# cache = "vectors.npz"    # where its vectors are kept between runs

# [features.bounds]        # private tables: what numeric columns lie within, from what they mean
# age = [0, 120]

# [drill]                  # what --drill plants
# kind = "phrase"
# rate = 0.02
"""


@dataclass(frozen=True)
class Config:
    """`sections[name][key]` is what the file says; paths are resolved against its folder. `text` is the file, for the record."""

    path: Path
    data: Path
    learner: str
    seed: int
    held_out: float
    defence: str
    asked: Mapping[str, Any]  # of the defence, without its kind
    sections: Mapping[str, Mapping[str, Any]]
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def epochs(self) -> int | None:
        """Of a network, where they are given."""
        return self.sections.get("model", {}).get("epochs")

    @property
    def reports(self) -> bool:
        """Whether a scan's report weighs the rows."""
        return "report" in self.asked

    @property
    def sentences(self) -> str:
        """The folder of the sentence encoder; empty where there is none."""
        return self._beside("sentences")

    @property
    def cache(self) -> Path | None:
        """Where its vectors are kept."""
        return Path(place) if (place := self._beside("cache")) else None

    def _beside(self, key: str) -> str:
        named = self.sections.get("features", {}).get(key, "")
        return str(self.path.absolute().parent / named) if named else ""

    @property
    def by_contributor(self) -> bool:
        return self.asked.get("by", "row") == "contributor"


def read_config(path: Path) -> Config:
    """The configuration in a file. DataError names the section, key and remedy."""
    document = _toml(path)
    if document.pop("schema", None) != SCHEMA:
        raise DataError("has another schema, or none", path=path, remedy=f'begin with schema = "{SCHEMA}"; assay train --example shows one')
    for name, section in document.items():
        if name not in KEYS or not isinstance(section, dict):
            raise DataError(f"has no section [{name}]", path=path, remedy=f"use {', '.join(KEYS)}")
    defence = dict(document.get("defence", {"kind": "none"}))
    kind = defence.pop("kind", None)
    if kind not in DEFENCES:
        raise DataError(f"[defence] has the kind {kind!r}", path=path, remedy=f"use {', '.join(DEFENCES)}")
    for name, section in document.items():
        held, known = (defence, DEFENCES[kind]) if name == "defence" else (section, KEYS[name])
        for key, value in held.items():
            _check(name, key, value, known, path)
    for key in NEEDED.get(kind, ()):
        if key not in defence:
            raise DataError(f"[defence] {kind} needs {key!r}", path=path, remedy="assay train --example shows how")
    data, model = document.get("data", {}), document.get("model", {})
    for key in ("path", "label"):
        if key not in data:
            raise DataError(f"[data] needs {key!r}", path=path, remedy="assay train --example shows how")
    learner, held_out = model.get("learner", "linear"), float(data.get("held_out", SHARE))
    if learner not in LEARNERS:
        raise DataError(f"[model] has the learner {learner!r}", path=path, remedy=f"use {', '.join(LEARNERS)}")
    if not 0 < held_out < 1:
        raise DataError(f"[data] held_out is {held_out}", path=path, remedy="give a share between 0 and 1")
    if kind == "private" and learner not in ("linear", "network"):
        raise DataError(f"a private model is linear or a network, and the learner is {learner!r}", path=path, remedy='learner = "linear"')
    if kind == "guarded" and learner != "network":
        raise DataError(f"what is guarded is a network, and the learner is {learner!r}", path=path, remedy='learner = "network"')
    if model.get("epochs", 1) < 1 or ("epochs" in model and learner != "network"):
        raise DataError(f"[model] epochs = {model['epochs']}", path=path, remedy="1 or more, of a network")
    if "cache" in document.get("features", {}) and "sentences" not in document["features"]:
        raise DataError("[features] cache is of sentences, and none are encoded", path=path, remedy="sentences = ...")
    _values(kind, defence, path)
    if defence.get("by") == "contributor" and "contributor" not in data:
        raise DataError("contributors are to be the unit, and [data] names no contributor column", path=path, remedy="contributor = ...")
    if "report" in defence:
        defence["report"] = str(path.absolute().parent / defence["report"])
    return Config(
        path,
        path.absolute().parent / data["path"],
        learner,
        int(model.get("seed", 0)),
        held_out,
        kind,
        defence,
        document,
        _bounds(document.get("features", {}).get("bounds", {}), path),
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"is over {LARGEST >> 20} MiB", path=path, remedy="a configuration is short")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError("there is no such file", path=path, remedy="assay train --example > train.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"is no TOML ({error})", path=path, remedy="assay train --example shows one") from error


def _check(section: str, key: str, value: Any, known: Mapping[str, tuple[type, ...]], path: Path) -> None:
    if key not in known:
        raise DataError(f"[{section}] has no {key!r} here", path=path, remedy=f"use {', '.join(known) or 'nothing but kind'}")
    fits = isinstance(value, known[key]) and not isinstance(value, bool)
    if isinstance(value, list):
        fits = fits and all(isinstance(v, str) for v in value)
    if not fits:
        raise DataError(f"[{section}] {key} = {value!r} is not {NAMES[known[key][-1]]}", path=path)


def _values(kind: str, defence: Mapping[str, Any], path: Path) -> None:
    """DataError where a number or a choice of the defence is outside what it may be."""
    wrong: list[tuple[str, str]] = []
    share = defence.get("share", "choose")
    if kind == "trimmed" and share != "choose" and (isinstance(share, str) or not 0 < share < 1):
        wrong.append(("share", 'a share between 0 and 1, or "choose"'))
    if kind == "partitioned":
        wrong += [(key, "1 or more") for key in ("partitions", "spread") if defence.get(key, 1) < 1]
        if defence.get("election", "plurality") not in ("plurality", "run-off"):
            wrong.append(("election", '"plurality" or "run-off"'))
        elif defence.get("election") == "run-off" and defence.get("spread", 1) > 1:
            wrong.append(("spread", "1 with a run-off"))
    if kind == "private" and not 0 < defence["epsilon"] < float("inf"):
        wrong.append(("epsilon", "a number above 0"))
    if kind == "private" and not 0 < defence["delta"] < 1:
        wrong.append(("delta", "a share between 0 and 1"))
    if kind == "guarded":
        wrong += _guarded(defence)
    if defence.get("by", "row") not in ("row", "contributor"):
        wrong.append(("by", '"row" or "contributor"'))
    if wrong:
        key, expected = wrong[0]
        raise DataError(f"[defence] {key} = {defence[key]!r}", path=path, remedy=f"give {expected}")


def _guarded(defence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a guarded network's settings: the key, and what it may be."""
    wrong = [(key, " or ".join(f'"{name}"' for name in held)) for key, held in (("guard", GUARDS), ("loss", LOSSES))
             if key in defence and defence[key] not in held]  # fmt: skip
    shares = ("share", "early", "triggered", "attacked", "reach")
    wrong += [(key, "a share between 0 and 1") for key in shares if key in defence and not 0 <= defence[key] < 1]
    for key in ("share", "early"):
        if key in defence and defence.get("guard") != "small-loss":
            wrong.append((key, 'it with guard = "small-loss"'))
    if "reach" in defence and "attacked" not in defence:
        wrong.append(("reach", "it with attacked"))
    if not defence:
        raise DataError('[defence] kind = "guarded" asks for nothing', remedy="give loss, guard, triggered, attacked or report")
    return wrong


def _bounds(told: Mapping[str, Any], path: Path) -> dict[str, tuple[float, float]]:
    made = {}
    for name, pair in told.items():
        numbers = isinstance(pair, list) and len(pair) == 2 and all(isinstance(v, int | float) for v in pair)
        if not numbers or not pair[0] < pair[1]:
            raise DataError(f"[features.bounds] {name} = {pair!r}", path=path, remedy="give [low, high]")
        made[name] = (float(pair[0]), float(pair[1]))
    return made
