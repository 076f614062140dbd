"""Every back end keeps the same promises: the folder, memory, PostgreSQL, and an object store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay.dataset.errors import DataError
from assay.dataset.merkle import tree_hash
from assay.ledger import snapshots
from assay.ledger.audit import audit
from assay.ledger.bucket import LEASE, Bucket
from assay.ledger.errors import Refused, Tampered
from assay.ledger.ingest import add
from assay.ledger.ledger import Ledger, memo_of
from assay.ledger.log import Log
from assay.ledger.postgres import Postgres
from assay.ledger.s3_sign import Account, signed
from assay.ledger.storage import Folder, Memory, Storage
from assay.ledger.stores import opened
from ledger_examples import ALICE, BOB, KEY, TODAY, register, reviews
from ledger_examples import opened as read
from object_store import Store, object_store
from serve_databases import new_database, postgres  # noqa: F401  # a fixture

Make = Callable[[], Storage]  # another connection to the same log


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with object_store() as made:
        yield made


@pytest.fixture(params=["memory", "folder", "postgres", "bucket"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        memory = Memory()
        return lambda: memory
    if request.param == "folder":
        return lambda: Folder(tmp_path / "log")
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres"))
        return lambda: Postgres(url, "example.com/ledger")
    url = request.getfixturevalue("store").url("some where/log")
    return lambda: Bucket(url, sleep=lambda seconds: None)


def test_the_same_promises(make: Make) -> None:
    storage = make()
    with storage.lock(), storage.lock():  # the same writer may ask again
        storage.put_new({"tile/0/000.p/1": b"a", "journal/1": b"b"})
        storage.put_new({"tile/0/000.p/1": b"a", "journal/2": b"c"})
        with pytest.raises(Tampered, match=r"two histories"):
            storage.put_new({"journal/3": b"d", "tile/0/000.p/1": b"x"})
        storage.swap("checkpoint", None, b"1")
        for old in (None, b"0"):
            with pytest.raises(Refused, match=r"someone else"):
                storage.swap("checkpoint", old, b"2")
        storage.swap("checkpoint", b"1", b"2")
    other = make()
    assert other.get("checkpoint") == b"2"
    assert other.get("nothing") is None
    other.put_new({f"tile/0/{number:03d}": bytes([number]) for number in range(20)})
    assert storage.list("tile/") == ["tile/0/000", "tile/0/000.p/1", *(f"tile/0/{number:03d}" for number in range(1, 20))]
    other.remove(["journal/1", "journal/2", "journal/3", "journal/4"])
    assert storage.list("journal/") == []


def test_two_writers_take_turns(make: Make) -> None:
    Log.create(make(), KEY)
    failed: list[BaseException] = []

    def write(name: int) -> None:
        try:
            log = Log(make(), KEY.key, KEY)
            for batch in range(4):
                log.append([b"%d %d %d" % (name, batch, i) for i in range(70)])
                log.publish()
        except BaseException as error:
            failed.append(error)
            raise

    writers = [threading.Thread(target=write, args=(name,)) for name in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert not failed
    log = Log(make(), KEY.key)
    entries = list(log.entries())
    assert len(set(entries)) == len(entries) == 2 * 4 * 70
    assert audit(log).head.root == tree_hash(entries)


@pytest.mark.parametrize("kind", ["postgres", "bucket"])
def test_a_ledger_elsewhere(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    address = new_database(request.getfixturevalue("postgres")) if kind == "postgres" else request.getfixturevalue("store").url("a")
    Ledger.create(tmp_path / "ledger", KEY, memo_of(tmp_path / "key"), [ALICE.key, BOB.key], 2, store=address, clock=lambda: TODAY)
    (tmp_path / "key").write_text(KEY.secret() + "\n")
    (tmp_path / "key").chmod(0o600)
    ledger = Ledger.open(tmp_path / "ledger", key_file=tmp_path / "key")
    register(ledger, "crawl", ALICE, BOB)
    data = read(reviews(tmp_path / "v1.csv"))
    add(ledger, data, "crawl")
    assert snapshots.take(ledger, data, "v1").root.hex() == data.fingerprint
    reader = Ledger.open(tmp_path / "ledger", trust=KEY.key)
    assert audit(reader.log).head.size == 1 + 3 + 20 + 1
    assert not (tmp_path / "ledger" / "tile").exists()
    with pytest.raises(Refused, match=r"a log already"):
        Ledger.create(tmp_path / "other", KEY, memo_of(tmp_path / "key2"), store=address)


def test_published_signatures() -> None:
    """docs.aws.amazon.com, "Signature Calculations for the Authorization Header": the examples GET object and list objects."""
    account = Account("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    host, time = "examplebucket.s3.amazonaws.com", "20130524T000000Z"
    got = signed("GET", host, "/test.txt", {}, {"Range": "bytes=0-9"}, b"", account, time)
    assert got["authorization"].endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    listed = signed("GET", host, "/", {"max-keys": "2", "prefix": "J"}, {}, b"", account, time)
    assert listed["authorization"].endswith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


def test_a_busy_store_and_lost_answers(store: Store) -> None:
    bucket = Bucket(store.url("x"), sleep=lambda seconds: None)
    store.busy = 2
    bucket.put_new({"a": b"1"})
    store.lossy = 1
    bucket.put_new({"b": b"2"})
    store.lossy = 1
    bucket.swap("checkpoint", None, b"1")
    store.lossy = 1
    bucket.swap("checkpoint", b"1", b"2")
    assert [bucket.get(path) for path in ("a", "b", "checkpoint")] == [b"1", b"2", b"2"]
    store.busy = 100
    with pytest.raises(DataError, match=r"answers 503"):
        bucket.put_new({"c": b"3"})


def test_a_lease_whose_answer_was_lost_is_held(store: Store) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    bucket = Bucket(store.url("x"), clock=lambda: now[0], sleep=sleep)
    store.lossy = 1
    with bucket.lock():
        assert now[0] < LEASE / 4  # it is ours: nobody's end is waited for
        now[0] += LEASE / 2
        store.lossy = 1
        bucket.put_new({"a": b"1"})
    assert bucket.get("a") == b"1"


def test_a_store_that_passes_conditions_over_is_refused(store: Store, tmp_path: Path) -> None:
    store.careless = True
    with pytest.raises(DataError, match=r"does not refuse a conditional PUT"):
        opened(store.url("x"), tmp_path, "o", new=True)
    store.careless = False
    opened(store.url("x"), tmp_path, "o", new=True)


def test_a_lease_that_ran_out(store: Store) -> None:
    """The one who held it is refused; what he wrote too late is not acknowledged, and does not come into the log."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += 10 * seconds

    slow, quick = (Bucket(store.url("x"), clock=lambda: now[0], sleep=sleep) for _ in range(2))
    Log.create(slow, KEY)
    with slow.lock():
        slow.put_new({"before": b"1"})
        with quick.lock():  # after LEASE seconds of waiting
            assert now[0] > LEASE
            log = Log(quick, KEY.key, KEY)
            log.append([b"quick"] * 3)
            log.publish()
            with pytest.raises(Refused, match=r"took over"):
                slow.put_new({"late": b"2"})
            with pytest.raises(Refused, match=r"took over"):
                slow.swap("checkpoint", log.note(), b"x")
    assert slow.get("late") is None
    late = Log(Memory({path.removeprefix("logs/x/"): data for path, data in store.objects.items()}), KEY.key, KEY)
    late.next_number = lambda: 1  # type: ignore[method-assign]  # as it was when the late writer looked
    with pytest.raises(Refused, match=r"another writer was quicker"):
        late.append([b"late"])
    assert list(late.entries()) == [b"quick"] * 3
    assert late.storage.list("journal/") == []


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("postgresql://me:secret@host/db", r"password does not belong"),
        ("postgresql://me@host", r"names no data base"),
        ("postgresql://me@127.0.0.1:1/db", r"does not let us in"),
        ("s3://bucket/x?endpoint=http://example.com", r"spoken to by https"),
        ("s3://bucket/x?colour=red", r"names no bucket"),
        ("ftp://host/x", r"no address of a store"),
    ],
)
def test_addresses_that_are_none(address: str, match: str, tmp_path: Path, store: Store) -> None:
    with pytest.raises(DataError, match=match):
        opened(address, tmp_path, "o")


def test_a_bucket_needs_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(DataError, match=r"who may write"):
        Bucket("s3://bucket/x")
