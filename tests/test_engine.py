"""Engines give what a loop gives, whichever runs the work and whatever happens to its workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine_work as work
from assay.engine import leftovers
from assay.engine.base import Engine, LostWork, NoEngine, current, spans, using
from assay.engine.choose import choose
from assay.engine.cores import LARGE, Cores
from assay.engine.local import Local
from assay.engine.spill import spill


@pytest.fixture(scope="module", params=["local", "cores"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with Local() if request.param == "local" else Cores(2) as made:
        yield made


def test_results_come_in_the_order_of_the_calls(engine: Engine) -> None:
    assert list(engine.map(pow, [(i, 2) for i in range(40)])) == [i * i for i in range(40)]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64, 65, 150])
def test_states_are_merged_in_the_order_of_their_blocks(count: int) -> None:
    found = Local().fold(work.seen, [(i,) for i in range(count)])
    assert (found is None) == (count == 0)
    assert found is None or found.numbers == tuple(range(count))


def test_a_fold_on_workers_is_the_same(engine: Engine) -> None:
    found = engine.fold(work.seen, [(i,) for i in range(70)])
    assert found is not None
    assert found.numbers == tuple(range(70))


def test_a_block_is_placed_once_and_read_by_all(engine: Engine) -> None:
    block = np.arange(1000)
    placed = engine.put(block)
    assert list(engine.map(work.total, [(placed, a, b) for a, b in spans(1000, 300)])) == [44850, 134850, 224850, 94950]
    if engine.remote:
        assert not engine.result(engine.submit(work.writable, placed))


def test_what_stays_serves_further_work(engine: Engine) -> None:
    held = engine.hold(work.doubled, [(np.full(3, i),) for i in range(9)])
    again = engine.hold(work.doubled, [(h,) for h in held])
    assert [engine.result(h).tolist() for h in again] == [[4 * i] * 3 for i in range(9)]


def test_what_work_raises_is_raised_here(engine: Engine) -> None:
    with pytest.raises(ValueError, match="no 3"):
        list(engine.map(work.refuse, [(3,)]))


def test_a_lost_process_is_made_up_for(tmp_path: Path) -> None:
    with Cores(2) as cores:
        before = list(cores.map(pow, [(2, 2)]))
        assert cores.result(cores.submit(work.die_once, str(tmp_path / "mark"))) == "done"
        assert before == list(cores.map(pow, [(2, 2)])) == [4]


def test_work_that_always_kills_its_process_is_named() -> None:
    with Cores(1) as cores, pytest.raises(LostWork, match="_exit ended its process 3 times"):
        cores.result(cores.submit(os._exit, 9))


def test_what_is_large_goes_by_a_file_that_goes_with_it(tmp_path: Path) -> None:
    with Cores(1, tmp_path) as cores:
        for size in (10, LARGE):  # eight bytes each
            (back,) = cores.map(work.doubled, [(np.full(size, 4),)])
            assert (back == 8).all()
            assert back.flags.writeable == (size == 10)  # a view of a file
        assert list(tmp_path.glob("*/*.block")) == []
        assert back.sum() == 8 * LARGE  # which is still there for those who have it open


def test_scratch_files_go(tmp_path: Path) -> None:
    with Cores(1, tmp_path) as cores:
        placed = cores.put(np.arange(10))
        assert len(list(tmp_path.glob("*/*.block"))) == 1
        del placed
        assert list(tmp_path.glob("*/*.block")) == []
        held = cores.hold(work.doubled, [(np.arange(5),)])
        assert cores.result(held[0]).tolist() == [0, 2, 4, 6, 8]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_its_workers_at_once(tmp_path: Path) -> None:
    script = f"import engine_work; engine_work.hold_on({str(tmp_path)!r})"
    around = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", script], env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
    for _ in range(100):
        if not work.runs(worker):
            break
        time.sleep(0.1)
    assert not work.runs(worker)
    (left,) = tmp_path.iterdir()
    assert list(left.glob("*.block"))
    stranger, ours = tmp_path / f"{leftovers.PREFIX}not-a-folder", tmp_path / "another"
    stranger.touch()
    ours.mkdir()
    with Cores(1, tmp_path) as cores:
        assert left.exists()  # so young that its process may be about to lock it
        for folder in (left, cores.folder):
            os.utime(folder, (0, 0))
        Cores(1, tmp_path).close()
        assert sorted(tmp_path.iterdir()) == sorted([stranger, ours, cores.folder])


@given(st.lists(st.binary(max_size=50), max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_spilled_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[bytes]) -> None:
    back = spill([np.frombuffer(v, np.uint8) for v in values], tmp_path_factory.mktemp("spilled")).load()
    assert [a.tobytes() for a in back] == values


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def tell(self) -> int:
            return 0

        def write(self, _: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", lambda *_: Full())
    with pytest.raises(OSError, match="No space"):
        spill(np.arange(100), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_engine_in_use_is_this_process_but_where_another_is_named() -> None:
    assert current().name == "local"
    with using(Local()) as other:
        assert current() is other
    assert current() is not other


@pytest.mark.parametrize(
    ("name", "address", "workers", "says"),
    [("spark", None, None, "no engine 'spark'"), ("local", "auto", None, "only a Ray cluster"), ("local", None, 0, "0 workers")],
)
def test_what_cannot_be_chosen_is_said_with_a_remedy(name: str, address: str | None, workers: int | None, says: str) -> None:
    with pytest.raises(NoEngine, match=says) as error:
        choose(name, address, workers)
    assert "Remedy: " in str(error.value)
