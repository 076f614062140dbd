"""A certificate as a file of its own, that whoever holds the training data checks without trusting the model or who trained it.

`certify` writes what a partitioned model of `assay train` claims of some rows: each member's vote, who feeds whom, and by digest the
training rows and the rows that were judged. `check` reads it with the data and lets `assay.harden.recheck` try it: elections again, the
worst attacker within each radius, the dealing of rows by SHA-256, and some members trained again. What both share is how rows become
features, each row by itself. No pickle is written or read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from assay.dataset.atomic import whole
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.harden.recheck import Certificate, recheck
from assay.train.features import Features
from assay.train.forget import codes_of, ensemble_of, partitioned, places
from assay.train.run import read_as, read_judged
from assay.train.saved import Model

Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

SCHEMA = "assay.certificate/1"
ARRAYS = ("votes", "feeds", "partition", "prediction", "radius")


@dataclass(frozen=True)
class Claim:
    """`certificate`: what is claimed; `about`: schema, settings, features, classes; digests (n, 32) of the judged and the training rows."""

    certificate: Certificate
    about: Mapping[str, Any]
    judged: UInt8
    trained: UInt8

    @property
    def unit(self) -> str:
        """What is counted: "row" or "contributor"."""
        return "contributor" if self.about["settings"]["defence"].get("by", "row") == "contributor" else "row"


@dataclass(frozen=True)
class Checked:
    """What is `wrong` with a claim, in words; nothing if it stands. `members` of `of` were trained again."""

    wrong: tuple[str, ...]
    rows: int
    trained: int
    members: int
    of: int


def certify(folder: Path, data: Path, rows: Path | None = None, sentences: Path | None = None) -> Claim:
    """What the model in `folder` claims of `rows`, or of those of its data set `data` that it did not learn from. `sentences`: where
    its sentence encoder lies now, if elsewhere.

    DataError where the model was not trained in partitions, or the data does not go with it.
    """
    record, dealt = partitioned(folder, "so it certifies nothing")
    settings = record["settings"]
    model, digests = Model.load(folder, sentences), dealt["digest"].to_pylist()
    if rows is None:
        every = read_as(data, settings["data"])
        judged = every.subset(np.flatnonzero(places(digests, every) < 0))
    else:
        judged = read_judged(rows, model.features)
    if not len(judged):
        raise DataError("holds no row that the model did not learn from", path=rows or data, remedy="name others: --rows FILE")
    scores = model.scores(judged.rows)
    said = model.elected(scores)
    members = np.arange(len(model.members))[:, None] if model.feeds is None else model.feeds
    held = Certificate(
        len(model.classes),
        model.election,
        np.asarray(scores.argmax(2), np.int64),
        scores if model.election == "run-off" else None,
        members,
        dealt["partition"].to_numpy().astype(np.int64),
        said.prediction,
        said.radius,
    )
    about = {
        "schema": SCHEMA,
        "assay": record["assay"],
        "settings": settings,
        "seed": record["seed"],
        "features": model.features.to_json(),
        "classes": list(model.classes),
        "election": model.election,
        "model": record["files"],
    }
    return Claim(held, about, judged.digest, np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32))


def write(claim: Claim, out: Path) -> None:
    """The certificate as one file of arrays, whole or not at all."""
    arrays = {name: getattr(claim.certificate, name) for name in ARRAYS} | {"judged": claim.judged, "trained": claim.trained}
    if claim.certificate.scores is not None:
        arrays["scores"] = claim.certificate.scores
    told = json.dumps(claim.about, ensure_ascii=True)
    with whole(out) as (made,), made.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, about=np.array(told), **arrays)


def open_claim(path: Path) -> Claim:
    """What `write` wrote. DataError if it is no certificate, or its parts do not fit one another."""
    if not path.is_file():
        raise DataError("there is no such file", path=path, remedy="assay certify MODEL DATA --out CERT")
    try:
        if not is_zipfile(path):  # asked before NumPy, which would advise to load a pickle
            raise DataError("holds no certificate (it is no .npz archive)", path=path, remedy="assay certify MODEL DATA --out CERT")
        with np.load(path, allow_pickle=False) as held:
            about = json.loads(str(held["about"]))
            if about["schema"] != SCHEMA:
                raise DataError(f"has the schema {about['schema']!r}, not {SCHEMA!r}", path=path, remedy="check it with its own version")
            numbers = {name: np.asarray(held[name], np.int64) for name in ARRAYS}
            scores = np.asarray(held["scores"], np.float64) if "scores" in held.files else None
            claim = Claim(
                Certificate(len(about["classes"]), str(about["election"]), scores=scores, **numbers), about, held["judged"], held["trained"]
            )
        _fits(claim)
        return claim
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, BadZipFile, EOFError) as error:
        raise DataError(f"holds no certificate ({error!r})", path=path, remedy="assay certify MODEL DATA --out CERT") from error


def check(
    claim: Claim,
    data: Path,
    rows: Path | None,
    rng: np.random.Generator,
    members: int = 5,
    model: Path | None = None,
    sentences: Path | None = None,
) -> Checked:
    """Try a claim against the data set `data` that the model learnt from and the judged `rows` (none: they are in `data`).

    `members`: how many are trained again, drawn from `rng`; a false vote of one among m is missed with chance 1 - members / m. `model`: a
    folder whose votes are to be those that are claimed. DataError where the rows that are claimed are not there.
    """
    held, settings = claim.certificate, claim.about["settings"]
    every = read_as(data, settings["data"])
    train = _named(every, claim.trained, "training rows", data)
    features, classes = Features.from_json(claim.about["features"]).beside(sentences), tuple(claim.about["classes"])
    judged = _named(every if rows is None else read_judged(rows, features), claim.judged, "judged rows", rows or data)
    x, y, x_test = features.of(train.rows), codes_of(train, classes), features.of(judged.rows)
    groups = [str(v) for v in train.values(train.columns.contributor) or ()] if claim.unit == "contributor" else None
    ensemble = ensemble_of(settings, int(claim.about["seed"]), features)
    wrong = _settled(claim)
    if (y < 0).any():
        wrong.append(f"{int((y < 0).sum())} training rows have a class that is not among those claimed")
    else:
        wrong += recheck(held, x, y, x_test, ensemble, rng, groups, members)
    if model is not None:
        votes = Model.load(model, sentences).scores(judged.rows).argmax(2)
        if votes.shape != held.votes.shape or (votes != held.votes).any():
            wrong.append(f"the model in {model} votes otherwise")
    return Checked(tuple(wrong), len(judged), len(train), min(members, held.votes.shape[1]), held.votes.shape[1])


def _settled(claim: Claim) -> list[str]:
    """Where what is claimed is not what the settings ask for: other members, another election."""
    told, held = claim.about["settings"]["defence"], claim.certificate
    wrong = []
    if told.get("election", "plurality") != held.election:
        wrong.append(f"the settings ask for {told.get('election', 'plurality')}, and {held.election} is claimed")
    asked = int(told["partitions"]) * int(told.get("spread", 1))
    if asked != held.votes.shape[1]:
        wrong.append(f"the settings ask for {asked} members, and {held.votes.shape[1]} voted")
    if int(told.get("spread", 1)) != held.feeds.shape[1]:
        wrong.append(f"the settings ask for a spread of {told.get('spread', 1)}, and {held.feeds.shape[1]} is claimed")
    return wrong


def _fits(claim: Claim) -> None:
    """ValueError where the arrays are of lengths that do not go together, or hold numbers of no member or class."""
    held, n = claim.certificate, len(claim.judged)
    m = held.votes.shape[1]
    fit = held.votes.shape == (n, m) and held.prediction.shape == held.radius.shape == (n,) and held.feeds.ndim == 2
    fit = fit and len(claim.trained) == len(held.partition) and held.partition.ndim == 1
    fit = fit and (held.scores is None) == (held.election == "plurality") and held.election in ("plurality", "run-off")
    fit = fit and (held.scores is None or held.scores.shape == (n, m, held.classes)) and bool((held.radius >= 0).all())
    within = ((held.votes, held.classes), (held.prediction, held.classes), (held.feeds, m), (held.partition, len(held.feeds)))
    if not fit or any(len(a) and not (a.min() >= 0 and a.max() < top) for a, top in within):
        raise ValueError("its parts do not go together")
    if claim.judged.dtype != np.uint8 or claim.judged.shape[1:] != (32,) or claim.trained.shape[1:] != (32,):
        raise ValueError("its digests are of another length")


def _named(data: Dataset, digests: UInt8, what: str, path: Path) -> Dataset:
    """The rows of these digests, in their order."""
    place = places([digest.tobytes() for digest in digests], data)
    there = np.flatnonzero(place >= 0)
    if len(there) < len(digests):
        missing = len(digests) - len(there)
        raise DataError(
            f"{missing:,} of the {len(digests):,} {what} that the certificate names are not here", path=path, remedy="give the data"
        )
    return data.subset(there[np.argsort(place[there], kind="stable")])
