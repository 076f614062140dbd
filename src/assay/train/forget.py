"""Take rows out of a trained ensemble, exactly: only the members that they fed are trained again.

**Guarantee**: the members are those that training on the remaining training rows would give (the same rows held out, the same seed), bit
for bit on one machine. So nothing that the removed rows did is left in the model; what they did to its users is another matter.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assay.dataset.atomic import whole
from assay.dataset.data import Dataset
from assay.dataset.errors import DataError
from assay.dataset.removal import sha256_of
from assay.harden.ensemble import PartitionedClassifier
from assay.train.features import Features
from assay.train.learners import learner, passes
from assay.train.run import DEALT, accuracy_of, curve_of, read_as
from assay.train.saved import Model, member

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Forgotten:
    """`gone` training rows that the data no longer holds, `retrained` members of `members`; the model without them, and its record."""

    model: Model
    record: dict[str, Any]
    gone: int
    retrained: tuple[int, ...]
    members: int
    dealt: pa.Table


def forget(folder: Path, data: Path) -> Forgotten:
    """The model in `folder`, as if the rows that `data` no longer holds had never been there. Nothing is written.

    `data` is the data set without them, as `assay clean` or `assay ledger purge` leaves it. Rows that the model did not learn from are not
    added. DataError where the model was not trained in partitions, or the data does not go with it.
    """
    record, dealt = partitioned(folder, "so nothing can be forgotten exactly but by training again without the rows")
    settings, seed, told = record["settings"], int(record["seed"]), record["settings"]["defence"]
    model = Model.load(folder)
    now = read_as(data, settings["data"])
    place = places(dealt["digest"].to_pylist(), now)
    kept, partition = place[place >= 0], dealt["partition"].to_numpy()
    if not len(kept):
        raise DataError(
            "holds none of the rows that the model learnt from", path=data, remedy="give the data it was trained on, less the rows"
        )
    lost = np.setdiff1d(np.arange(len(partition)), kept)
    rows = np.flatnonzero(place >= 0)[np.argsort(kept, kind="stable")]  # in the order of training
    left, code = now.subset(rows), codes_of(now, model.classes)[rows]
    ensemble = ensemble_of(settings, seed, model.features)
    feeds = np.arange(len(model.members))[:, None] if model.feeds is None else model.feeds
    touched = np.unique(feeds[partition[lost]]).astype(np.int64)
    members, every = list(model.members), np.arange(len(model.classes))
    again = ensemble.retrain(model.features.of(left.rows), code, partition[np.sort(kept)], len(every), touched)
    for number, fitted in again.items():
        members[number] = member(fitted, every)
    made = replace(model, members=tuple(members))
    others = now.subset(np.flatnonzero((place < 0) & (codes_of(now, model.classes) >= 0)))
    said = record | {"forgotten": _said(folder, now, len(lost), touched, len(members), made, others, told)}
    return Forgotten(made, said, len(lost), tuple(touched.tolist()), len(members), dealt.take(np.sort(kept)))


def partitioned(folder: Path, otherwise: str) -> tuple[dict[str, Any], pa.Table]:
    """(the record, which training row feeds which partition) of a model that votes in partitions. DataError for others, `otherwise` so."""
    if not folder.exists():
        raise DataError("there is no such folder", path=folder, remedy="name a model that assay train wrote")
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        if "seed" not in record or "defence" not in record["settings"]:
            raise ValueError("no record of a training")
        return record, pq.read_table(folder / DEALT)
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"is no model whose members have rows of their own, {otherwise}",
            path=folder,
            remedy='train it with [defence] kind = "partitioned"',
        ) from error


def write(forgotten: Forgotten, out: Path) -> None:
    """The model as `assay train` writes one, whole or not at all."""
    with whole(out) as (made,):
        made.mkdir()
        forgotten.model.save(made)
        pq.write_table(forgotten.dealt, made / DEALT)
        files = {name: sha256_of(made / name) for name in ("model.json", "model.npz", DEALT)}
        text = json.dumps(forgotten.record | {"files": files}, indent=1, ensure_ascii=False) + "\n"
        (made / "record.json").write_text(text, encoding="utf-8")


def ensemble_of(settings: Mapping[str, Any], seed: int, features: Features) -> PartitionedClassifier:
    """The unfitted ensemble that a record's settings speak of."""
    told, asked = settings["defence"], settings.get("model", {})
    base = learner(asked.get("learner", "linear"), features, seed, int(told["partitions"]), **passes(asked.get("epochs")))
    options = {key: told[key] for key in ("spread", "election") if key in told}
    return PartitionedClassifier(base, int(told["partitions"]), random_state=seed, **options)


def places(digests: Sequence[bytes], now: Dataset) -> Int:
    """(n,) for each row that is there now its place among rows of these digests, -1 where it is none; equal rows take places in turn."""
    free: dict[bytes, list[int]] = defaultdict(list)
    for position, digest in enumerate(digests):
        free[digest].append(position)
    for left in free.values():
        left.reverse()
    held = [free.get(digest.tobytes()) for digest in now.digest]
    return np.array([left.pop() if left else -1 for left in held], np.int64)


def codes_of(data: Dataset, classes: Sequence[str]) -> Int:
    """(n,) codes in these classes, -1 where a row has none of them."""
    known = {name: code for code, name in enumerate(classes)}
    table = np.array([known.get(name, -1) for name in data.classes] + [-1], np.int64)
    return table[data.y]


def _said(folder: Path, now: Dataset, lost: int, touched: Int, members: int, made: Model, others: Dataset, told: Any) -> dict[str, Any]:
    """For the record: what was done, and what the model is worth on the rows that it did not learn from."""
    said: dict[str, Any] = {
        "rows": lost,
        "members_trained_again": len(touched),
        "members": members,
        "data": now.fingerprint,
        "model_before": sha256_of(folder / "model.npz"),
    }
    if len(others):
        y = codes_of(others, made.classes)
        found = made.certify(others.rows)
        said["accuracy"] = accuracy_of(found.prediction, y)
        said["certified"] = curve_of(found, y, told.get("by", "row") == "contributor")
    return said
