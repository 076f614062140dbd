"""Data sets in an object store that speaks S3: "s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION".

The guarantee: what is read is what a copy of the objects in a folder would give: rows, their order, the fingerprint. Objects are
fetched, through `pyarrow.fs`, into a temporary folder and read there by the same readers: shards (Parquet, JSON lines, Arrow) one by one
by whichever of the engine's workers reads them, and gone when they are read; everything else as a whole. Nothing is written to the store.

Who asks comes from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, on every node; without them nobody is named, which
public buckets allow. What it cannot see: an object that changes while a scan runs is only noticed where its size does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from assay.dataset.errors import DataError
from assay.dataset.formats.arrow import Arrow
from assay.dataset.formats.base import Batch, FileFormat, read_shard
from assay.dataset.formats.hugging_face import DICT, STATE
from assay.dataset.formats.jsonl import JsonLines
from assay.dataset.formats.parquet import Parquet
from assay.dataset.limits import MIB, VARIABLE, Limits
from assay.engine.base import current
from assay.engine.leftovers import scratch_folder

SCHEME = "s3"
SHARDS: tuple[type[FileFormat], ...] = (Parquet, JsonLines, Arrow)  # read shard by shard; as in the registry, the first that fits
AT_ONCE = 8  # objects fetched together: an answer takes some tens of milliseconds, whatever its size
BLOCK = 4 * MIB
PATIENCE = {"connect_timeout": 10.0, "request_timeout": 60.0}  # seconds; the client asks again, AGAIN times at most
AGAIN = 4
LOCAL = ("127.0.0.1", "localhost", "::1")  # spoken to without TLS
CHECK = "check bucket, region, endpoint, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def is_remote(source: object) -> bool:
    """
    >>> is_remote("s3://data/reviews.csv"), is_remote("reviews.csv")
    (True, False)
    """
    return isinstance(source, str) and source.startswith(f"{SCHEME}://")


@dataclass(frozen=True)
class Place:
    """A bucket and a prefix in it, at an endpoint."""

    bucket: str
    prefix: str  # without slashes at its ends
    region: str
    endpoint: SplitResult
    url: str  # as it was given

    @classmethod
    def of(cls, url: str) -> Place:
        """DataError for a URL that names no bucket, or a distant endpoint without TLS.

        >>> place = Place.of("s3://data/2026/reviews?region=eu-central-1")
        >>> place.bucket, place.prefix, place.endpoint.geturl(), place.name
        ('data', '2026/reviews', 'https://s3.eu-central-1.amazonaws.com', 'reviews')
        """
        parts = urlsplit(url)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        region = asked.pop("region", "us-east-1")
        endpoint = urlsplit(asked.pop("endpoint", f"https://s3.{region}.amazonaws.com"))
        if parts.scheme != SCHEME or not parts.netloc or asked or endpoint.scheme not in ("https", "http") or not endpoint.hostname:
            raise DataError(f"{url!r} names no bucket", remedy="write s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION")
        if endpoint.scheme == "http" and endpoint.hostname not in LOCAL:
            raise DataError("an object store that is not on this machine is spoken to by https", remedy="give endpoint=https://…")
        return cls(parts.netloc, parts.path.strip("/"), region, endpoint, url)

    @property
    def name(self) -> str:
        """What a local copy would be called."""
        return PurePosixPath(self.prefix).name or self.bucket

    @property
    def path(self) -> str:
        """As pyarrow names it."""
        return f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket


@dataclass(frozen=True)
class Object:
    """One object: its key below the place's prefix, in a folder's terms a relative path; "" where the prefix names the object itself."""

    inside: str
    size: int


@dataclass(frozen=True)
class Remote:
    """What lies at a place, listed once."""

    place: Place
    objects: tuple[Object, ...]  # in the order of the UTF-8 bytes of their names, as a folder's files are

    @classmethod
    def at(cls, url: str, limits: Limits) -> Remote:
        """DataError where nothing is there, the store refuses, or a key is no path that a folder could hold."""
        place = Place.of(url)
        return cls(place, tuple(_listed(place, limits)))

    @property
    def single(self) -> bool:
        """Whether the URL names one object rather than a folder of them."""
        return self.objects[0].inside == ""

    def shards(self) -> tuple[FileFormat, tuple[Object, ...]] | None:
        """The format whose shards these are and the objects that hold records; None where they must lie side by side to be read."""
        seen = [o for o in self.objects if not any(part.startswith("_") for part in PurePosixPath(o.inside).parts)]
        names = [o.inside for o in seen]
        if self.single or len(names) < 2 or any(PurePosixPath(name).name in (STATE, DICT) for name in names):
            return None
        for kind in SHARDS:
            form = kind()
            if form.fits(names):
                return form, tuple(o for o in seen if form.holds(o.inside))
        return None

    @contextmanager
    def fetched(self, objects: Sequence[Object] | None = None) -> Iterator[Path]:
        """A local copy, of everything or of some objects: the file, or the folder. It is gone after the block, and errors name the URL."""
        wanted = self.objects if objects is None else objects
        with scratch_folder() as home:
            _room(self.place, home, sum(o.size for o in wanted))
            root = home / self.place.name
            try:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    store = _store(self.place)
                    list(pool.map(lambda o: _fetch(store, self.place, o, root / o.inside), wanted))
                yield root
            except DataError as error:
                raise DataError(str(error).replace(str(root), self.place.url)) from error


def shard_batches(remote: Remote, form: FileFormat, objects: Iterable[Object], limits: Limits) -> Iterator[Batch]:
    """Every shard as a whole, by the engine in use: a worker fetches it, reads it and lets go of it."""
    for shard in current().map(read_remote_shard, ((remote.place, form, one, limits) for one in objects)):
        yield from shard


def read_remote_shard(place: Place, form: FileFormat, one: Object, limits: Limits) -> list[Batch]:
    """As `read_shard` of a file: a shard that cannot be read is one lost record, one that cannot be fetched is an error."""
    with Remote(place, (one,)).fetched() as root:
        path = root / one.inside
        found = read_shard(form, path, limits)
        return [replace(b, faults={at: why.replace(str(root), place.url) for at, why in b.faults.items()}) for b in found]


def class_names(remote: Remote, form: FileFormat, objects: Sequence[Object]) -> Mapping[str, Sequence[str]]:
    """Of the first shard: shards of one data set have one schema."""
    with remote.fetched(objects[:1]) as root:
        return form.class_names(root / objects[0].inside)


def _store(place: Place) -> Any:
    try:
        from pyarrow import fs

        make, again = fs.S3FileSystem, fs.AwsStandardS3RetryStrategy(max_attempts=AGAIN)
    except (ImportError, AttributeError) as error:
        raise DataError("this build of pyarrow cannot read from S3", remedy="pip install pyarrow: its wheels can") from error
    known = {
        name: os.environ.get(variable)
        for name, variable in (
            ("access_key", "AWS_ACCESS_KEY_ID"),
            ("secret_key", "AWS_SECRET_ACCESS_KEY"),
            ("session_token", "AWS_SESSION_TOKEN"),
        )
    }
    who: dict[str, Any] = known if known["access_key"] and known["secret_key"] else {"anonymous": True}
    where = {"region": place.region, "scheme": place.endpoint.scheme, "endpoint_override": place.endpoint.netloc}
    return make(**who, **where, **PATIENCE, retry_strategy=again)


def _listed(place: Place, limits: Limits) -> list[Object]:
    from pyarrow import fs

    try:
        store = _store(place)
        here = store.get_file_info(place.path)
        if here.type == fs.FileType.File:
            found = [Object("", here.size)]
        else:
            every = store.get_file_info(fs.FileSelector(place.path, recursive=True, allow_not_found=True))
            found = [Object(i.path.removeprefix(f"{place.path}/"), i.size) for i in every if i.type == fs.FileType.File]
    except OSError as error:
        raise DataError(f"the object store does not show it ({error})", path=place.url, remedy=CHECK) from error
    found = [o for o in found if not any(part.startswith(".") and part not in (".", "..") for part in o.inside.split("/"))]
    if not found or not sum(o.size for o in found):
        raise DataError("there are no objects with content", path=place.url, remedy=CHECK)
    if len(found) > limits.files:
        raise DataError(
            f"holds more than {limits.files:,} objects", path=place.url, remedy=f"scan a part of it, or allow more: {VARIABLE}=files=..."
        )
    for one in found:
        if one.inside and (set(one.inside.split("/")) & {"", ".", ".."} or "\0" in one.inside):
            raise DataError(
                f"the key {one.inside!r} is no path that a folder could hold", path=place.url, remedy="give a prefix without it"
            )
    return sorted(found, key=lambda o: o.inside.encode())


def _room(place: Place, home: Path, size: int) -> None:
    free = shutil.disk_usage(home).free
    if size > free:
        raise DataError(
            f"{size:,} bytes are to be fetched, and {free:,} are free in {home.parents[1]}",
            path=place.url,
            remedy="set TMPDIR to a larger disk",
        )


def _fetch(store: Any, place: Place, one: Object, target: Path) -> None:
    """DataError where the store refuses, or gives more or less than it listed."""
    key = f"{place.path}/{one.inside}" if one.inside else place.path
    got = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open_input_stream(key) as source, target.open("xb") as file:
            while block := source.read(BLOCK):
                got += len(block)
                if got > one.size:
                    break
                file.write(block)
    except OSError as error:
        raise DataError(f"cannot be fetched ({error})", path=f"{SCHEME}://{key}", remedy=CHECK) from error
    if got != one.size:
        raise DataError(f"is not of the {one.size:,} bytes that were listed", path=f"{SCHEME}://{key}", remedy="do not change it meanwhile")
