"""The trusted set: rows drawn at random, verified by several people, frozen, kept apart from training, and not for ever.

1. `draw`: at random within each class, at least a few of each, so that what is trusted looks like the data.
2. A review (`assay.crowd.review`) by k people who do not see each other or the label.
3. `freeze`: only rows on which all k agree, under the label they give; a folder with the rows, who verified them, when it expires,
   and a seal over all of it. Whoever can write the folder can make a new seal: keep the printed one elsewhere, or in the ledger.
4. `examine`: is it as it was frozen, has it expired, is any of it in the training data?

By the way it measures the data: rows drawn at random whose label people reject give the share of wrong labels with an exact
interval.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from assay.crowd.queue import Item
from assay.crowd.review import Outcome, Review, agreement, outcomes
from assay.dataset.atomic import whole
from assay.dataset.data import MISSING, Columns, Dataset
from assay.dataset.digest import row_digests
from assay.dataset.errors import DataError
from assay.dataset.formats.base import FileFormat
from assay.dataset.formats.registry import named
from assay.dataset.pictures import hashes_of
from assay.dataset.read import read
from assay.dataset.write import write_as
from assay.stats.interval import clopper_pearson

SCHEMA = "assay.trusted/1"
FEWEST = 5  # rows of each class drawn, where it has so many: fewer verify nothing about it
LEAST_VERIFIERS = 2  # one person's word is an annotation, not a verification
GRID = 8  # pixels a side of the picture that near copies share
LEVELS = 16  # of brightness in it
Int = NDArray[np.int64]


def draw(data: Dataset, rows: int, rng: np.random.Generator, fewest: int = FEWEST) -> list[Item]:
    """`rows` rows at random, each class in proportion and `fewest` of it at least (or all it has), in random order.

    DataError without labels, or where so many classes do not fit.
    """
    if not data.labelled:
        raise DataError("has no labels to draw by", path=data.path, remedy="name the label column with --label")
    sizes = np.bincount(data.y[data.y != MISSING], minlength=len(data.classes))
    wanted = np.minimum(sizes, np.maximum(fewest, np.floor(rows * sizes / sizes.sum()).astype(int)))
    if np.minimum(sizes, fewest).sum() > rows:
        raise DataError(f"{rows} rows cannot hold {fewest} of each of {len(sizes)} classes", path=data.path, remedy="draw more (--rows)")
    while wanted.sum() > rows:  # the least classes were topped up: the largest give way
        wanted[int(np.argmax(wanted))] -= 1
    chosen = [rng.choice(np.flatnonzero(data.y == c), n, replace=False) for c, n in enumerate(wanted.tolist())]
    spare = np.setdiff1d(np.flatnonzero(data.y != MISSING), np.concatenate(chosen))
    short = min(rows - int(wanted.sum()), len(spare))
    places = rng.permutation(np.concatenate([*chosen, rng.choice(spare, short, replace=False)]))
    return [Item(data.key[p], 1.0, "drawn for the trusted set", data.classes[data.y[p]]) for p in places.tolist()]


@dataclass(frozen=True)
class Frozen:
    """A trusted set on disk. `wrong` of the labels of `drawn` rows were others than the data had; `low`, `high` bound the share (95 %)."""

    folder: Path
    rows: int
    left_out: int
    seal: str
    expires: str
    wrong: int
    low: float
    high: float
    drawn: int  # rows that were drawn at random, of which `wrong` speaks


def freeze(review: Review, data: Dataset, out: str | Path, *, days: int, now: datetime | None = None) -> Frozen:
    """Writes the rows on which all their reviewers agree to the folder `out`, with `trusted.json`.

    DataError while looks are missing, for fewer than LEAST_VERIFIERS looks a row, and where nobody agrees on anything.
    """
    agreed, left = _agreed(review)
    at = (now or datetime.now(UTC)).replace(microsecond=0)
    lines = [_line(o, drawn=review.purpose == "trusted") for o in agreed]
    return _write(review, data, lines, left, out, at, (at + timedelta(days=days)).isoformat())


def _agreed(review: Review) -> tuple[list[Outcome], int]:
    """(rows on which all reviewers agree, how many are left out)."""
    if review.each < LEAST_VERIFIERS:
        raise DataError(
            f"{review.each} look a row verifies nothing", path=review.folder, remedy=f"draw with --each {LEAST_VERIFIERS} or more"
        )
    found = outcomes(review)
    missing = sum(o.state == "open" for o in found)
    if missing:
        raise DataError(f"{missing:,} rows still wait for a look", path=review.folder, remedy="see assay review status")
    agreed = [o for o in found if o.label is not None and all(d.label == o.label for d in o.looks)]
    if not agreed:
        raise DataError("its reviewers agree on no row", path=review.folder, remedy="settle the guideline and review again")
    return agreed, len(found) - len(agreed)


def grow(folder: str | Path, review: Review, data: Dataset, out: str | Path, *, days: int, now: datetime | None = None) -> Frozen:
    """Writes the trusted set of `folder` and the rows on which all reviewers of a finished review agree, as a new set at `out`.

    It expires with the older of the two. Rows that a review put up were suspected, not drawn: they do not count in the share of wrong
    labels. A row that both verified keeps its first entry. DataError where the set was drawn from other data, and as `freeze`.
    """
    before = described(folder)
    examine(folder)
    if before["drawn_from"] != data.fingerprint:
        raise DataError("was drawn from other data than the review's", path=folder, remedy="freeze the review on its own")
    agreed, left = _agreed(review)
    at = (now or datetime.now(UTC)).replace(microsecond=0)
    lines = list(before["rows"])
    known = {line["key"] for line in lines}
    lines += [_line(o, drawn=False) for o in agreed if o.task.key not in known]
    expires = min(str(before["expires"]), (at + timedelta(days=days)).isoformat(), key=datetime.fromisoformat)
    return _write(review, data, lines, left, out, at, expires)


def _line(outcome: Outcome, drawn: bool) -> dict[str, Any]:
    by = sorted(d.reviewer for d in outcome.looks)
    return {"key": outcome.task.key, "label": outcome.label, "was": outcome.task.suspected, "verified_by": by, "drawn": drawn}


def _write(review: Review, data: Dataset, lines: list[dict[str, Any]], left: int, out: str | Path, at: datetime, expires: str) -> Frozen:
    position = {key: i for i, key in enumerate(data.key)}
    chosen = data.subset(np.array([position[line["key"]] for line in lines], np.int64))
    codes = {name: i for i, name in enumerate(data.classes)}
    unknown = [line["label"] for line in lines if line["label"] not in codes]
    if unknown:
        raise DataError(f"the data has no class {unknown[0]!r}", path=data.path, remedy="review with the data's own classes")
    labelled = chosen.with_content(chosen.rows, np.array([codes[line["label"]] for line in lines], np.int64))
    drawn = [line for line in lines if line.get("drawn", True)]  # sets frozen before sets could grow do not say
    wrong = sum(line["label"] != line["was"] for line in drawn)
    low, high = clopper_pearson(wrong, len(drawn)) if drawn else (0.0, 1.0)
    with whole(Path(out)) as (new,):
        new.mkdir()
        name = _file_name(data)
        write_as(labelled, new / name, None if data.format != "memory" else "parquet")
        fingerprint = read(new / name, columns=_columns(data), task=data.task).fingerprint
        body = _body(review, data, lines, name, fingerprint, at, expires)
        seal = seal_of(body)
        (new / "trusted.json").write_text(json.dumps({**body, "seal": seal}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return Frozen(Path(out), len(lines), left, seal, expires, wrong, low, high, len(drawn))


def _columns(data: Dataset) -> Columns:
    return Columns(content=data.columns.content, label=data.columns.label)


def _file_name(data: Dataset) -> str:
    form = named("parquet" if data.format == "memory" else data.format)
    path = Path(data.path)
    if not isinstance(form, FileFormat) or path.is_dir():
        return "data"
    return "data" + (path.suffix if path.suffix.lower() in form.suffixes else form.suffixes[0])


def _body(
    review: Review, data: Dataset, lines: list[dict[str, Any]], name: str, fingerprint: str, at: datetime, expires: str
) -> dict[str, Any]:
    alpha = agreement(review)
    return {
        "schema": SCHEMA,
        "file": name,
        "fingerprint": fingerprint,
        "content": list(data.columns.content),
        "label": list(data.columns.label),
        "task": data.task,
        "drawn_from": data.fingerprint,
        "frozen": at.isoformat(),
        "expires": expires,
        "verifiers": review.each,
        "alpha": None if np.isnan(alpha) else alpha,
        "rows": lines,
    }


def seal_of(body: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a trusted set's description, its seal left out."""
    told = {key: value for key, value in body.items() if key != "seal"}
    return sha256(json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Examined:
    """What `examine` found. `leaks` are (row number in the other data, key here, "the same" or "nearly the same")."""

    rows: int
    expires: str
    expired: bool
    leaks: tuple[tuple[int, str, str], ...]


def examine(
    folder: str | Path, against: Dataset | str | Path | None = None, *, seal: str | None = None, now: datetime | None = None
) -> Examined:
    """Whether a trusted set can be used. DataError if it is not as it was frozen (or not as `seal` says).

    A leak is a row of `against` with the same content, whatever its label, or nearly the same: the same letters and digits, the same
    picture at 8 x 8 and 16 levels. Paraphrases and crops are not seen.
    """
    body = described(folder, seal=seal)
    held, expires = Path(folder) / str(body["file"]), datetime.fromisoformat(body["expires"])
    columns, keys = Columns(tuple(body["content"]), tuple(body["label"])), [str(row["key"]) for row in body["rows"]]
    data = read(held, columns=columns, task=body["task"])
    if data.fingerprint != body["fingerprint"]:
        raise DataError("is not as it was frozen: the rows have changed", path=held, remedy="restore the folder, or freeze anew")
    if isinstance(against, str | Path):
        against = read(against, columns=Columns(content=data.columns.content), task="none")
    leaks = () if against is None else _leaks(data, keys, against)
    return Examined(len(data), body["expires"], (now or datetime.now(UTC)) >= expires, leaks)


def described(folder: str | Path, *, seal: str | None = None) -> dict[str, Any]:
    """What `trusted.json` says, once its seal fits (and is `seal`, if given); DataError if not. The rows' file is not looked at."""
    path = Path(folder) / "trusted.json"
    try:
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        told, held = str(body["seal"]), Path(folder) / str(body["file"])
        datetime.fromisoformat(body["expires"])
        fits = all(str(row["key"]) and str(row["label"]) for row in body["rows"]) and seal_of(body) == told
        fits = fits and held.parent == Path(folder) and all(isinstance(body[name], list) for name in ("content", "label"))
    except FileNotFoundError as error:
        raise DataError("is no trusted set", path=folder, remedy="make one with assay trusted freeze") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be understood ({error})", path=path, remedy="restore the file") from error
    if not fits or (seal is not None and seal != told):
        raise DataError("is not as it was frozen: its seal does not fit", path=path, remedy="restore the folder, or freeze anew")
    return body


def _leaks(data: Dataset, keys: Sequence[str], against: Dataset) -> tuple[tuple[int, str, str], ...]:
    if data.modality != against.modality:
        raise DataError(f"holds {against.modality}, the trusted set {data.modality}", path=against.path, remedy="give the data trained on")
    missing = [name for name in data.columns.content if name not in against.table.column_names]
    if missing:
        raise DataError(f"has no column {missing[0]!r}", path=against.path, remedy="give the data trained on, with the same columns")
    same, near = ({mark: i for i, mark in enumerate(marks)} for marks in _marks(data, data.columns.content))
    found = []
    for row, exact, rough in zip(against.row.tolist(), *_marks(against, data.columns.content), strict=True):
        if exact in same:
            found.append((int(row), keys[same[exact]], "the same"))
        elif rough in near:
            found.append((int(row), keys[near[rough]], "nearly the same"))
    return tuple(found)


def _marks(data: Dataset, content: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """(what identical content shares, what near copies share), a mark a row."""
    table = data.table.select(list(content))
    hashes = None if data.images is None else hashes_of(data.images)
    exact = [digest.tobytes() for digest in row_digests(table, hashes)]
    if data.images is not None:
        return exact, [_rough(picture) for picture in data.images]
    if data.modality != "text":
        return exact, exact
    texts = [table.column(name).cast("string") for name in content]
    joined = pc.binary_join_element_wise(*texts, " ", null_handling="replace").to_pylist()
    return exact, ["".join(c for c in text.casefold() if c.isalnum()).encode() or mark for text, mark in zip(joined, exact, strict=True)]


def _rough(picture: NDArray[np.uint8]) -> bytes:
    """A picture (h, w, c) as GRID x GRID cells of LEVELS grey levels; a small one is enlarged first by whole pixels."""
    grey = picture[..., :3].mean(2)
    for axis in (0, 1):
        grey = grey.repeat(max(1, -(-GRID // grey.shape[axis])), axis)
    rows = np.array_split(np.arange(grey.shape[0]), GRID)
    cols = np.array_split(np.arange(grey.shape[1]), GRID)
    cells = np.array([[grey[np.ix_(r, c)].mean() for c in cols] for r in rows])
    return (cells * LEVELS / 256).astype(np.uint8).tobytes()
