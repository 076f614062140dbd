"""Which known-good data set a download is, and in what it differs: rows altered, added, missing.

What is known is a file: Parquet, a line per record with `key` and `digest`, and in its metadata "assay.good" a signed note:

    assay.good/1
    name sst2
    version 1.0
    from https://example.com/sst2
    records 67349
    fingerprint 2608fe05...
    keys 91ab...

    — example.com/curator Az3grlgt...

The digests must give the fingerprint, so that nothing of the file can be altered under the signature. It says that somebody vouches
for this version, and not that it is free of poison. A snapshot's evidence pack (`assay ledger pack`) serves as such a file too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assay.dataset.data import Dataset
from assay.dataset.errors import DAMAGE, DataError
from assay.dataset.merkle import tree_hash
from assay.ledger import pack
from assay.ledger.errors import Tampered
from assay.ledger.events import canonical
from assay.ledger.note import Key, Signer, open_note, sign_note
from assay.ledger.snapshots import record_digests
from assay.ledger.tiles import HASH

SCHEMA, META = "assay.good/1", b"assay.good"
SUFFIXES = (".good", ".zip")  # of the files that a folder of known data sets is searched for
FIELDS = ("name", "version", "from", "records", "fingerprint", "keys")


@dataclass(frozen=True)
class Good:
    """A known data set: its records in their order. `keys` are empty where they are not known, or are nothing but numbers."""

    name: str
    fingerprint: str
    digests: tuple[bytes, ...]
    keys: tuple[str, ...]
    by: str  # who vouches for it


@dataclass(frozen=True)
class Match:
    """How a data set compares with a known one. Record numbers from 0: of the data in `altered` and `added`, of the known in `missing`."""

    good: Good
    shared: int  # rows that both have
    altered: tuple[tuple[int, int], ...]  # (record of the data, record of the known one that it was)
    added: tuple[int, ...]
    missing: tuple[int, ...]

    other_order: bool  # rows that both have stand in another order

    @property
    def same(self) -> bool:
        """The same rows in the same order."""
        return not (self.altered or self.added or self.missing or self.other_order)


def write(data: Dataset, out: Path, name: str, version: str, origin: str, signer: Signer) -> None:
    """Vouch for `data` as the known version. Raises DataError where a text has more than one line."""
    keys: list[str] = _keys(data)
    said = (name, version, origin, str(data.records), data.fingerprint, _hash(keys))
    if not name or any(ord(c) < 0x20 for text in said for c in text):
        raise DataError("name, version and origin are one line each, and the name is not empty")
    text = f"{SCHEMA}\n" + "".join(f"{field} {value}\n" for field, value in zip(FIELDS, said, strict=True))
    table = pa.table(
        {
            "key": pa.array(keys, pa.string()) if keys else pa.nulls(data.records, pa.string()),
            "digest": pa.array(record_digests(data), pa.binary(HASH)),
        }
    )
    pq.write_table(table.replace_schema_metadata({META: sign_note(text, [signer])}), out, compression="zstd")


def _keys(data: Dataset) -> list[str]:
    """A key for every record; none where rows are called by their numbers, which say nothing of them."""
    if all(key == str(number) for key, number in zip(data.key, data.row.tolist(), strict=True)):
        return []
    every = {bad.row: bad.key for bad in data.unreadable} | dict(zip(data.row.tolist(), data.key, strict=True))
    return [every.get(number, str(number)) for number in range(data.records)]


def _hash(keys: Sequence[str]) -> str:
    return sha256(canonical(list(keys))).hexdigest()


def read(path: Path, keys: Sequence[Key]) -> Good:
    """A known data set, vouched for by one of `keys`. Raises Tampered where it is not, DataError where the file is none."""
    if path.suffix == ".zip":
        return _of_pack(path, keys)
    try:
        table = pq.read_table(path, columns=["key", "digest"])
        note = (table.schema.metadata or {})[META]
        digests, names = tuple(table.column("digest").to_pylist()), table.column("key").to_pylist()
    except DAMAGE as error:
        raise DataError(f"holds no known data set ({error})", path=path, remedy="assay identify --write makes such files") from error
    opened = open_note(note, keys)
    lines = opened.text.splitlines()
    said = dict(zip(FIELDS, (line.partition(" ")[2] for line in lines[1:]), strict=False))
    if lines[0] != SCHEMA or [line.partition(" ")[0] for line in lines[1:]] != list(FIELDS):
        raise Tampered("is signed, but it is no note of a known data set", path=path)
    called = [] if names and names[0] is None else names
    if tree_hash(digests).hex() != said["fingerprint"] or _hash(called) != said["keys"] or str(len(digests)) != said["records"]:
        raise Tampered("the rows in it are not those that were signed", path=path)
    version = f" {said['version']}" if said["version"] else ""
    return Good(f"{said['name']}{version}", said["fingerprint"], digests, tuple(called), opened.keys[0].name)


def _of_pack(path: Path, keys: Sequence[Key]) -> Good:
    problem: Tampered | None = None
    for key in keys:
        try:
            found = pack.receive(path, key)
        except Tampered as error:
            problem = error
            continue
        if found.digests is None:
            raise DataError("this pack holds no digests of rows", path=path, remedy="ask for one that does: assay ledger pack --digests")
        return Good(f"{key.name} {found.snapshot}", found.root, found.digests, (), key.name)
    raise problem or DataError("nobody is trusted", remedy="give --trust KEY")


def files(places: Sequence[Path]) -> list[Path]:
    """The files of known data sets at `places`, folders searched one level deep. Raises DataError where there is none."""
    found: list[Path] = []
    for place in places:
        found += sorted(p for p in place.iterdir() if p.suffix in SUFFIXES) if place.is_dir() else [place]
    missing = next((p for p in found if not p.is_file()), None)
    if missing is not None or not found:
        raise DataError("there is no known data set", path=missing or (places[0] if places else None), remedy="assay identify --write")
    return found


def closest(data: Dataset, known: Sequence[Good]) -> Match | None:
    """The known data set that shares most with `data`, by rows of both over rows of either; None where none shares a row."""
    digests = record_digests(data)
    mine = Counter(digests)

    def share(good: Good) -> tuple[float, int]:
        both = (mine & Counter(good.digests)).total()
        return (2.0 if good.fingerprint == data.fingerprint else both / (len(digests) + len(good.digests) - both or 1), both)

    if not known:
        return None
    (_, both), best = max(((share(good), good) for good in known), key=lambda pair: pair[0])
    return compare(digests, _keys(data), best) if both or best.fingerprint == data.fingerprint else None


def compare(digests: Sequence[bytes], keys: Sequence[str], good: Good) -> Match:
    """What differs. A row is altered where a row of the same key differs, or, where rows have no keys, where as many rows stand
    between the same neighbours; what cannot be paired so is added or missing."""
    pairs = _paired(digests, good.digests)
    mine, theirs = {new for new, _ in pairs}, {old for _, old in pairs}
    added = [number for number in range(len(digests)) if number not in mine]
    missing = [number for number in range(len(good.digests)) if number not in theirs]
    altered = _by_key(added, missing, keys, good.keys) if keys and good.keys else _by_place(added, missing, pairs)
    gone, new = {old for _, old in altered}, {number for number, _ in altered}
    return Match(
        good,
        len(pairs),
        tuple(altered),
        tuple(number for number in added if number not in new),
        tuple(number for number in missing if number not in gone),
        any(later[1] < earlier[1] for earlier, later in pairwise(pairs)),
    )


def _paired(new: Sequence[bytes], old: Sequence[bytes]) -> list[tuple[int, int]]:
    """(record, record) of rows that are the same, each used once, in the order of `new`."""
    places: dict[bytes, list[int]] = {}
    for number in range(len(old) - 1, -1, -1):
        places.setdefault(old[number], []).append(number)
    return [(number, places[digest].pop()) for number, digest in enumerate(new) if places.get(digest)]


def _by_key(added: Sequence[int], missing: Sequence[int], keys: Sequence[str], known: Sequence[str]) -> list[tuple[int, int]]:
    there: dict[str, list[int]] = {}
    for number in reversed(missing):
        there.setdefault(known[number], []).append(number)
    return [(number, there[keys[number]].pop()) for number in added if there.get(keys[number])]


def _by_place(added: Sequence[int], missing: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    anchors = _rising(pairs)
    starts = [number for number, _ in anchors], [old for _, old in anchors]
    gaps: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
    for side, numbers in enumerate((added, missing)):
        for number in numbers:
            gaps[side].setdefault(bisect_left(starts[side], number), []).append(number)
    same = (gap for gap in gaps[0] if len(gaps[0][gap]) == len(gaps[1].get(gap, ())))
    return [pair for gap in same for pair in zip(gaps[0][gap], gaps[1][gap], strict=True)]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs that rise on both sides: rows that kept their order (patience sorting, Fredman 1975)."""
    tails: list[int] = []  # the least last element of a rising run of each length
    ends: list[int] = []  # which pair that is
    before: list[int] = []
    for place, (_, old) in enumerate(pairs):
        length = bisect_left(tails, old)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [old]
        ends[length : length + 1] = [place]
    run, place = [], ends[-1] if ends else -1
    while place >= 0:
        run.append(pairs[place])
        place = before[place]
    return run[::-1]
